"""Profit and loss by any one or two dimensions, for any period in any zone, beside an earlier period if wanted.

Sums are read from `rollups`, what they do not cover from `report_facts`, and what is not folded yet from the ledger:
a report is as new as the last commit.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.rollup import FIELDS, KEPT, MAXIMUM_DAYS, Dimension, Grain, Measures, Piece, pair_code, pieces_of
from billing.rollups_queries import DIMENSIONS, MEASURES

DEFAULT_ROWS = 50
MAXIMUM_ROWS = 5_000
CALLS_AT_ONCE = 50
OTHERS = "\x00others"
"""The key of the row that sums what a report has no room for."""

_SUMS = ", ".join(f"add_up({name}) AS {name}" for name in FIELDS)
_NEGATIVE = ", ".join(f"-{name} AS {name}" for name in FIELDS)
_IDS = frozenset(KEPT) - {Dimension.STATE, Dimension.LOAN_TYPE, Dimension.SOURCE}
_TIMES = {Dimension.HOUR: "HH24", Dimension.DAY: "YYYY-MM-DD"}


class ReportError(ValueError):
    """A question that no report answers; says why."""


@dataclass(frozen=True, kw_only=True)
class ReportQuery:
    """What is asked: calls that started in [start, end), told apart by none, one or two dimensions."""

    start: dt.datetime
    end: dt.datetime
    by: tuple[Dimension, ...] = ()
    zone: ZoneInfo
    """On whose clock hours and days are."""
    rows: int = DEFAULT_ROWS
    """At most; the rest is summed as `others`. The largest come first: by revenue, then by calls."""
    where: Mapping[Dimension, str] = field(default_factory=dict)
    """Only calls of these values: ids or codes, as the keys of rows are."""

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ReportError("the period ends before it begins")
        if self.end - self.start > dt.timedelta(days=MAXIMUM_DAYS):
            raise ReportError(f"a period is at most {MAXIMUM_DAYS} days")
        if len(self.by) > 2 or len(set(self.by)) != len(self.by):
            raise ReportError("a report is by one dimension or by two that differ")
        if not 1 <= self.rows <= MAXIMUM_ROWS:
            raise ReportError(f"a report has 1 to {MAXIMUM_ROWS} rows")
        if any(one.of_time for one in self.where):
            raise ReportError("the time of the calls is the period, not a filter")
        if any(not _is_id(value) for one, value in self.where.items() if one in _IDS):
            raise ReportError("a publisher, campaign, buyer, target or number is given by its id")

    @property
    def kept(self) -> tuple[Dimension, ...]:
        """The dimensions but those of time that it is told apart or filtered by, in the order of KEPT."""
        return tuple(one for one in KEPT if one in self.by or one in self.where)


@dataclass(frozen=True, kw_only=True)
class ReportRow:
    """One row: the values of the dimensions (ids, codes, hours or days; '' where there is none) and its figures."""

    keys: tuple[str, ...]
    measures: Measures


@dataclass(frozen=True, kw_only=True)
class Report:
    """Rows, largest first; by time in its order. `total` is of all, `others` among them."""

    query: ReportQuery
    rows: tuple[ReportRow, ...]
    total: Measures
    groups: int
    """How many rows there would be without a limit."""


async def report(connection: AsyncConnection, query: ReportQuery) -> Report:
    """Answer a question. Raises what the database raises."""
    sources: list[str] = []
    values: dict[str, Any] = {}
    for number, pieces in enumerate(_together(_pieces(query))):
        sources.append(_source(query, pieces[0], number))
        values |= _values(pieces, number)
    sources.append(_pending(query))
    for one, value in query.where.items():
        # As the sums have it, a text; and as the facts have it.
        values |= {f"only_{one}": value or ("0" if one in _IDS else ""), f"of_{one}": _typed(one, value)}
    values |= {"start": query.start, "end": query.end, "limit": query.rows}
    if any(one.of_time for one in query.by):
        values["zone"] = query.zone.key
    found = (
        await connection.execute(text(_ANSWER.format(sources=" UNION ALL ".join(sources))), values)
    ).all()
    total, groups = _measures(found[-1]), found[-1].groups
    listed = [ReportRow(keys=(row.a, row.b)[: len(query.by)], measures=_measures(row)) for row in found[:-1]]
    listed.sort(key=lambda row: _times(row, query))
    if groups > len(listed):
        others = total.less(row.measures for row in listed)
        listed.append(ReportRow(keys=(OTHERS, "")[: len(query.by)], measures=others))
    return Report(query=query, rows=tuple(listed), total=total, groups=groups)


_ANY_FIGURE = " OR ".join(f"add_up({name}) <> 0" for name in FIELDS)

# The largest, and the total of all as the last row.
_ANSWER = f"""
    WITH summed AS MATERIALIZED (
        SELECT a, b, {_SUMS} FROM ({{sources}}) AS pieces GROUP BY a, b HAVING {_ANY_FIGURE}
    ), largest AS (
        SELECT * FROM summed ORDER BY revenue_micros DESC, calls DESC, a, b LIMIT :limit
    )
    SELECT 0::bigint AS groups, a, b, {MEASURES} FROM largest
    UNION ALL SELECT count(*), NULL, NULL, {_SUMS} FROM summed
