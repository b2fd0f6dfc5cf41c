"""Reports as tables for a page: cells with their texts and shades, rows with where they lead. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from billing.export_report import COLUMNS, columns_of, figure_of
from billing.pivots import Pivot, Room, Side
from billing.report_query import OTHERS
from billing.reports import Report, ReportRow
from billing.rollup import Dimension, Measures
from web.reports.asked import DIMENSIONS, ReportAsked, kind_of

SHADES = 6
ROOM, TIMES_ROOM = Room(columns=60, rows=100, cells=2_000), Room(columns=60, rows=400, cells=5_000)
"""Of a pivot, as much as a page holds and an eye goes over; more of days, which nobody reads one by one."""
WEIGHED = 50
"""The rows of a page are looked for among so many of the largest buyers, states …; in files among all."""
Names = Mapping[tuple[Dimension, str], str]
_SHOWN = (
    "calls",
    "connected",
    "converted",
    "credited",
    "billable_rate",
    "average_seconds",
    "revenue",
    "payout",
    "carrier_cost",
    "ping_cost",
    "profit",
    "margin",
)
HEADS = {name: name.replace("_", " ").capitalize() for name in COLUMNS}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One figure as it is written; `shade` 0 is none; `change` since the period before, as it is written."""

    text: str
    value: float | None
    shade: int = 0
    change: str = ""


