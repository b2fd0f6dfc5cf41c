"""How rows of `counters` are named that count one hour only, so that a page can say how many there were in a day."""

from __future__ import annotations

import datetime as dt

HOUR_MARK = " in "
"""Between a counter's name and its hour (UTC): unlisted_source in 2026-03-04T15."""
HOURS_KEPT = dt.timedelta(hours=24)


def name_of_hour(name: str, at: dt.datetime) -> str:
    """Return the name of what is counted in the hour of `at`. The names of one counter sort as their hours do."""
    return f"{name}{HOUR_MARK}{at.astimezone(dt.UTC):%Y-%m-%dT%H}"
