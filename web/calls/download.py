"""An export of calls, sent while it is read: a million of them need the memory of five hundred."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from aiohttp import web
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from web.at_once import AtOnce
from web.audit import Actor
from web.calls import queries
from web.calls.export import csv_rows, head_row
from web.calls.listing import Filter, span_of
from web.keys import ENGINE
from web.look_ups import CALLS, named, note_export
from web.open_streams import while_signed_in
from web.visibility import Field, Viewer, viewer_of

ROWS_MAXIMUM = 1_000_000
SECONDS_MAXIMUM = 300
EXPORTS_EACH, EXPORTS_TOGETHER = 2, 4
"""Each takes two connections: the pages want theirs."""
READ_WITHIN_SECONDS = 30.0
"""Anyone who takes nothing for so long is cut: a reader that sleeps would keep the connections."""
EXPORTS: web.AppKey[AtOnce] = web.AppKey("exports", AtOnce)


async def send_csv(request: web.Request, actor: Actor, wanted: Filter, zone: ZoneInfo) -> web.StreamResponse:
    """Answer with the calls of a filter as a file, as who asks may see them; it is noted that they took it."""
    assert actor.user is not None
    now, viewer = datetime.now(UTC), viewer_of(actor.user)
    name = f"calls-{now.astimezone(zone):%Y-%m-%d-%H%M}.csv"
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{name}"',
        }
    )
    rows = _rows(request.app[ENGINE], wanted, viewer, zone)
    # Read before the answer begins: a database that is away is still told as such.
    await _note(request.app[ENGINE], actor, wanted, viewer)
    with request.app[EXPORTS].one_more(actor.user.user_id):
        async with aclosing(rows), while_signed_in(request):
            first = await anext(rows)
            await response.prepare(request)
            try:
                await _write(response, first)
                async for text_of_rows in rows:
                    await _write(response, text_of_rows)
                await response.write_eof()
            except TimeoutError:
                # Ending it politely would wait for who does not read.
                if request.transport is not None:
                    request.transport.abort()
    return response


async def _write(response: web.StreamResponse, rows: str) -> None:
    async with asyncio.timeout(READ_WITHIN_SECONDS):
        await response.write(rows.encode())


async def _note(engine: AsyncEngine, actor: Actor, wanted: Filter, viewer: Viewer) -> None:
    # As it was typed it would stay in the log.
    filtered = replace(wanted, caller="").fields()
    if wanted.caller:
        filtered |= named(wanted.caller)[1]
    what = {"filter": filtered, "whole_numbers": viewer.sees(Field.WHOLE_CALLER)}
    async with engine.begin() as connection:
        await note_export(connection, actor, CALLS, "csv", what)


async def _rows(
    engine: AsyncEngine, wanted: Filter, viewer: Viewer, zone: ZoneInfo
) -> AsyncGenerator[str, None]:
    span = span_of(wanted, zone)
    async with engine.connect() as reading, engine.connect() as looking_up:
        await reading.execute(text(f"SET LOCAL statement_timeout = '{SECONDS_MAXIMUM}s'"))
        yield head_row(viewer)
        async for lines in queries.stream_calls(reading, wanted, span, maximum=ROWS_MAXIMUM):
            money = await queries.read_money(looking_up, [line.id for line in lines])
            yield csv_rows(lines, money, viewer, zone)
