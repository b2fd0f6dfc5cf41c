"""What reports are made of: dimensions, measures, and which sums cover a period exactly. Pure.

Sums are kept by grain. A pair of dimensions has sums a UTC day and a UTC month, one dimension also a quarter and an
hour; what a period has beside whole days is read from finer sums, or from the facts themselves. So a period may begin
and end at any moment, in any zone; and hours and days on a zone's clock are exact where its offset is a whole quarter
of an hour, as every zone's is since 1972 (Liberia was the last).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
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


def pieces_of(
    start: dt.datetime, end: dt.datetime, dimensions: Sequence[Dimension], zone: ZoneInfo
) -> tuple[Piece, ...]:
    """Return the pieces that together are exactly [start, end), the coarsest that will do. Times are UTC."""
    kept = [one for one in dimensions if not one.of_time]
    if len(kept) == len(dimensions):
        return _whole_days(start, end, fine=len(kept) < 2)
    whole_hours = _offsets_are_whole_hours(start, end, zone)
    return _rounded(start, end, *((Grain.HOUR, HOUR) if whole_hours else (Grain.QUARTER, QUARTER)))


def _whole_days(start: dt.datetime, end: dt.datetime, *, fine: bool) -> tuple[Piece, ...]:
    first, last = _ceiling(start, DAY), _floor(end, DAY)
    if first >= last:
        return _edge(start, end, fine=fine)
    first_month = first if first.day == 1 else _next_month(first)
    last_month = last.replace(day=1)
    middle = _piece(Grain.DAY, first, last)
    if first_month < last_month:
        middle = (
            *_piece(Grain.DAY, first, first_month),
            *_piece(Grain.MONTH, first_month, last_month),
            *_piece(Grain.DAY, last_month, last),
        )
    return (*_edge(start, first, fine=fine), *middle, *_edge(last, end, fine=fine))


def _edge(start: dt.datetime, end: dt.datetime, *, fine: bool) -> tuple[Piece, ...]:
    return _rounded(start, end, Grain.QUARTER, QUARTER) if fine else _piece(None, start, end)


def _rounded(start: dt.datetime, end: dt.datetime, grain: Grain, step: dt.timedelta) -> tuple[Piece, ...]:
    first, last = _ceiling(start, step), _floor(end, step)
    if first >= last:
        return _piece(None, start, end)
    return (*_piece(None, start, first), *_piece(grain, first, last), *_piece(None, last, end))


def _piece(grain: Grain | None, start: dt.datetime, end: dt.datetime) -> tuple[Piece, ...]:
    return (Piece(grain=grain, start=start, end=end),) if start < end else ()


def _offsets_are_whole_hours(start: dt.datetime, end: dt.datetime, zone: ZoneInfo) -> bool:
    days = range((end - start).days + 2)
    moments = [min(start + number * DAY, end).astimezone(zone) for number in days]
    return all((moment.utcoffset() or dt.timedelta()) % HOUR == dt.timedelta() for moment in moments)


def _floor(moment: dt.datetime, step: dt.timedelta) -> dt.datetime:
    return moment - (moment - _EPOCH) % step


def _ceiling(moment: dt.datetime, step: dt.timedelta) -> dt.datetime:
    return moment + (_EPOCH - moment) % step


def _next_month(day: dt.datetime) -> dt.datetime:
    return (day.replace(day=1) + dt.timedelta(days=32)).replace(day=1)


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
