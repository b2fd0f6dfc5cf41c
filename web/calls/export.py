"""Calls as CSV for spreadsheets, row by row: only what the viewer may see, and no cell that becomes a formula. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID
from zoneinfo import ZoneInfo

from billing.export_invoice import harmless_cell
from web.calls.queries import NO_MONEY, CallLine, Money
from web.visibility import Field, Viewer

Cell = Callable[[CallLine, Money, Viewer, ZoneInfo], object]
_MICROS = 1_000_000

COLUMNS: Mapping[str, tuple[Field | None, Cell]] = {
    "call": (None, lambda line, *_: str(line.id)),
    "started": (None, lambda line, _m, _v, zone: line.started_at.astimezone(zone).isoformat()),
    "state": (None, lambda line, *_: line.state),
    "outcome": (None, lambda line, *_: line.outcome),
    "caller": (None, lambda line, _m, viewer, _z: viewer.caller(line.caller)),
    "dialled": (Field.DIALLED, lambda line, *_: line.dialled),
    "campaign": (None, lambda line, *_: line.campaign),
    "publisher": (Field.PUBLISHER, lambda line, *_: line.publisher),
    "buyer": (Field.BUYER, lambda line, *_: line.buyer),
    "target": (Field.TARGET, lambda line, *_: line.target),
    "connected_seconds": (
        None,
        lambda line, *_: None if line.connected_ms is None else line.connected_ms / 1000,
    ),
    "converted": (None, lambda line, *_: None if line.converted is None else line.converted),
    "revenue": (Field.REVENUE, lambda _l, money, *_: money.revenue_micros / _MICROS),
    "payout": (Field.PAYOUT, lambda _l, money, *_: money.payout_micros / _MICROS),
    "tags": (
        Field.TAGS,
        lambda line, _m, viewer, _z: json.dumps(
            viewer.words(dict(line.tags)), sort_keys=True, ensure_ascii=False
        ),
    ),
}


def head_row(viewer: Viewer) -> str:
    return _csv([list(columns_for(viewer))])


def csv_rows(lines: Sequence[CallLine], money: Mapping[UUID, Money], viewer: Viewer, zone: ZoneInfo) -> str:
    """Return the rows of some calls."""
    cells = columns_for(viewer).values()
    return _csv(
        [[cell(line, money.get(line.id, NO_MONEY), viewer, zone) for cell in cells] for line in lines]
    )


def columns_for(viewer: Viewer) -> dict[str, Cell]:
    """Return the columns that a viewer may see, by name."""
    return {name: cell for name, (field, cell) in COLUMNS.items() if field is None or viewer.sees(field)}


def _csv(rows: Sequence[Sequence[object]]) -> str:
    written = io.StringIO(newline="")
    csv.writer(written).writerows(
        [harmless_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
    )
    return written.getvalue()