"""  # noqa: S608 (names only)


def _measures(row: Any) -> Measures:
    return Measures(**{name: getattr(row, name) or 0 for name in FIELDS})


def _times(row: ReportRow, query: ReportQuery) -> list[str]:
    """What rows go by before their size: time, in its order."""
    return [key for one, key in zip(query.by, row.keys, strict=True) if one.of_time]


def _is_id(value: str) -> bool:
    return value == "" or (value.isascii() and value.isdigit() and int(value) < 2**63)


def _typed(dimension: Dimension, value: str) -> int | str:
    return int(value or 0) if dimension in _IDS else value


def _pieces(query: ReportQuery) -> tuple[Piece, ...]:
    """Return what to read from where: sums are kept by two dimensions at most, by one beside hours and days."""
    has_time = any(one.of_time for one in query.by)
    if len(query.kept) > (1 if has_time else 2):
        return (Piece(grain=None, start=query.start, end=query.end),)
    times = tuple(one for one in query.by if one.of_time)
    return pieces_of(query.start, query.end, (*query.kept, *times), query.zone)


def _together(pieces: Sequence[Piece]) -> list[tuple[Piece, ...]]:
    """Return the pieces that are read as one: those of days by their grain, every other by itself."""
    days: dict[Grain | None, list[Piece]] = {}
    for piece in pieces:
        if piece.day:
            days.setdefault(piece.grain, []).append(piece)
    return [*((one,) for one in pieces if not one.day), *map(tuple, days.values())]


def _values(pieces: Sequence[Piece], number: int) -> dict[str, Any]:
    if not pieces[0].day:
        return {f"start{number}": pieces[0].start, f"end{number}": pieces[0].end}
    return {
        f"starts{number}": [one.start for one in pieces],
        f"ends{number}": [one.end for one in pieces],
        f"days{number}": [one.day for one in pieces],
        f"signs{number}": [-1 if one.too_much else 1 for one in pieces],
    }


def _source(query: ReportQuery, piece: Piece, number: int) -> str:
    """Return a query of the rows of one piece, or of all pieces of days that are of this one's grain."""
    start, end = ("days.first", "days.last") if piece.day else (f":start{number}", f":end{number}")
    columns: dict[Dimension, str] = dict(zip(query.kept, ("a", "b"), strict=False))
    if piece.grain is None:
        rows = f"report_facts WHERE at >= {start} AND at < {end}{_only(query)}"
        columns = {one: f"{one}::text" for one in KEPT} | _clock("at")
    else:
        moments = _moments(query, number) if Dimension.HOUR in query.by else ""
        rows = f"rollups{moments} WHERE grain = {piece.grain:d} AND pair = {pair_code(query.kept)}"
        rows += f" AND bucket >= {start} AND bucket < {end}"
        rows += "".join(f" AND {columns[one]} = :only_{one}" for one in query.where)
        columns |= {one: one.value for one in _TIMES}
    if not piece.day:
        figures = _NEGATIVE if piece.too_much else MEASURES
        return f"SELECT {_cells(query.by, columns)}, {figures} FROM {rows}"  # noqa: S608
    cells = _cells(query.by, columns | {Dimension.DAY: "days.day"})
    figures = ", ".join(f"{name} * days.sign AS {name}" for name in FIELDS)
    return (
        f"SELECT {cells}, {figures} FROM {_days(number)} CROSS JOIN LATERAL (SELECT * FROM {rows} OFFSET 0) r"  # noqa: S608
    )


def _days(number: int) -> str:
    """The pieces of days; what is joined with them is read by the index for each (hence the OFFSET)."""
    kinds = {"starts": "timestamptz", "ends": "timestamptz", "days": "text", "signs": "integer"}
    lists = ", ".join(f"CAST(:{name}{number} AS {kind}[])" for name, kind in kinds.items())
    return f"unnest({lists}) AS days (first, last, day, sign)"


def _moments(query: ReportQuery, number: int) -> str:
    """Join each bucket with its time on the zone's clock: told once a bucket, not once a row (hence the OFFSET)."""
    said = ", ".join(f"{cell} AS {one}" for one, cell in _clock("bucket").items() if one in query.by)
    buckets = f"generate_series(:start{number}, :end{number}, interval '15 minutes') AS bucket"
    return f" JOIN (SELECT bucket, {said} FROM {buckets} OFFSET 0) AS moments USING (bucket)"  # noqa: S608


def _only(query: ReportQuery) -> str:
    return "".join(f" AND {one.value} = :of_{one}" for one in query.where)


def _pending(query: ReportQuery) -> str:
    """What is posted and not folded; what was folded of it before is taken back."""
    cells = _cells(query.by, {one: f"{one}::text" for one in KEPT} | _clock("at"))
    sides = " UNION ALL ".join(
        f"SELECT {DIMENSIONS}, at, {figures} FROM {table} WHERE transaction_id IN"  # noqa: S608
        f" (SELECT transaction_id FROM report_pending) AND at >= :start AND at < :end{_only(query)}"
        for table, figures in (("report_contributions", MEASURES), ("report_facts", _NEGATIVE))
    )
    return f"SELECT {cells}, {MEASURES} FROM ({sides}) AS pending"  # noqa: S608


