"""What reports are made of: dimensions, measures, and which sums cover a period exactly. Pure.

Sums are kept by grain. A pair of dimensions has sums a UTC day and a UTC month, one dimension also a quarter and an
hour; what a period has beside whole days is read from finer sums, or from the facts themselves. So a period may begin
and end at any moment, in any zone; and hours and days on a zone's clock are exact where its offset is a whole quarter
of an hour, as every zone's is since 1972 (Liberia was the last).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from operator import attrgetter
from zoneinfo import ZoneInfo

MAXIMUM_DAYS = 3_700
QUARTER = dt.timedelta(minutes=15)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Dimension(StrEnum):
    """What figures are told apart by."""

    PUBLISHER = "publisher"
    CAMPAIGN = "campaign"
    BUYER = "buyer"
    TARGET = "target"
    NUMBER = "number"
    STATE = "state"
    LOAN_TYPE = "loan_type"
    SOURCE = "source"
    HOUR = "hour"
    """Of the day, on the zone's clock: 00 to 23."""
    DAY = "day"
    """On the zone's calendar."""

    @property
    def of_time(self) -> bool:
        return self in (Dimension.HOUR, Dimension.DAY)


KEPT = tuple(one for one in Dimension if not one.of_time)
"""The dimensions that sums are kept by; each has its number from 1 on."""


class Grain(IntEnum):
    """How long one row of sums is."""

    QUARTER = 1
    HOUR = 2
    DAY = 3
    MONTH = 4


_STEPS = {Grain.QUARTER: QUARTER, Grain.HOUR: HOUR, Grain.DAY: DAY}


def pair_code(dimensions: Sequence[Dimension]) -> int:
    """Return the number that sums by these dimensions (none, one, or two in the order of KEPT) are kept under."""
    places = [KEPT.index(one) + 1 for one in dimensions]
    return places[0] * 16 + places[1] if len(places) == 2 else sum(places)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of a period, and the sums that cover it; no grain: the facts themselves."""

    grain: Grain | None
    start: dt.datetime
    end: dt.datetime
    too_much: bool = False
    """Coarser sums hold it, and the period does not: to be taken away."""
    day: str = ""
    """Whose figures these are, where days on the zone's calendar are told apart."""


def pieces_of(
    start: dt.datetime, end: dt.datetime, dimensions: Sequence[Dimension], zone: ZoneInfo
) -> tuple[Piece, ...]:
    """Return the pieces that together are exactly [start, end), the coarsest that will do. Times are UTC."""
    if Dimension.HOUR in dimensions:
        whole_hours = _offsets_are_whole_hours(start, end, zone)
        return _cover(start, end, (Grain.HOUR, Grain.QUARTER) if whole_hours else (Grain.QUARTER,))
    if Dimension.DAY in dimensions:
        return _by_day(start, end, zone)
    if len(dimensions) == 2:
        return _cover(start, end, (Grain.MONTH, Grain.DAY))
    return _cover(start, end, (Grain.MONTH, Grain.DAY, Grain.HOUR, Grain.QUARTER))


def _by_day(start: dt.datetime, end: dt.datetime, zone: ZoneInfo) -> tuple[Piece, ...]:
    """Each day on the zone's calendar: the day of UTC that is nearest, and the hours that it is off by."""
    pieces: list[Piece] = []
    day, first = start.astimezone(zone).date(), start
    while first < end:
        following = day + dt.timedelta(days=1)
        last = min(dt.datetime.combine(following, dt.time(), zone).astimezone(dt.UTC), end)
        covered = _cover(first, last, (Grain.DAY, Grain.HOUR, Grain.QUARTER))
        pieces += [replace(one, day=day.isoformat()) for one in covered]
        day, first = following, last
    return tuple(pieces)


def _cover(start: dt.datetime, end: dt.datetime, grains: Sequence[Grain]) -> tuple[Piece, ...]:
    """Sums between the nearest bounds of the coarsest grain; by the finer ones what those lack or have too much."""
    if start == end:
        return ()
    if not grains:
        return (Piece(grain=None, start=start, end=end),)
    first, last = _nearest(start, grains[0]), _nearest(end, grains[0])
    if first == last:
        return _cover(start, end, grains[1:])
    whole = Piece(grain=grains[0], start=first, end=last)
    return (*_beside(start, first, grains[1:]), whole, *_beside(last, end, grains[1:]))


def _beside(start: dt.datetime, end: dt.datetime, grains: Sequence[Grain]) -> tuple[Piece, ...]:
    if start <= end:
        return _cover(start, end, grains)
    return tuple(replace(one, too_much=not one.too_much) for one in _cover(end, start, grains))


def _nearest(moment: dt.datetime, grain: Grain) -> dt.datetime:
    if grain is Grain.MONTH:
        before = _floor(moment, DAY).replace(day=1)
        after = (before + dt.timedelta(days=32)).replace(day=1)
    else:
        before = _floor(moment, _STEPS[grain])
        after = before + _STEPS[grain]
    return before if moment - before < after - moment else after


def _offsets_are_whole_hours(start: dt.datetime, end: dt.datetime, zone: ZoneInfo) -> bool:
    days = range((end - start).days + 2)
    moments = [min(start + number * DAY, end).astimezone(zone) for number in days]
    return all((moment.utcoffset() or dt.timedelta()) % HOUR == dt.timedelta() for moment in moments)


def _floor(moment: dt.datetime, step: dt.timedelta) -> dt.datetime:
    return moment - (moment - _EPOCH) % step


@dataclass(frozen=True, kw_only=True)
class Measures:
    """The figures of one row of a report. Money in millionths of a dollar."""

    calls: int = 0
    connected: int = 0
    converted: int = 0
    duplicates: int = 0
    refused: int = 0
    """Calls that no buyer wanted or had room for."""
    connected_ms: int = 0
    revenue_micros: int = 0
    payout_micros: int = 0
    carrier_cost_micros: int = 0
    ping_cost_micros: int = 0
    platform_fee_micros: int = 0

    @property
    def profit_micros(self) -> int:
        """What is left of the revenue when everybody is paid."""
        costs = self.payout_micros + self.carrier_cost_micros + self.ping_cost_micros
        return self.revenue_micros - costs - self.platform_fee_micros

    @property
    def margin(self) -> float | None:
        """Profit of each dollar of revenue; None without revenue."""
        return self.profit_micros / self.revenue_micros if self.revenue_micros else None

    @property
    def billable_rate(self) -> float | None:
        """Converted of all calls; None without calls."""
        return self.converted / self.calls if self.calls else None

    @property
    def average_seconds(self) -> float | None:
        """Connected seconds of a connected call; None without one."""
        return self.connected_ms / 1000 / self.connected if self.connected else None

    def less(self, parts: Iterable[Measures]) -> Measures:
        """Return what is left of these figures without those of the parts."""
        taken = [sum(figures) for figures in zip(*map(_figures_of, parts), strict=True)] or [0] * len(FIELDS)
        left = zip(FIELDS, _figures_of(self), taken, strict=True)
        return Measures(**{name: value - less for name, value, less in left})

    def to_json(self) -> dict[str, int | float | None]:
        return {
            **self.__dict__,
            "profit_micros": self.profit_micros,
            "margin": self.margin,
            "billable_rate": self.billable_rate,
            "average_seconds": self.average_seconds,
        }


FIELDS: tuple[str, ...] = tuple(Measures.__dataclass_fields__)
"""The measures that are summed, in the order of the tables' columns."""
_figures_of = attrgetter(*FIELDS)
