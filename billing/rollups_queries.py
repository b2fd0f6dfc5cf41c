"""The SQL that keeps sums for reports: folding what is pending, making all anew, comparing both.

Why so: one row a campaign and hour, raised by every settlement, would let one call settle at a time. Here a settlement
only notes its transaction (a row of eight bytes that nobody shares), and one folder, once a second, adds hundreds of
calls to the sums in one go. Readers add what is pending, so a report is never behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from sqlalchemy import BigInteger, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.rollup import FIELDS, KEPT, Dimension, Grain, pair_code

AT_ONCE = 2_000
"""Transactions folded in one go."""
_FOLD_LOCK = 7_042_003

DIMENSIONS = ", ".join(KEPT)
MEASURES = ", ".join(FIELDS)
_SUMS = ", ".join(f"add_up({name}) AS {name}" for name in FIELDS)
_NEGATIVE = ", ".join(f"-{name} AS {name}" for name in FIELDS)
_SPELLED = ", ".join(f"f.{name}::text AS {name}" for name in KEPT)
_COLUMNS = f"transaction_id, part, at, call_id, {DIMENSIONS}, {MEASURES}"


def _keys(*sizes: int) -> str:
    """Return VALUES rows of (pair, a, b): every choice of so many dimensions of a fact."""
    chosen = [one for size in sizes for one in combinations(KEPT, size)]
    return ", ".join(f"({pair_code(one)}::smallint, {_cell(one, 0)}, {_cell(one, 1)})" for one in chosen)


def _cell(dimensions: Sequence[Dimension], place: int) -> str:
    return f"f.{dimensions[place]}::text" if place < len(dimensions) else "''"


def _summed(facts: str) -> str:
    """Return a query of the rows of sums that the facts of `facts` come to.

    Each fact is spelled once and looked at once for each of its keys; hours, days and months are made of the sums
    before them.
    """
    of_clock = "".join(
        f" UNION ALL SELECT {grain:d}::smallint, pair, {_bucket(grain)}, a, b, {_SUMS} FROM quarters"  # noqa: S608
        " GROUP BY 2, 3, 4, 5"
        for grain in Grain
        if grain.of_clock
    )
    return f"""
        WITH spelled AS MATERIALIZED (SELECT f.at, {_SPELLED}, {MEASURES} FROM ({facts}) f), quarters AS (
            SELECT k.pair, date_bin('15 minutes', f.at, 'epoch') AS bucket, k.a, k.b, {_SUMS}
            FROM spelled f CROSS JOIN LATERAL (VALUES {_keys(0, 1)}) AS k (pair, a, b)
            GROUP BY 1, 2, 3, 4
        ), days AS (
            SELECT pair, date_trunc('day', bucket, 'UTC') AS bucket, a, b, {_SUMS} FROM quarters GROUP BY 1, 2, 3, 4
            UNION ALL
            SELECT k.pair, date_trunc('day', f.at, 'UTC'), k.a, k.b, {_SUMS}
            FROM spelled f CROSS JOIN LATERAL (VALUES {_keys(2)}) AS k (pair, a, b)
            GROUP BY 1, 2, 3, 4
        )
        SELECT {Grain.QUARTER:d}::smallint AS grain, * FROM quarters
        UNION ALL
        SELECT {Grain.HOUR:d}::smallint, pair, {_bucket(Grain.HOUR)}, a, b, {_SUMS}
        FROM quarters GROUP BY 2, 3, 4, 5
        UNION ALL
        SELECT {Grain.DAY:d}::smallint, * FROM days
        UNION ALL
        SELECT {Grain.MONTH:d}::smallint, pair, {_bucket(Grain.MONTH)}, a, b, {_SUMS}
        FROM days GROUP BY 2, 3, 4, 5
        {of_clock}
    """  # noqa: S608 (names of this room only)


def _bucket(grain: Grain) -> str:
    """Return the bucket of a row of finer sums."""
    if not grain.of_clock:
        return f"date_trunc('{grain.name.lower()}', bucket, 'UTC')"
    time = "bucket" if grain.of_quarters else _bucket(Grain.HOUR)
    return f"{_FIRST[grain]} + ({time} - {_bucket(Grain.DAY)})"


_WEEK, _MONTH = "date_bin('7 days', bucket, 'epoch')", "date_trunc('month', bucket, 'UTC')"
_FIRST = {
    Grain.HOURS_OF_WEEK: _WEEK,
    Grain.HOURS_OF_MONTH: _MONTH,
    Grain.QUARTERS_OF_WEEK: _WEEK,
    Grain.QUARTERS_OF_MONTH: _MONTH,
}
"""The first day of what a row is of."""

_IDS = bindparam("ids", type_=ARRAY(BigInteger))

# Which of them were folded before: those are taken out first, so that folding again changes nothing.
_TAKE = text(
    """
    DELETE FROM report_pending p WHERE transaction_id IN (
        SELECT transaction_id FROM report_pending ORDER BY transaction_id LIMIT :limit)
    RETURNING transaction_id, EXISTS (
        SELECT FROM report_facts f WHERE f.transaction_id = p.transaction_id) AS known
    """
)

# In the order of the key: a reader's and a folder's pages are the same ones, one after the other.
_ADD = f"""
    INSERT INTO rollups AS r (grain, pair, bucket, a, b, {MEASURES})
    SELECT * FROM ({_summed("SELECT * FROM change")}) summed ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (grain, pair, bucket, a, b) DO UPDATE
    SET {", ".join(f"{name} = r.{name} + excluded.{name}" for name in FIELDS)}
