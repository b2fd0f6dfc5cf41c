"""How much a publisher's pings may hold, and how many of them must become calls. Pure.

A made-up caller costs its inventor nothing and keeps others out, so what one publisher holds is bounded by number and
by share, and pings without calls are bounded over days. Who holds more than one key holds no more by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

OPEN_MOST = 10
OPEN_MOST_HIGHEST = 10_000
ROOM_SHARE_PERCENT = 25
PINGS_PER_CALL = 50
PINGS_PER_CALL_HIGHEST = 100_000
JUDGED_DAYS = 7
UNJUDGED_PINGS = 100
"""Nobody is judged by fewer pings than these."""
WARNED = timedelta(hours=24)
"""Too many pings for each call bind so long after the publisher was warned first."""
OPEN_MOST_BOUND = 1
"""Open reservations of a publisher whose pings bring too few calls: enough to bring calls again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PingLimits:
    """What a key may hold, as its settings say. Counted for all keys of the publisher together, but for the pings."""

    open_most: int = OPEN_MOST
    """Reservations at once on which no call has come yet."""
    room_share_percent: int = ROOM_SHARE_PERCENT
    """The part of one target's concurrency, and of one buyer's money, that they may hold; one is always allowed."""
    pings_per_call: int = PINGS_PER_CALL
    """Pings that held room, for each call that came, over JUDGED_DAYS."""

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> PingLimits:
        """Read what is stored with a key; what it does not name has its default."""
        return cls(**{name: settings[name] for name in LIMIT_NAMES if name in settings})


USUAL_LIMITS = PingLimits()
LIMIT_NAMES = ("open_most", "room_share_percent", "pings_per_call")


@dataclass(frozen=True, kw_only=True, slots=True)
class PingRecord:
    """How many of a key's pings became calls over the last JUDGED_DAYS."""

    won: int = 0
    """Pings that held room and are over; those whose room went to another's call are not counted."""
    called: int = 0
    """Those of them on which a call came."""
    warned_at: datetime | None = None
    """Since when there are too many for each call; None: there are not."""

    def binds_at(self) -> datetime | None:
        """Return when the limit begins to bind; None when there is nothing to bind."""
        return None if self.warned_at is None else self.warned_at + WARNED

    def is_bound(self, now: datetime) -> bool:
        binds_at = self.binds_at()
        return binds_at is not None and binds_at <= now


NO_RECORD = PingRecord()


def is_too_many(pings_per_call: int, won: int, called: int) -> bool:
    """Tell whether too few calls came on these pings."""
    return won > UNJUDGED_PINGS and won > pings_per_call * called


def open_most(limits: PingLimits, record: PingRecord, now: datetime) -> int:
    """Return how many reservations may be open at once now."""
    return min(limits.open_most, OPEN_MOST_BOUND) if record.is_bound(now) else limits.open_most


def notice_of(limits: PingLimits, record: PingRecord, now: datetime) -> str:
    """Return what a publisher is told of its pings; '' when there is nothing to tell."""
    binds_at = record.binds_at()
    if binds_at is None:
        return ""
    told = (
        f"{record.won:,} pings and {record.called:,} calls in {JUDGED_DAYS} days;"
        f" at most {limits.pings_per_call:,} pings for each call"
    )
    what = f"{OPEN_MOST_BOUND} open reservation at a time until more calls come"
    if binds_at <= now:
        return f"{told}. Since {_spelled(binds_at)} {what}"
    return f"{told}. From {_spelled(binds_at)} on {what}"


def open_refusal(limits: PingLimits, record: PingRecord, now: datetime) -> str:
    """Say why a ping is refused whose publisher has as many open reservations as it may."""
    if record.is_bound(now):
        return notice_of(limits, record, now)
    most = open_most(limits, record, now)
    return f"{most:,} of your reservations wait for their calls, and no more may at once"


def share_refusal(limits: PingLimits) -> str:
    """Say why a ping is refused whose publisher's reservations hold their share of everybody who would take it."""
    return f"your open reservations hold their {limits.room_share_percent} % of the room for such calls"


def _spelled(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
