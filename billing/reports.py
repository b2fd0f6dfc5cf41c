"""Profit and loss by any one or two dimensions, for any period in any zone, beside an earlier period if wanted.

Sums are read from `rollups`, what they do not cover from `report_facts`, and what is not folded yet from the ledger:
a report is as new as the last commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.report_query import OTHERS, ReportQuery
from billing.rollup import FIELDS, Dimension, Measures
from billing.rollups_queries import MEASURES
from billing.sums_queries import ORDER, SUMS, Among, Source, added_up, pending, ranked, source_of


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
    """How many rows there would be without a limit, of those that were weighed."""
    left_out: Mapping[Dimension, int] = field(default_factory=dict)
    """How many values of a dimension were not weighed, being smaller; they are in `total` and in the others."""


async def report(connection: AsyncConnection, query: ReportQuery) -> Report:
    """Answer a question. Raises what the database raises."""
    await allow_memory(connection)
    asked = _statement(query)
    found = (await connection.execute(text(asked.sql), asked.values)).all()
    total = next(row for row in found if row.a is None)
    rows = [
        ReportRow(keys=(row.a, row.b)[: len(query.by)], measures=measures_of(row))
        for row in found
        if row is not total
    ]
    rows.sort(key=lambda row: _order(row, query))
    all_figures = measures_of(total)
    left_out = {one: max(0, getattr(total, one) - (query.weighed or 0)) for one in query.narrowed}
    if total.groups > len(rows) or any(left_out.values()):
        others = all_figures.less(row.measures for row in rows)
        rows.append(ReportRow(keys=(OTHERS, "")[: len(query.by)], measures=others))
    return Report(query=query, rows=tuple(rows), total=all_figures, groups=total.groups, left_out=left_out)


def _statement(query: ReportQuery) -> Source:
    """The largest rows, and the total of all: of the rows, or by sums of its own where not all rows are weighed."""
    weighing, among, values = _weighing(query)
    rows, total = source_of(query, among=among, name="_r"), source_of(replace(query, by=()), name="_t")
    values |= {**rows.values, "limit": query.rows}
    whole = "FROM summed"
    if among:
        whole = f"FROM ({total.sql}) AS pieces"
        values |= total.values
    counts = "".join(f", (SELECT count(*) FROM {one}_sums)" for one in among)  # noqa: S608
    sql = f"""
        WITH pending AS MATERIALIZED ({pending(query)}), {weighing} summed AS MATERIALIZED ({added_up(rows.sql)}),
        largest AS (SELECT * FROM summed ORDER BY {ORDER} LIMIT :limit)
        SELECT 0::bigint AS groups, a, b, {MEASURES}{"".join(f", 0 AS {one}" for one in among)} FROM largest
        UNION ALL SELECT (SELECT count(*) FROM summed), NULL, NULL, {SUMS}{counts} {whole}
    """  # noqa: S608
    return Source(sql=sql, values=values)


def _weighing(query: ReportQuery) -> tuple[str, Among, dict[str, Any]]:
    """Return what tells the largest values of each dimension that is narrowed, and where their keys are."""
    parts, values = "", dict[str, Any]()
    for one in query.narrowed:
        source = source_of(replace(query, by=(one,)), name=f"_{one}")
        values |= {**source.values, "weighed": query.weighed}
        parts += f"{one}_sums AS MATERIALIZED ({ranked(source.sql)}), "
        parts += f"{one}_keys AS (SELECT a FROM {one}_sums ORDER BY {ORDER} LIMIT :weighed), "  # noqa: S608
    return parts, {one: f"ARRAY(SELECT a FROM {one}_keys)" for one in query.narrowed}, values  # noqa: S608


async def allow_memory(connection: AsyncConnection) -> None:
    """A hundred thousand sums are added up in memory, and not on the disk; until the transaction ends.

    Nothing is compiled for them either, where the server would: that takes longer than any report.
    """
    await connection.execute(
        text("SELECT set_config('work_mem', '32MB', true), set_config('jit', 'off', true)")
    )


def measures_of(row: Any) -> Measures:
    """Return the figures of a row, of which there may be thousands; its first three columns are none."""
    return Measures(**{name: value or 0 for name, value in zip(FIELDS, row[3:], strict=False)})


def _order(row: ReportRow, query: ReportQuery) -> tuple[Any, ...]:
    """Rows go by time, in its order; then the largest first."""
    times = [key for one, key in zip(query.by, row.keys, strict=True) if one.of_time]
    return times, -row.measures.revenue_micros, -row.measures.calls, row.keys


# --- names -------------------------------------------------------------------------------------------------

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
