"""The form of an imagined call: texts in, the API's body out, so that both are checked alike. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from web.api.shell import field_problems
from web.plans.shapes import DryRunBody

FIELDS = ("loan_type", "state", "zip", "caller", "publisher_id", "tags", "day", "time", "time_zone")


def texts_of(query: Mapping[str, str], time_zone: str) -> dict[str, str]:
    """Return what was typed, by field; the zone begins as the campaign's."""
    found = {name: query.get(name, "").strip()[:1000] for name in FIELDS}
    return {**found, "time_zone": found["time_zone"] or time_zone}


def body_of(texts: Mapping[str, str]) -> DryRunBody | dict[str, str]:
    """Return the imagined call, or what is wrong with it by field."""
    values: dict[str, Any] = {name: text for name, text in texts.items() if text and name != "tags"}
    if "publisher_id" in values and values["publisher_id"].isascii() and values["publisher_id"].isdigit():
        values["publisher_id"] = int(values["publisher_id"])
    lines = [line.strip() for line in texts["tags"].splitlines() if line.strip()]
    unread = next((line for line in lines if "=" not in line), None)
    if unread is not None:
        return {"tags": f"{unread!r:.60}: write one a line, such as veteran=yes"}
    pairs = (line.partition("=") for line in lines)
    values["tags"] = {name.strip(): value.strip() for name, _, value in pairs}
    try:
        return DryRunBody.model_validate(values, strict=False)
    except ValidationError as error:
        return {one.field.split(".")[0]: one.problem for one in reversed(field_problems(error))}
