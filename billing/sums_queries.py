"""Where the figures of a report are read, as SQL: sums, facts that no sum covers, and what is not folded yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from billing.report_query import IDS, ReportQuery
from billing.rollup import FIELDS, KEPT, Dimension, Grain, Piece, pair_code, pieces_of
from billing.rollups_queries import DIMENSIONS, MEASURES

Among = Mapping[Dimension, str]
"""Of some dimensions only these values: SQL of an array of texts."""
ALL: Among = {}
_CLOCKS = {Dimension.HOUR: "HH24", Dimension.DAY: "YYYY-MM-DD"}


@dataclass(frozen=True, kw_only=True)
class Source:
    """A query of rows to be added up by their keys `a` and `b`, and the values that its parameters stand for."""

    sql: str
    values: Mapping[str, Any]


def source_of(query: ReportQuery, *, among: Among = ALL, name: str = "") -> Source:
    """Return where the figures of a question are read, beside a query called `pending`.

    `name` parts its parameters from those of other sources of the same statement.
    """
    parts: list[str] = []
    values = _shared_values(query)
    for number, pieces in enumerate(_together(_pieces(query))):
        parts.append(_part(query, pieces[0], f"{name}{number}", among))
        values |= _values(pieces, f"{name}{number}")
    parts.append(_of_pending(query, among))
    return Source(sql=" UNION ALL ".join(parts), values=values)


SUMS = ", ".join(f"add_up({name}) AS {name}" for name in FIELDS)
ORDER = 'revenue_micros DESC, calls DESC, a COLLATE "C", b COLLATE "C"'
"""The largest first."""
_WEIGHTS = " + ".join(f"{2 * place + 3} * {name}" for place, name in enumerate(FIELDS))
_RANKS = "add_up(calls) AS calls, add_up(revenue_micros) AS revenue_micros"
# Most have calls or revenue. Of others a sum of all figures, each times a number of its own, tells whether there is
# anything: three sums instead of eleven.
_ANY_OF_THREE = f"add_up(calls) <> 0 OR add_up(revenue_micros) <> 0 OR add_up({_WEIGHTS}) <> 0"
_ANY = " OR ".join(f"add_up({name}) <> 0" for name in FIELDS)


def added_up(source: str) -> str:
    """Return a query of all figures of every pair of keys that has any."""
    return f"SELECT a, b, {SUMS} FROM ({source}) AS pieces GROUP BY a, b HAVING {_ANY}"  # noqa: S608


def ranked(source: str) -> str:
    """Return a query of what every pair of keys that has any figure goes by in order, and no more."""
    return f"SELECT a, b, {_RANKS} FROM ({source}) AS pieces GROUP BY a, b HAVING {_ANY_OF_THREE}"  # noqa: S608


def typed(dimension: Dimension, value: str) -> int | str:
    """Return a value as facts have it."""
    return int(value or 0) if dimension in IDS else value


def summed_key(dimension: Dimension, value: str) -> str:
    """Return a value as sums have it."""
    return value or ("0" if dimension in IDS else "")


def _shared_values(query: ReportQuery) -> dict[str, Any]:
    values: dict[str, Any] = {"start": query.start, "end": query.end}
    for one, value in query.where.items():
        # As the sums have it, a text; and as the facts have it.
        values |= {f"only_{one}": summed_key(one, value), f"of_{one}": typed(one, value)}
    if query.by_time:
        values["zone"] = query.zone.key
    return values


def _pieces(query: ReportQuery) -> tuple[Piece, ...]:
    """Return what to read from where."""
    if not query.has_sums:
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


def _values(pieces: Sequence[Piece], number: str) -> dict[str, Any]:
    one = pieces[0]
    if not one.day:
        bounds = {f"start{number}": one.start, f"end{number}": one.end}
        return bounds | ({f"firsts{number}": one.firsts} if one.grain and one.grain.of_clock else {})
    return {
        f"starts{number}": [one.start for one in pieces],
        f"ends{number}": [one.end for one in pieces],
        f"days{number}": [one.day for one in pieces],
        f"signs{number}": [-1 if one.too_much else 1 for one in pieces],
    }


def _part(query: ReportQuery, piece: Piece, number: str, among: Among) -> str:
    """Return a query of the rows of one piece, or of all pieces of days that are of this one's grain."""
    spans = _spans(query, piece, number)
    start, end = ("spans.first", "spans.last") if spans else (f":start{number}", f":end{number}")
    sums: dict[Dimension, str] = dict(zip(query.kept, ("a", "b"), strict=False))
    columns = _columns("at") if piece.grain is None else sums | {one: one.value for one in _CLOCKS}
    columns |= {Dimension.DAY: "spans.day"} if piece.day else {}
    if piece.grain is None:
        rows = f"report_facts WHERE at >= {start} AND at < {end}{_only(query)}"
    else:
        moments = _moments(query, number) if Dimension.HOUR in query.by and not spans else ""
        rows = f"rollups{moments} WHERE grain = {piece.grain:d} AND pair = {pair_code(query.kept)}"
        rows += f" AND bucket >= {start} AND bucket < {end}"
        rows += "".join(f" AND {sums[one]} = :only_{one}" for one in query.where)
    rows += _among(among, columns)
    cells = _cells(query.by, columns)
    sign = "spans.sign * " if piece.day else "-" if piece.too_much else ""
    # What is joined with spans is read by the index for each of them (hence the OFFSET).
    whence = f"{spans} CROSS JOIN LATERAL (SELECT * FROM {rows} OFFSET 0) r" if spans else rows  # noqa: S608
    return f"SELECT {cells}, {_figures(sign)} FROM {whence}"  # noqa: S608


