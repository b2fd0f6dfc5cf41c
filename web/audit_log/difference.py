"""A change as people read it: which field was what, and is what. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CHANGES_MAXIMUM = 200
SHOWN_LENGTH_MAXIMUM = 300


@dataclass(frozen=True, kw_only=True)
class Change:
    """One field. `was` of None: it was not there; `now` of None: it is gone."""

    field: str
    was: str | None
    now: str | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    changes: Sequence[Change]
    left_out: int


def difference(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Difference:
    """Return the fields that differ, in the order of their names; at most CHANGES_MAXIMUM.

    With both there, what is missing in `after` was taken away. A list is one value: where it differs it is shown whole.
    """
    was, now = dict(_flat(before or {})), dict(_flat(after or {}))
    if not was or not now:
        # Of what was made or is gone, an empty field says nothing.
        was, now = _without_empty(was), _without_empty(now)
    found = [
        Change(field=name, was=_shown(was, name), now=_shown(now, name))
        for name in sorted(was.keys() | now.keys())
        if (name in was) != (name in now) or was.get(name) != now.get(name)
    ]
    return Difference(changes=found[:CHANGES_MAXIMUM], left_out=max(0, len(found) - CHANGES_MAXIMUM))


def _flat(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, part in value.items():
        place = f"{path}.{name}" if path else str(name)
        if isinstance(part, Mapping) and part:
            yield from _flat(part, place)
        else:
            yield place, part


def _without_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}


def _shown(values: Mapping[str, Any], name: str) -> str | None:
    if name not in values:
        return None
    value = values[name]
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value or "empty" if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_LENGTH_MAXIMUM else text[: SHOWN_LENGTH_MAXIMUM - 1] + "…"
