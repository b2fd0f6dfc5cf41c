"""The audit log: who changed what, when, by which door; as a page and as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC

from aiohttp import web

from web.audit import Actor
from web.audit_log.difference import difference
from web.audit_log.listing import PAGE_LENGTH, Cursor, read_cursor, read_typed
from web.audit_log.queries import Note, read_notes
from web.keys import ENGINE, USER
from web.look_ups import note_export
from web.open_streams import while_signed_in
from web.pages import render
from web.zones import zone_of

CSV_LINES_MAXIMUM = 100_000
CSV_LINES_AT_A_TIME = 1_000
CSV_COLUMNS = ("at_utc", "who", "via", "action", "kind", "ref", "before", "after")


async def show(request: web.Request) -> web.StreamResponse:
    typed, below = read_typed(request.query), read_cursor(request.query.get("before", ""))
    async with request.app[ENGINE].connect() as connection:
        notes = await read_notes(connection, typed.filter(zone_of(request)), below, maximum=PAGE_LENGTH + 1)
    page = notes[:PAGE_LENGTH]
    last = page[-1] if len(notes) > PAGE_LENGTH else None
    return render(
        request,
        "audit_log/audit_log.html",
        lines=[(note, difference(note.before, note.after)) for note in page],
        typed=typed,
        at_top=below is None,
        older=last and typed.query(before=str(Cursor(at=last.at, note_id=last.note_id))),
        csv=f"/audit.csv{typed.query()}",
        csv_lines_maximum=CSV_LINES_MAXIMUM,
    )


async def as_csv(request: web.Request) -> web.StreamResponse:
    """Give the log out as it is filtered, a thousand lines at a time: never all of it in memory."""
    wanted, below = read_typed(request.query).filter(zone_of(request)), None
    response = web.StreamResponse()
    response.content_type, response.charset = "text/csv", "utf-8"
    response.headers["Content-Disposition"] = 'attachment; filename="audit-log.csv"'
    async with request.app[ENGINE].begin() as connection:
        typed = {name: value for name, value in asdict(read_typed(request.query)).items() if value}
        await note_export(connection, Actor(user=request[USER]), "audit_log", "csv", {"filter": typed})
    await response.prepare(request)
    async with while_signed_in(request):
        await response.write(_lines([CSV_COLUMNS]))
        for _ in range(CSV_LINES_MAXIMUM // CSV_LINES_AT_A_TIME):
            async with request.app[ENGINE].connect() as connection:
                notes = await read_notes(connection, wanted, below, maximum=CSV_LINES_AT_A_TIME)
            await response.write(_lines([_row(note) for note in notes]))
            if len(notes) < CSV_LINES_AT_A_TIME:
                break
            below = Cursor(at=notes[-1].at, note_id=notes[-1].note_id)
        await response.write_eof()
    return response


def _row(note: Note) -> Sequence[str]:
    return (
        note.at.astimezone(UTC).isoformat(),
        note.actor,
        note.via,
        note.action,
        note.kind,
        note.ref,
        "" if note.before is None else json.dumps(note.before, ensure_ascii=False, sort_keys=True),
        "" if note.after is None else json.dumps(note.after, ensure_ascii=False, sort_keys=True),
    )


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    for row in rows:
        writer.writerow([_harmless(cell) for cell in row])
    return text.getvalue().encode("utf-8", "replace")


def _harmless(cell: str) -> str:
    """A spreadsheet takes a cell that begins so for a formula: somebody's name must not become one."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