def _spans(query: ReportQuery, piece: Piece, number: str) -> str:
    """Return the spans of time that are read one by one: the pieces of days, or the hours on the zone's clock."""
    if piece.day:
        kinds = {"starts": "timestamptz", "ends": "timestamptz", "days": "text", "signs": "integer"}
        lists = ", ".join(f"CAST(:{name}{number} AS {kind}[])" for name, kind in kinds.items())
        return f"unnest({lists}) AS spans (first, last, day, sign)"
    if Dimension.HOUR not in query.by or piece.grain is None or not query.kept:
        return ""
    step = "interval '15 minutes'" if piece.grain.of_quarters else "interval '1 hour'"
    # A time that the clock shows twice is two spans: they are an hour, or half of one, apart.
    return f"""(
        SELECT min(bucket) AS first, max(bucket) + {step} AS last,
            to_char(local, 'HH24') AS hour, to_char(local, 'YYYY-MM-DD') AS day
        FROM (SELECT bucket, date_trunc('hour', bucket AT TIME ZONE :zone) AS local,
                bucket AT TIME ZONE :zone - bucket AT TIME ZONE 'UTC' AS ahead
            FROM {_buckets(piece, number, step)} AS buckets (bucket)) AS told
        GROUP BY local, ahead) AS spans"""  # noqa: S608


def _buckets(piece: Piece, number: str, step: str) -> str:
    if piece.grain is not None and piece.grain.of_clock:
        firsts = f"unnest(CAST(:firsts{number} AS timestamptz[])) AS first"
        rows_of_a_day = 24 * 4 if piece.grain.of_quarters else 24
        places = f"generate_series(0, {rows_of_a_day - 1}) AS place"
        return f"(SELECT first + place * {step} FROM {firsts}, {places})"  # noqa: S608
    start, end = (f"CAST(:{bound}{number} AS timestamptz)" for bound in ("start", "end"))
    return f"generate_series({start}, {end} - {step}, {step})"


def _moments(query: ReportQuery, number: str) -> str:
    """Join each bucket with its time on the zone's clock, where a bucket is one row: hours of all calls together."""
    said = ", ".join(f"{cell} AS {one}" for one, cell in _clock("bucket").items() if one in query.by)
    buckets = f"generate_series(:start{number}, :end{number}, interval '15 minutes') AS bucket"
    return f" JOIN (SELECT bucket, {said} FROM {buckets} OFFSET 0) AS moments USING (bucket)"  # noqa: S608


def pending(query: ReportQuery) -> str:
    """Return the query that sources call `pending`: what is not folded, and less what was folded of it before."""
    return " UNION ALL ".join(
        # As an array, which is looked up one by one: a join may read the ledger whole for the few that are pending.
        f"SELECT at, {DIMENSIONS}, {_figures(sign)} FROM {table} WHERE transaction_id = ANY"  # noqa: S608
        f" (ARRAY(SELECT transaction_id FROM report_pending)) AND at >= :start AND at < :end{_only(query)}"
        for table, sign in (("report_contributions", ""), ("report_facts", "-"))
    )


def _of_pending(query: ReportQuery, among: Among) -> str:
    columns = _columns("at")
    which = f"WHERE true{_among(among, columns)}" if among else ""
    return f"SELECT {_cells(query.by, columns)}, {MEASURES} FROM pending {which}"  # noqa: S608


def _columns(moment: str) -> dict[Dimension, str]:
    """Return what facts call each dimension."""
    return {one: f"{one}::text" for one in KEPT} | _clock(moment)


def _clock(moment: str) -> dict[Dimension, str]:
    return {one: f"to_char({moment} AT TIME ZONE :zone, '{form}')" for one, form in _CLOCKS.items()}


def _only(query: ReportQuery) -> str:
    return "".join(f" AND {one.value} = :of_{one}" for one in query.where)


def _among(among: Among, columns: Mapping[Dimension, str]) -> str:
    # Sums compare by bytes, and facts must do as they do.
    return "".join(f' AND {columns[one]} = ANY (({values}) COLLATE "C")' for one, values in among.items())


def _cells(by: Sequence[Dimension], columns: Mapping[Dimension, str]) -> str:
    cells = [*(columns[one] for one in by), "''", "''"]
    return ", ".join(f"{cell} AS {name}" for cell, name in zip(cells, ("a", "b"), strict=False))


def _figures(sign: str) -> str:
    return ", ".join(f"{sign}{name} AS {name}" for name in FIELDS)