"""  # noqa: S608

_UNFOLD = text(
    f"""
    WITH old AS (
        DELETE FROM report_facts WHERE transaction_id = ANY (:ids) RETURNING {_COLUMNS}
    ), change AS MATERIALIZED (SELECT at, {DIMENSIONS}, {_NEGATIVE} FROM old)
    {_ADD}
    """  # noqa: S608
).bindparams(_IDS)

_FOLD = text(
    f"""
    WITH change AS (
        INSERT INTO report_facts ({_COLUMNS})
        SELECT {_COLUMNS} FROM report_contributions WHERE transaction_id = ANY (:ids)
        RETURNING at, {DIMENSIONS}, {MEASURES}
    )
    {_ADD}
    """  # noqa: S608
).bindparams(_IDS)


async def fold_pending(connection: AsyncConnection, limit: int = AT_ONCE) -> int:
    """Add what was posted since the last time to the sums; return how many transactions. The caller commits.

    Returns 0 when nothing is pending or another process is folding. Killed anywhere, nothing has happened.
    """
    if not await connection.scalar(select(func.pg_try_advisory_xact_lock(_FOLD_LOCK))):
        return 0
    taken = (await connection.execute(_TAKE, {"limit": limit})).all()
    known = [row.transaction_id for row in taken if row.known]
    if known:
        await connection.execute(_UNFOLD, {"ids": known})
    if taken:
        await connection.execute(_FOLD, {"ids": [row.transaction_id for row in taken]})
    return len(taken)


# --- all anew ------------------------------------------------------------------------------------------------


_FINER = {
    Grain.HOUR: Grain.QUARTER,
    Grain.MONTH: Grain.DAY,
    Grain.HOURS_OF_WEEK: Grain.HOUR,
    Grain.HOURS_OF_MONTH: Grain.HOUR,
    Grain.QUARTERS_OF_WEEK: Grain.QUARTER,
    Grain.QUARTERS_OF_MONTH: Grain.QUARTER,
}


def _set_sql(dimensions: Sequence[Dimension], grain: Grain) -> str:
    """Return a query of all sums of one grain by these dimensions: of facts, or of finer sums, which are fewer."""
    head = f"{grain:d}::smallint, {pair_code(dimensions)}::smallint"
    if grain in _FINER:
        which = f"r.grain = {_FINER[grain]:d} AND r.pair = {pair_code(dimensions)}"
        return f"SELECT {head}, {_bucket(grain)}, r.a, r.b, {_SUMS} FROM rollups r WHERE {which} GROUP BY 1, 2, 3, 4, 5"  # noqa: S608
    bucket = (
        "date_bin('15 minutes', f.at, 'epoch')"
        if grain is Grain.QUARTER
        else "date_trunc('day', f.at, 'UTC')"
    )
    cells = "".join(f", f.{one}" for one in dimensions)
    return f"""
        SELECT {head}, {bucket} AS bucket, {_cell(dimensions, 0)} AS a, {_cell(dimensions, 1)} AS b, {_SUMS}
        FROM report_facts f GROUP BY bucket{cells}
    """  # noqa: S608


def all_sets() -> list[str]:
    """Return queries that together make every row of `rollups`; the finer grains come first."""
    return [
        _set_sql(one, grain)
        for grain in Grain
        for size in range(3 if grain.of_pairs else 2)
        for one in combinations(KEPT, size)
    ]


def insert_set(query: str) -> str:
    """Return what writes one of all_sets: in the order of time, as folding does, so that a period's pages are few."""
    return f"INSERT INTO rollups (grain, pair, bucket, a, b, {MEASURES}) {query} ORDER BY 3, 4, 5"


