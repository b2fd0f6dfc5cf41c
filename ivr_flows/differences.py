"""What changed between two definitions of a flow, for people. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ivr_flows.pinning import in_order


class Change(StrEnum):
    """What happened to a place."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One place that differs; `before` and `after` are JSON, '' where there is nothing."""

    change: Change
    place: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        sign = {Change.ADDED: "+", Change.REMOVED: "-", Change.CHANGED: "~"}[self.change]
        told = " → ".join(text for text in (self.before, self.after) if text)
        return f"{sign} {self.place}: {told}"


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return what differs, node by node and setting by setting; of sub-flows only which version they are of.

    Where the editor shows nodes does not count.
    """
    return list(_of_mapping("", _told(before), _told(after), depth=0))


def _told(definition: Mapping[str, Any]) -> dict[str, Any]:
    told = {key: value for key, value in definition.items() if key not in ("layout", "format")}
    if isinstance(told.get("nodes"), Mapping):
        told["nodes"] = in_order(definition)
    # A published version never changes, so its number says all of it.
    pinned = told.pop("subflows", {})
    return {**told, "subflows": {name: f"version {one['version']}" for name, one in pinned.items()}}


def _of_mapping(
    place: str, before: Mapping[str, Any], after: Mapping[str, Any], *, depth: int
) -> Iterator[Difference]:
    for key in dict.fromkeys([*before, *after]):
        inner = f"{place}.{key}" if place else str(key)
        old, new = before.get(key), after.get(key)
        if key not in after:
            yield Difference(change=Change.REMOVED, place=inner, before=_short(old))
        elif key not in before:
            yield Difference(change=Change.ADDED, place=inner, after=_short(new))
        elif depth < 3 and isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _of_mapping(inner, old, new, depth=depth + 1)
        elif old != new:
            yield Difference(change=Change.CHANGED, place=inner, before=_short(old), after=_short(new))


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 200 else f"{text[:197]}…"
