"""The public holidays of a country or state, from the package holidays (MIT; offline), by name: US, US-OH.

A schedule names a calendar; the days themselves travel with the market, so that a decision does not change with the
version of the package.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_NAME = re.compile(r"(?P<country>[A-Z]{2})(?:-(?P<part>[A-Z0-9]{1,3}))?")


class UnknownCalendar(LookupError):
    """There is no calendar of that name; the message says so for people."""


def holidays_of(calendar: str, years: Iterable[int]) -> dict[str, str]:
    """Return day (ISO) -> name, by day. Raises UnknownCalendar."""
    import holidays  # noqa: PLC0415 (70 ms: only where a market is read)

    match = _NAME.fullmatch(calendar)
    if match is None:
        raise UnknownCalendar(f"{calendar!r:.80} is not a holiday calendar like US or US-OH")
    try:
        days = holidays.country_holidays(
            match["country"], subdiv=match["part"], years=list(years), language="en_US"
        )
    except NotImplementedError as error:
        raise UnknownCalendar(f"{calendar!r:.80} is not a holiday calendar we have") from error
    return {day.isoformat(): name for day, name in sorted(days.items())}