async def rebuild(connection: AsyncConnection) -> int:
    """Make facts and sums anew from the ledger; return how many facts. The caller commits.

    Nobody folds meanwhile; settlements and readers go on, and see the old sums until the commit.
    """
    await _alone(connection)
    await connection.execute(text("DELETE FROM report_pending"))
    await connection.execute(text("DELETE FROM report_facts"))
    await connection.execute(text("DELETE FROM rollups"))
    made = await connection.execute(
        text(f"INSERT INTO report_facts ({_COLUMNS}) SELECT {_COLUMNS} FROM report_contributions")  # noqa: S608
    )
    for query in all_sets():
        await connection.execute(text(insert_set(query)))
    return int(made.rowcount)


async def _alone(connection: AsyncConnection) -> None:
    """One consistent view, no other folder, and time enough."""
    await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    await connection.execute(text("SET LOCAL statement_timeout = 0"))
    await connection.execute(select(func.pg_advisory_xact_lock(_FOLD_LOCK)))


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A figure that is not what the ledger says."""

    where: str
    kept: dict[str, Any]
    right: dict[str, Any]


_WRONG_FACTS = text(
    f"""
    SELECT coalesce(k.transaction_id, r.transaction_id) AS transaction_id, coalesce(k.part, r.part) AS part,
        to_jsonb(k) AS kept, to_jsonb(r) AS right
    FROM (SELECT {_COLUMNS} FROM report_facts) k
    FULL JOIN (SELECT {_COLUMNS} FROM report_contributions) r
        ON r.transaction_id = k.transaction_id AND r.part = k.part
    WHERE k IS DISTINCT FROM r AND NOT EXISTS (
        SELECT FROM report_pending p WHERE p.transaction_id IN (k.transaction_id, r.transaction_id))
    LIMIT :limit
    """  # noqa: S608
)


async def compare(connection: AsyncConnection, limit: int = 100) -> list[Drift]:
    """Return where facts differ from the ledger, or sums from facts; none when all is right.

    What is pending is in neither yet. Run it in a transaction of its own.
    """
    await _alone(connection)
    drifts = [
        Drift(
            where=f"transaction {row.transaction_id}, part {row.part}",
            kept=row.kept or {},
            right=row.right or {},
        )
        for row in await connection.execute(_WRONG_FACTS, {"limit": limit})
    ]
    for query in all_sets():
        if len(drifts) >= limit:
            break
        drifts += await _wrong_sums(connection, query, limit - len(drifts))
    return drifts + await _forgotten_sums(connection, limit - len(drifts))


async def _wrong_sums(connection: AsyncConnection, query: str, limit: int) -> list[Drift]:
    nothing = f"({', '.join('0' for _ in FIELDS)})"
    kept, right = (f"({', '.join(f'{side}.{name}' for name in FIELDS)})" for side in ("k", "r"))
    found = await connection.execute(
        text(
            f"""
            SELECT r.grain, r.pair, r.bucket, r.a, r.b, to_jsonb(k) AS kept, to_jsonb(r) AS right
            FROM ({query}) AS r (grain, pair, bucket, a, b, {MEASURES})
            LEFT JOIN rollups k USING (grain, pair, bucket, a, b)
            WHERE {kept} IS DISTINCT FROM {right} AND NOT (k.bucket IS NULL AND {right} = {nothing})
            LIMIT :limit
            """  # noqa: S608
        ),
        {"limit": limit},
    )
    return [_drift(row) for row in found]


async def _forgotten_sums(connection: AsyncConnection, limit: int) -> list[Drift]:
    """Sums whose totals are not those of all facts: rows that stand for nothing."""
    found = await connection.execute(
        text(
            f"""
            SELECT s.grain, s.pair, NULL::timestamptz AS bucket, '' AS a, '' AS b,
                to_jsonb(s) AS kept, to_jsonb(f) AS right
            FROM (SELECT grain, pair, {_SUMS} FROM rollups GROUP BY grain, pair) s
            CROSS JOIN (SELECT {_SUMS} FROM report_facts) f
            WHERE ({", ".join(f"s.{name}" for name in FIELDS)})
                IS DISTINCT FROM ({", ".join(f"coalesce(f.{name}, 0)" for name in FIELDS)})
            LIMIT :limit
            """  # noqa: S608
        ),
        {"limit": max(limit, 0)},
    )
    return [_drift(row) for row in found]


def _drift(row: Any) -> Drift:
    bucket = "all" if row.bucket is None else row.bucket.isoformat()
    where = f"sums by {Grain(row.grain).name.lower()}, {names_of(row.pair)}, {bucket}, {row.a!r} {row.b!r}"
    return Drift(where=where, kept=row.kept or {}, right=row.right or {})


def names_of(pair: int) -> str:
    """Return the dimensions of a pair's number, for people."""
    places = [pair // 16, pair % 16] if pair >= 16 else [pair]
    return " and ".join(KEPT[place - 1].value for place in places if place) or "everything"