@dataclass(frozen=True, kw_only=True)
class Head:
    """The name of a row or column, and the report or calls it leads to; empty: nowhere."""

    text: str
    address: str = ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row of a table. `calls` is where its calls are listed; empty when no list has just these."""

    heads: tuple[Head, ...]
    cells: tuple[Cell, ...]
    calls: str = ""
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    corner: tuple[str, ...]
    columns: tuple[Head, ...]
    lines: tuple[Line, ...]
    total: Line | None = None
    left_out: int = 0
    """Rows there is no room for: the smallest."""
    notes: tuple[str, ...] = ()
    """Of rows: among which values they were looked for. Of a pivot: what the others are."""


def written(name: str, value: float | None) -> str:
    """Return a figure for people."""
    if value is None:
        return "–"
    kind = kind_of(name)
    if kind == "money":
        return f"{'-' if value < 0 else ''}${abs(value):,.2f}"
    if kind == "rate":
        return f"{value * 100:.1f} %"
    return f"{value:,.1f} s" if kind == "seconds" else f"{value:,.0f}"


def name_of(names: Names, dimension: Dimension, key: str) -> str:
    """Return a value for people: days with their weekday, hours as a clock, codes as words."""
    if key == OTHERS:
        return "All others"
    if dimension is Dimension.HOUR and key:
        return f"{key}:00"
    if dimension is Dimension.DAY and key:
        return f"{date.fromisoformat(key):%a %-d %b %Y}"
    name = names.get((dimension, key), key)
    return name.replace("_", " ").capitalize() if dimension is Dimension.LOAN_TYPE else name[:100]


def rows_table(report: Report, asked: ReportAsked, names: Names, before: Report | None) -> Table:
    """Return every row with every figure, and the total."""
    earlier = {row.keys: row.measures for row in before.rows} if before else {}
    shown = [name for name in _SHOWN if name != asked.figure]
    # The figure asked for comes first: the plot and the eye go by it.
    columns = [asked.figure, *shown]
    lines = tuple(
        Line(
            heads=_heads(row, report, asked, names),
            cells=_cells(columns, row.measures, earlier.get(row.keys, Measures()) if before else None),
            calls=_calls(row, report, asked),
            key=row.keys[0] if row.keys else "",
        )
        for row in _whole_time(report, asked)
    )
    total = Line(
        heads=(Head(text="Total"), *(Head(text="") for _ in report.query.by[1:])),
        cells=_cells(columns, report.total, before.total if before else None),
    )
    corner = tuple(DIMENSIONS[one] for one in report.query.by)
    return Table(
        corner=corner or ("",),
        columns=tuple(Head(text=HEADS[name]) for name in columns),
        lines=lines if report.query.by else (),
        total=total,
        left_out=max(0, report.groups - report.query.rows),
        notes=_notes(report),
    )


def _notes(report: Report) -> tuple[str, ...]:
    return tuple(
        f"the {report.query.weighed} largest of {report.query.weighed + count:,} {_many(one)}"
        for one, count in report.left_out.items()
        if count and report.query.weighed
    )


def _many(dimension: Dimension) -> str:
    return f"{dimension.value.replace('_', ' ')}s"


def _whole_time(report: Report, asked: ReportAsked) -> Sequence[ReportRow]:
    """Return the rows; by day or hour alone, those on which nothing happened as well."""
    if report.query.by not in ((Dimension.DAY,), (Dimension.HOUR,)):
        return report.rows
    keys = _hours()
    if report.query.by == (Dimension.DAY,):
        count = (asked.last - asked.first).days + 1
        keys = tuple((asked.first + timedelta(days=number)).isoformat() for number in range(count))
    found = {row.keys[0]: row for row in report.rows}
    return [found.get(key, ReportRow(keys=(key,), measures=Measures())) for key in keys]


def _cells(columns: Sequence[str], measures: Measures, before: Measures | None) -> tuple[Cell, ...]:
    values, earlier = columns_of(measures), columns_of(before) if before else {}
    return tuple(
        Cell(
            text=written(name, values[name]),
            value=values[name],
            change=_change(name, values[name], earlier[name]) if before else "",
        )
        for name in columns
    )


def _change(name: str, value: float | None, before: float | None) -> str:
    if value is None or before is None:
        return "–"
    if kind_of(name) == "rate":
        return f"{(value - before) * 100:+.1f} points"
    if not before:
        return "new" if value else "same"
    return f"{(value - before) / abs(before) * 100:+.0f} %" if value != before else "same"


def _heads(row: ReportRow, report: Report, asked: ReportAsked, names: Names) -> tuple[Head, ...]:
    return tuple(
        Head(text=name_of(names, one, key), address=_deeper(asked, one, key))
        for one, key in zip(report.query.by, row.keys, strict=True)
    )


def _deeper(asked: ReportAsked, dimension: Dimension, key: str) -> str:
    """Return the report of this value alone."""
    if key == OTHERS or dimension.of_time:
        return ""
    return "/reports" + asked.only(dimension, "" if key == "0" else key).query()


def _calls(row: ReportRow, report: Report, asked: ReportAsked) -> str:
    if OTHERS in row.keys or Dimension.HOUR in report.query.by:
        return ""
    narrowed, more = asked, {}
    for one, key in zip(report.query.by, row.keys, strict=True):
        if one is Dimension.DAY:
            more = {"from": key, "to": key}
        else:
            narrowed = narrowed.only(one, "" if key == "0" else key)
    return "/reports/calls" + narrowed.query(**more)


def pivot_table(found: Pivot, asked: ReportAsked, names: Names) -> Table:
    """Return one figure, the second dimension across; the more of it, the darker the cell."""
    first, second = found.query.by
    # Hours are all there, and what is told by name is found by name.
    across = tuple(
        sorted(found.across.keys, key=lambda key: key if second.of_time else name_of(names, second, key))
    )
    columns = replace(found.across, keys=_hours() if second is Dimension.HOUR else across).shown
    figures = {key: figure_of(cell, asked.figure) for key, cell in found.cells.items()}
    seen = (value for key, value in figures.items() if OTHERS not in key and value is not None)
    most = max(seen, default=0)
    lines = tuple(
        Line(
            heads=(Head(text=name_of(names, first, key), address=_deeper(asked, first, key)),),
            cells=(
                *(_shaded(asked.figure, figures.get((key, other)), most, key, other) for other in columns),
                _plain(asked.figure, found.down.totals.get(key) or _rest(found.total, found.down)),
            ),
        )
        for key in found.down.shown
    )
    return Table(
        corner=(DIMENSIONS[first],),
        columns=(*(Head(text=_across(names, second, key)) for key in columns), Head(text="Total")),
        lines=lines,
        total=_pivot_total(found, asked.figure, columns) if lines else None,
        left_out=found.down.left_out,
        notes=tuple(
            f"{side.left_out:,} {'earlier' if one.of_time else 'smaller'} {_many(one)}"
            for one, side in zip(found.query.by, (found.down, found.across), strict=True)
            if side.left_out
        ),
    )


def _rest(total: Measures, side: Side) -> Measures:
    return total.less(side.totals.values())


def _pivot_total(found: Pivot, figure: str, columns: Sequence[str]) -> Line:
    rest = _rest(found.total, found.across)
    totals = [rest if key == OTHERS else found.across.totals.get(key, Measures()) for key in columns]
    cells = tuple(_plain(figure, one) for one in (*totals, found.total))
    return Line(heads=(Head(text="Total"),), cells=cells)


def _plain(figure: str, measures: Measures) -> Cell:
    value = figure_of(measures, figure)
    return Cell(text=written(figure, value), value=value)


def _across(names: Names, dimension: Dimension, key: str) -> str:
    return key if dimension is Dimension.HOUR and key != OTHERS else name_of(names, dimension, key)


def _hours() -> tuple[str, ...]:
    return tuple(f"{hour:02d}" for hour in range(24))


def _shaded(figure: str, value: float | None, most: float, *keys: str) -> Cell:
    """The others are many in one, and have no shade beside single ones."""
    shade = 0
    if value is not None and value > 0 and most > 0 and OTHERS not in keys:
        shade = max(1, round(value / most * SHADES))
    return Cell(text=written(figure, value) if value is not None else "", value=value, shade=shade)


@dataclass(frozen=True, kw_only=True)
class FunnelStep:
    """One publisher's calls from the first ring to the bill."""

    name: str
    address: str
    calls: int
    connected: int
    converted: int


def funnel_of(report: Report, asked: ReportAsked, names: Names) -> list[FunnelStep]:
    """Return gross, connected and converted calls by publisher, the most calls first."""
    steps = [
        FunnelStep(
            name=name_of(names, Dimension.PUBLISHER, row.keys[0]),
            address=_deeper(asked, Dimension.PUBLISHER, row.keys[0]),
            calls=row.measures.calls,
            connected=row.measures.connected,
            converted=row.measures.converted,
        )
        for row in report.rows
        if row.measures.calls
    ]
    return sorted(steps, key=lambda step: -step.calls)