def _clock(moment: str) -> dict[Dimension, str]:
    return {one: f"to_char({moment} AT TIME ZONE :zone, '{form}')" for one, form in _TIMES.items()}


def _cells(by: Sequence[Dimension], columns: Mapping[Dimension, str]) -> str:
    cells = [*(columns[one] for one in by), "''", "''"]
    return ", ".join(f"{cell} AS {name}" for cell, name in zip(cells, ("a", "b"), strict=False))


# --- comparison ----------------------------------------------------------------------------------------------


def earlier(query: ReportQuery) -> ReportQuery:
    """Return the same question of the period of the same length just before, on the zone's own clock."""
    start, end = (moment.astimezone(query.zone).replace(tzinfo=None) for moment in (query.start, query.end))
    before = (start - (end - start)).replace(tzinfo=query.zone).astimezone(dt.UTC)
    return replace(query, start=before, end=query.start, rows=MAXIMUM_ROWS)


# --- names and calls -----------------------------------------------------------------------------------------

_NAMES = {
    Dimension.PUBLISHER: "SELECT id, name FROM publishers WHERE id = ANY (:ids)",
    Dimension.CAMPAIGN: "SELECT id, name FROM campaigns WHERE id = ANY (:ids)",
    Dimension.BUYER: "SELECT id, name FROM buyers WHERE id = ANY (:ids)",
    Dimension.TARGET: "SELECT t.id, b.name || ' / ' || t.name AS name FROM targets t JOIN buyers b"
    " ON b.id = t.buyer_id WHERE t.id = ANY (:ids)",
    Dimension.NUMBER: "SELECT id, e164 AS name FROM tracking_numbers WHERE id = ANY (:ids)",
}
_NONE = {"", "0"}


async def names_of(
    connection: AsyncConnection, by: Sequence[Dimension], rows: Sequence[ReportRow]
) -> dict[tuple[Dimension, str], str]:
    """Return what people call the values of the rows."""
    names: dict[tuple[Dimension, str], str] = {}
    for place, dimension in enumerate(by):
        keys = {row.keys[place] for row in rows}
        names |= {(dimension, key): "others" if key == OTHERS else key for key in keys}
        if not dimension.of_time:
            names |= {(dimension, key): "(none)" for key in keys & _NONE}
        if dimension in _NAMES:
            ids = [int(key) for key in keys - _NONE if key.isdigit()]
            found = await connection.execute(text(_NAMES[dimension]), {"ids": ids})
            names |= {(dimension, str(row.id)): row.name for row in found}
    return names


@dataclass(frozen=True, kw_only=True)
class ReportCall:
    """One call behind a figure."""

    call_id: UUID
    started_at: dt.datetime
    caller: str | None
    outcome: str | None
    connected_ms: int
    revenue_micros: int
    payout_micros: int


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a page of calls ends; the next one begins after it."""

    at: dt.datetime
    transaction_id: int


async def calls_behind(
    connection: AsyncConnection,
    *,
    start: dt.datetime,
    end: dt.datetime,
    where: Mapping[Dimension, str],
    after: Place | None = None,
    limit: int = CALLS_AT_ONCE,
) -> tuple[tuple[ReportCall, ...], Place | None]:
    """Return calls of these values, newest first, and where the next page begins (None: that was all).

    As they were settled; what corrected them later is on the call's own page. Folded calls only: at most a second old.
    """
    if any(one.of_time for one in where) or not 1 <= limit <= 1_000:
        raise ReportError(
            "calls are asked for by what they are of; their time is the period, 1 to 1000 at once"
        )
    conditions = "".join(f" AND {one.value} = :{one.value}" for one in where)
    values: dict[str, Any] = {one.value: _typed(one, value) for one, value in where.items()}
    values |= {"start": start, "end": end, "limit": limit}
    if after is not None:
        conditions += " AND (at, transaction_id) < (:after_at, :after_id)"
        values |= {"after_at": after.at, "after_id": after.transaction_id}
    query = _CALLS.format(conditions=conditions)
    rows = (await connection.execute(text(query), values)).all()
    calls = tuple(
        ReportCall(**{name: getattr(row, name) for name in ReportCall.__dataclass_fields__}) for row in rows
    )
    last = Place(at=rows[-1].at, transaction_id=rows[-1].transaction_id) if len(rows) == limit else None
    return calls, last


_CALLS = """
    SELECT f.transaction_id, f.at, f.call_id, c.started_at, c.caller, c.outcome, f.connected_ms,
        f.revenue_micros, f.payout_micros
    FROM (
        SELECT * FROM report_facts
        WHERE calls = 1 AND at >= :start AND at < :end{conditions}
        ORDER BY at DESC, transaction_id DESC LIMIT :limit
    ) f JOIN calls c ON c.id = f.call_id ORDER BY f.at DESC, f.transaction_id DESC
"""
