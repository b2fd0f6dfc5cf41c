"""A report as files for spreadsheets: CSV and XLSX. No cell is taken for a formula. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import xlsxwriter

from billing.export_invoice import harmless_cell
from billing.reports import Report, ReportRow
from billing.rollup import Dimension, Measures

Names = Mapping[tuple[Dimension, str], str]
"""What people call the values of a dimension."""

MONEY_FORMAT = "#,##0.00####"
_MICROS = 1_000_000


COLUMNS = (
    "calls",
    "connected",
    "converted",
    "credited",
    "billable_rate",
    "average_seconds",
    "duplicates",
    "refused",
    "revenue",
    "payout",
    "carrier_cost",
    "ping_cost",
    "platform_fee",
    "profit",
    "margin",
)
MONEY_COLUMNS = frozenset({"revenue", "payout", "carrier_cost", "ping_cost", "platform_fee", "profit"})
RATE_COLUMNS = frozenset({"billable_rate", "margin"})


def figure_of(measures: Measures, column: str) -> float | int | None:
    """Return the figure of one column; money in dollars, rates as fractions."""
    if column in MONEY_COLUMNS:
        return int(getattr(measures, f"{column}_micros")) / _MICROS
    figure: float | int | None = getattr(measures, column)
    return figure


def columns_of(measures: Measures) -> dict[str, float | int | None]:
    """Return the figures of one row by column name."""
    return {column: figure_of(measures, column) for column in COLUMNS}


def head_of(report: Report, *, compared: bool) -> list[str]:
    """Return the names of the columns; those of an earlier period follow theirs."""
    figures = list(COLUMNS)
    before = [f"{name}_before" for name in figures] if compared else []
    return [*(one.value for one in report.query.by), *figures, *before]


def table_of(report: Report, names: Names, before: Report | None) -> Iterator[list[Any]]:
    """Yield the rows of the table, the total last: names, then figures."""
    earlier = {row.keys: row.measures for row in before.rows} if before else {}
    total = ReportRow(keys=("total", "")[: len(report.query.by)], measures=report.total)
    for row in (*report.rows, total):
        cells: list[Any] = [
            names.get((one, key), key) for one, key in zip(report.query.by, row.keys, strict=True)
        ]
        cells += columns_of(row.measures).values()
        if before is not None:
            other = before.total if row is total else earlier.get(row.keys, Measures())
            cells += columns_of(other).values()
        yield cells


def to_csv(report: Report, names: Names, before: Report | None = None) -> str:
    """Return the report as CSV."""
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow(head_of(report, compared=before is not None))
    for row in table_of(report, names, before):
        writer.writerow([harmless_cell(cell) if isinstance(cell, str) else cell for cell in row])
    return written.getvalue()


def to_xlsx(report: Report, names: Names, before: Report | None = None) -> bytes:
    """Return the report as a workbook of one sheet; text cells are text, whatever they begin with."""
    buffer = io.BytesIO()
    safe = {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
    book = xlsxwriter.Workbook(buffer, safe)
    sheet = book.add_worksheet("report")
    formats = {
        True: book.add_format({"num_format": MONEY_FORMAT}),
        False: book.add_format({"num_format": "0.0%"}),
    }
    head = head_of(report, compared=before is not None)
    sheet.write_row(0, 0, head, book.add_format({"bold": True}))
    for line, row in enumerate(table_of(report, names, before), start=1):
        for place, cell in enumerate(row):
            _write(sheet, line, place, cell, _format_of(head[place], formats))
    sheet.freeze_panes(1, len(report.query.by))
    sheet.autofit()
    book.close()
    return buffer.getvalue()


def _write(sheet: Any, line: int, place: int, cell: Any, style: Any) -> None:
    if isinstance(cell, str):
        # Saved as CSV by a spreadsheet it must not become a formula either.
        sheet.write_string(line, place, harmless_cell(cell))
    elif cell is not None:
        sheet.write_number(line, place, cell, style)


def _format_of(column: str, formats: Mapping[bool, Any]) -> Any:
    name = column.removesuffix("_before")
    if name in MONEY_COLUMNS:
        return formats[True]
    return formats[False] if name in RATE_COLUMNS else None


def rows_to_json(report: Report, names: Names, before: Report | None = None) -> list[dict[str, Any]]:
    """Return the rows as JSON values: keys, names, figures exact in micros."""
    earlier = {row.keys: row.measures for row in before.rows} if before else {}
    return [
        {
            "keys": dict(zip((one.value for one in report.query.by), row.keys, strict=True)),
            "names": [names.get((one, key), key) for one, key in zip(report.query.by, row.keys, strict=True)],
            **row.measures.to_json(),
            **({"before": earlier.get(row.keys, Measures()).to_json()} if before else {}),
        }
        for row in report.rows
    ]


def matrix_of(
    report: Report, names: Names, measure: str
) -> tuple[Sequence[str], list[tuple[str, list[float | int | None]]]]:
    """Return a report by two dimensions as a table of one figure: names of the columns, and named rows."""
    first, second = report.query.by
    across = sorted({row.keys[1] for row in report.rows}, key=lambda key: names.get((second, key), key))
    cells = {row.keys: figure_of(row.measures, measure) for row in report.rows}
    down = list(dict.fromkeys(row.keys[0] for row in report.rows))
    rows = [(names.get((first, key), key), [cells.get((key, other)) for other in across]) for key in down]
    return [names.get((second, key), key) for key in across], rows
