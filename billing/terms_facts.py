"""What terms may ask about a call, and how it is told of one. Pure; facts are texts, as tags are (rules.fact_kinds)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from zoneinfo import ZoneInfo

from router.domain.known_facts import CLOCK_FACTS, KNOWN_FACTS, facts_of_clock, with_equity
from rules.fact_kinds import Kind
from rules.known_facts import Supplier, kinds_from

CONNECTED, TOTAL = "connected_seconds", "total_seconds"
DUPLICATE, FIRST_TIME, CONVERTED = "duplicate", "first_time", "converted"

OWN_FACTS: Mapping[str, Kind] = kinds_from(Supplier.AFTERWARDS)
"""Talked with the buyer; the caller's whole call; converted before within the campaign's window; never called the
campaign before; (publishers) the buyer pays for the call."""

TERMS_FACTS: Mapping[str, Kind] = {**KNOWN_FACTS, **OWN_FACTS}
ALWAYS_KNOWN = frozenset({CONNECTED, TOTAL, CONVERTED, *CLOCK_FACTS})
_NOT_FROM_TAGS = frozenset(
    {*OWN_FACTS, *CLOCK_FACTS, "publisher", "campaign", "number", "caller", "area_code"}
)


def call_facts(
    *,
    tags: Mapping[str, object],
    answers: Mapping[str, str],
    started_at: dt.datetime,
    time_zone: str,
    connected_ms: int,
    total_ms: int,
    own: Mapping[str, str | int | bool | None],
) -> dict[str, str]:
    """Return the facts of a call. `own` goes before tags of the same name, and None is not known.

    Hours are those of the terms' time zone when the call started.
    """
    told = {
        name: str(value) for name, value in tags.items() if value is not None and name not in _NOT_FROM_TAGS
    }
    told |= {name: value for name, value in answers.items() if name not in _NOT_FROM_TAGS}
    facts = with_equity(told) | facts_of_clock(started_at.astimezone(ZoneInfo(time_zone)))
    facts |= {CONNECTED: decimal_seconds(connected_ms), TOTAL: decimal_seconds(total_ms)}
    return facts | {name: fact_text(value) for name, value in own.items() if value is not None}


def only(facts: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """Return the facts of these names that are known."""
    return {name: facts[name] for name in sorted(names) if name in facts}


def fact_text(value: str | int | bool) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def decimal_seconds(ms: int) -> str:
    """Return milliseconds as seconds, exactly: 74.2, 90, 89.999."""
    whole, rest = divmod(ms, 1000)
    return f"{whole}.{rest:03d}".rstrip("0").rstrip(".")
