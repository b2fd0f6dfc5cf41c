"""An export of calls, sent while it is read: a million of them need the memory of five hundred."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from aiohttp import web
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from web.at_once import AtOnce
from web.calls import queries
from web.calls.export import csv_rows, head_row
from web.calls.listing import Filter, span_of
from web.keys import ENGINE, User
from web.visibility import Viewer, viewer_of

ROWS_MAXIMUM = 1_000_000
SECONDS_MAXIMUM = 300
EXPORTS_EACH, EXPORTS_TOGETHER = 2, 4
"""Each takes two connections: the pages want theirs."""
READ_WITHIN_SECONDS = 30.0
"""Whoever takes nothing for so long is cut: a reader that sleeps would keep the connections."""
EXPORTS: web.AppKey[AtOnce] = web.AppKey("exports", AtOnce)


async def send_csv(request: web.Request, wanted: Filter, user: User, zone: ZoneInfo) -> web.StreamResponse:
    """Answer with the calls of a filter as a file."""
    now = datetime.now(UTC)
    name = f"calls-{now.astimezone(zone):%Y-%m-%d-%H%M}.csv"
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{name}"',
        }
    )
    rows = _rows(request.app[ENGINE], wanted, viewer_of(user), zone)
    # Read before the answer begins: a database that is away is still told as such.
    with request.app[EXPORTS].one_more(user.user_id):
        async with aclosing(rows):
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
