"""What reports are made of: dimensions, measures, and which sums cover a period exactly. Pure.

Sums are kept by grain. A pair of dimensions has sums a UTC day and a UTC month, one dimension also a quarter, an hour,
and each of them in all days of a week or month; what a period has beside those is read from finer sums, or from the
facts themselves. So a period may begin and end at any moment, in any zone; and hours and days on a zone's clock are
exact where its offset is a whole quarter of an hour, as every zone's is since 1972 (Liberia was the last).
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
    HOURS_OF_WEEK = 5
    """An hour of the day in all days of a week: 24 rows, whose buckets are the hours of its first day."""
    HOURS_OF_MONTH = 6
    QUARTERS_OF_WEEK = 7
    """The same of quarters: for zones that are half an hour off."""
    QUARTERS_OF_MONTH = 8

    @property
    def of_pairs(self) -> bool:
        """Whether two dimensions have it too."""
        return self in (Grain.DAY, Grain.MONTH)

    @property
    def of_clock(self) -> bool:
        """Whether a row is a time of the day in many days."""
        return self in (*_OF_WEEK, *_OF_MONTH)

    @property
    def of_quarters(self) -> bool:
        """Whether a row is a quarter of an hour, of one day or many."""
        return self in (Grain.QUARTER, Grain.QUARTERS_OF_WEEK, Grain.QUARTERS_OF_MONTH)

    def after(self, bound: dt.datetime) -> dt.datetime:
        """Return the bound after this one. Weeks begin as the epoch did, on a Thursday."""
        if self in (Grain.MONTH, *_OF_MONTH):
            return (bound + dt.timedelta(days=32)).replace(day=1)
        return bound + _STEPS[self]


_OF_WEEK = (Grain.HOURS_OF_WEEK, Grain.QUARTERS_OF_WEEK)
_OF_MONTH = (Grain.HOURS_OF_MONTH, Grain.QUARTERS_OF_MONTH)
_STEPS = {Grain.QUARTER: QUARTER, Grain.HOUR: HOUR, Grain.DAY: DAY, **dict.fromkeys(_OF_WEEK, 7 * DAY)}


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

    @property
    def firsts(self) -> tuple[dt.datetime, ...]:
        """The bounds of its grain from its start on, its end left out."""
        found: list[dt.datetime] = []
        bound = self.start
        while self.grain is not None and bound < self.end:
            found.append(bound)
            bound = self.grain.after(bound)
        return tuple(found)


def pieces_of(
    start: dt.datetime, end: dt.datetime, dimensions: Sequence[Dimension], zone: ZoneInfo
) -> tuple[Piece, ...]:
    """Return the pieces that together are exactly [start, end), the coarsest that will do. Times are UTC."""
    if Dimension.HOUR in dimensions:
        # Of all calls together an hour is one row, and on a certain day it is of that day.
        many_days = len(dimensions) > 1 and Dimension.DAY not in dimensions
        return _by_hour(start, end, zone, many_days=many_days)
    if Dimension.DAY in dimensions:
        return _by_day(start, end, zone)
    if len(dimensions) == 2:
        return _cover(start, end, (Grain.MONTH, Grain.DAY))
    return _cover(start, end, (Grain.MONTH, Grain.DAY, Grain.HOUR, Grain.QUARTER))


_HOURS = (Grain.HOURS_OF_MONTH, Grain.HOURS_OF_WEEK, Grain.HOUR, Grain.QUARTER)
_HALF_HOURS = (Grain.QUARTERS_OF_MONTH, Grain.QUARTERS_OF_WEEK, Grain.QUARTER)


def _by_hour(start: dt.datetime, end: dt.datetime, zone: ZoneInfo, *, many_days: bool) -> tuple[Piece, ...]:
    """Hours on the zone's clock. While it keeps its offset an hour of UTC is the same one of them every day."""
    pieces: list[Piece] = []
    for steady in _steady_spans(start - _BESIDE, end + _BESIDE, zone):
        first, last = max(start, steady.start), min(end, steady.end)
        coarsest = _HOURS if steady.whole_hours else _HALF_HOURS
        grains = [one for one in coarsest if many_days or not one.of_clock]
        if first < last:
            pieces += _cover(first, last, grains, steady)
    return tuple(pieces)


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


def _cover(
    start: dt.datetime, end: dt.datetime, grains: Sequence[Grain], steady: SteadySpan | None = None
) -> tuple[Piece, ...]:
    """Sums between the nearest bounds of the coarsest grain (those within `steady`, if told); by the finer ones what
    those lack or have too much.
    """
    if start == end:
        return ()
    if not grains:
        return (Piece(grain=None, start=start, end=end),)
    first, last = _nearest(start, grains[0], steady), _nearest(end, grains[0], steady)
    if first >= last:
        return _cover(start, end, grains[1:], steady)
    whole = Piece(grain=grains[0], start=first, end=last)
    return (*_beside(start, first, grains[1:], steady), whole, *_beside(last, end, grains[1:], steady))


def _beside(
    start: dt.datetime, end: dt.datetime, grains: Sequence[Grain], steady: SteadySpan | None
) -> tuple[Piece, ...]:
    if start <= end:
        return _cover(start, end, grains, steady)
    return tuple(replace(one, too_much=not one.too_much) for one in _cover(end, start, grains, steady))


def _nearest(moment: dt.datetime, grain: Grain, steady: SteadySpan | None) -> dt.datetime:
    before = _floor(moment, _STEPS.get(grain, DAY))
    if grain in (Grain.MONTH, *_OF_MONTH):
        before = before.replace(day=1)
    after = grain.after(before)
    if steady is not None and before < steady.start:
        return after
    if steady is not None and after > steady.end:
        return before
    return before if moment - before < after - moment else after


@dataclass(frozen=True, kw_only=True)
class SteadySpan:
    """A time in which a zone's clock is not changed."""

    start: dt.datetime
    end: dt.datetime
    whole_hours: bool
    """Whether it is whole hours ahead of UTC, or behind."""


_BESIDE = dt.timedelta(days=32)
"""So far from a period its nearest bounds may lie."""


def _steady_spans(start: dt.datetime, end: dt.datetime, zone: ZoneInfo) -> tuple[SteadySpan, ...]:
    spans: list[SteadySpan] = []
    first, offset = start, _offset(start, zone)
    at = start
    while at < end:
        following = min(at + DAY, end)
        if _offset(following, zone) != offset:
            changed = _changed(at, following, zone)
            spans.append(SteadySpan(start=first, end=changed, whole_hours=not offset % HOUR))
            first, offset = changed, _offset(following, zone)
        at = following
    return (*spans, SteadySpan(start=first, end=end, whole_hours=not offset % HOUR))


def _changed(steady: dt.datetime, changed: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """Return when between these two the clock was changed: on a quarter of an hour of UTC."""
    at, offset = _floor(steady, QUARTER) + QUARTER, _offset(steady, zone)
    while at < changed and _offset(at, zone) == offset:
        at += QUARTER
    return at


def _offset(moment: dt.datetime, zone: ZoneInfo) -> dt.timedelta:
    return moment.astimezone(zone).utcoffset() or dt.timedelta()


def _floor(moment: dt.datetime, step: dt.timedelta) -> dt.datetime:
    return moment - (moment - _EPOCH) % step


@dataclass(frozen=True, kw_only=True)
class Measures:
    """The figures of one row of a report. Money in millionths of a dollar."""

    calls: int = 0
    connected: int = 0
    converted: int = 0
    """Calls that count as converted: those that were credited whole are not among them."""
    credited: int = 0
    """Calls that had converted and were credited whole since."""
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
