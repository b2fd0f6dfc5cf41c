"""A report by two dimensions as a table: the largest rows and columns, their cells, and what all others come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.report_query import OTHERS, ReportQuery
from billing.reports import allow_memory, measures_of
from billing.rollup import Dimension, Measures
from billing.rollups_queries import MEASURES
from billing.sums_queries import ORDER, SUMS, Source, added_up, pending, source_of


@dataclass(frozen=True, kw_only=True)
class Room:
    """How much of a table is shown: columns and rows at most, and of rows no more than come to so many cells."""

    columns: int
    rows: int
    cells: int


@dataclass(frozen=True, kw_only=True)
class Side:
    """The rows or the columns of a table: the keys that are shown, in order, their totals, and how many are not."""

    keys: tuple[str, ...]
    totals: Mapping[str, Measures]
    left_out: int = 0

    @property
    def shown(self) -> tuple[str, ...]:
        """The keys, and that of all others when there are any."""
        return (*self.keys, OTHERS) if self.left_out else self.keys


@dataclass(frozen=True, kw_only=True)
class Pivot:
    """A table whose every row and column adds up to its total, with the others: none is left uncounted."""

    query: ReportQuery
    down: Side
    across: Side
    cells: Mapping[tuple[str, str], Measures]
    """By row and column, OTHERS among them; where nothing happened there is none."""
    total: Measures


def pivot_of(
    query: ReportQuery, down: Side, across: Side, cells: Mapping[tuple[str, str], Measures], total: Measures
) -> Pivot:
    """Return the table of these cells; what rows, columns and the total have beside them is the others'. Pure."""
    shown = {(row, column): cells[row, column] for row, column in cells if row in down.totals}
    shown = {key: figures for key, figures in shown.items() if key[1] in across.totals}
    by_row: dict[str, list[Measures]] = {row: [] for row in down.keys}
    by_column: dict[str, list[Measures]] = {column: [] for column in across.keys}
    for (row, column), figures in shown.items():
        by_row[row].append(figures)
        by_column[column].append(figures)
    rest = {(row, OTHERS): down.totals[row].less(by_row[row]) for row in down.keys}
    below = {(OTHERS, column): across.totals[column].less(by_column[column]) for column in across.keys}
    corner = total.less(down.totals.values()).less(below.values())
    whole = {**shown, **rest, **below, (OTHERS, OTHERS): corner}
    kept = {key: figures for key, figures in whole.items() if figures != Measures()}
    return Pivot(query=query, down=down, across=across, cells=kept, total=total)


async def pivot(connection: AsyncConnection, query: ReportQuery, room: Room) -> Pivot:
    """Answer a question by two dimensions as a table. Raises what the database raises.

    All of one moment, in one statement: totals of rows and columns tell which are the largest, and of those alone the
    cells are read. Of days the newest are shown, of hours all.
    """
    await allow_memory(connection)
    asked = _statement(query, room)
    found = (await connection.execute(text(asked.sql), asked.values)).all()
    total = next(row for row in found if row.part == "total")
    cells = {(row.a, row.b): measures_of(row) for row in found if row.part == "cell"}
    down = _side([row for row in found if row.part == "down"], query.by[0], int(total.a))
    across = _side([row for row in found if row.part == "across"], query.by[1], int(total.b))
    return pivot_of(query, down, across, cells, measures_of(total))


def _side(rows: Sequence[Any], one: Dimension, count: int) -> Side:
    totals = {row.a: measures_of(row) for row in rows}

    def place(key: str) -> tuple[Any, ...]:
        return (key,) if one.of_time else (-totals[key].revenue_micros, -totals[key].calls, key)

    return Side(keys=tuple(sorted(totals, key=place)), totals=totals, left_out=count - len(totals))


def _statement(query: ReportQuery, room: Room) -> Source:
    first, second = query.by
    values: dict[str, Any] = {"columns": room.columns, "rows": room.rows, "cells": room.cells}
    keys = zip(query.by, ("ARRAY(SELECT a FROM down)", "ARRAY(SELECT a FROM across)"), strict=True)
    cells = source_of(query, among={one: those for one, those in keys if not one.of_time}, name="_c")
    whole = source_of(replace(query, by=()), name="_t")
    sums = ""
    for name, one in (("across", second), ("down", first)):
        source = source_of(replace(query, by=(one,)), name=f"_{name}")
        values |= source.values
        sums += f", {name}_sums AS MATERIALIZED ({added_up(source.sql)}), {_chosen(name, one)}"
    sql = f"""
        WITH pending AS MATERIALIZED ({pending(query)}) {sums}
        SELECT 'across' AS part, a, b, {MEASURES} FROM across
        UNION ALL SELECT 'down', a, b, {MEASURES} FROM down
        UNION ALL SELECT 'cell', a, b, {MEASURES} FROM ({added_up(cells.sql)}) AS cells
        UNION ALL SELECT 'total', (SELECT count(*)::text FROM down_sums), (SELECT count(*)::text FROM across_sums),
            {SUMS} FROM ({whole.sql}) AS pieces
    """  # noqa: S608 (names only)
    return Source(sql=sql, values={**values, **cells.values, **whole.values})


_ROOM = {
    "across": ":columns",
    "down": "(SELECT least(CAST(:rows AS bigint), greatest(1, CAST(:cells AS bigint) / greatest(1, count(*))))"
    " FROM across)",
}


def _chosen(name: str, one: Dimension) -> str:
    """Return what chooses the largest of a side, or the newest days."""
    order = "a DESC" if one.of_time else ORDER
    return f"{name} AS MATERIALIZED (SELECT * FROM {name}_sums ORDER BY {order} LIMIT {_ROOM[name]})"  # noqa: S608
