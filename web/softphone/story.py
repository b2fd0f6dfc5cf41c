"""The way of a call to a draft, as server-sent events: what PostgreSQL says has come, is sent at once."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from store.session import connect_plainly
from store.web_tables import DRAFT_CALLS
from web.at_once import AtOnce
from web.keys import ENGINE, USER
from web.open_streams import OPEN_STREAMS
from web.softphone.queries import CallEvent, events_after

STREAMS_EACH, STREAMS_TOGETHER = 8, 100
STREAM_SECONDS = 3600.0
QUIET_SECONDS = 10.0
"""After so long without a word something is sent: a connection that is gone is noticed."""
ENDED = "ended"

STREAMS: web.AppKey[AtOnce] = web.AppKey("draft_streams", AtOnce)


async def stream(request: web.Request, code_id: UUID, after: int) -> web.StreamResponse:
    """Send the events of a call to a draft after number `after`, until it has ended or an hour is over."""
    with request.app[STREAMS].one_more(request[USER].user_id):
        return await _follow(request, code_id, after)


async def _follow(request: web.Request, code_id: UUID, after: int) -> web.StreamResponse:
    async with request.app[NEWS].of(code_id) as news:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        response.headers["X-Accel-Buffering"] = "no"
        await response.prepare(request)
        sending = asyncio.create_task(_send_all(response, request.app[ENGINE], code_id, after, news))
        try:
            async with request.app[OPEN_STREAMS].watched(request, sending.cancel):
                await asyncio.wait({sending}, timeout=STREAM_SECONDS)
        finally:
            sending.cancel()
        (fault,) = await asyncio.gather(sending, return_exceptions=True)
        if isinstance(fault, Exception) and not isinstance(fault, (ConnectionError, TimeoutError)):
            raise fault
    return response


async def _send_all(
    response: web.StreamResponse, engine: AsyncEngine, code_id: UUID, after: int, news: asyncio.Event
) -> None:
    while True:
        news.clear()
        async with engine.connect() as connection:
            events = await events_after(connection, code_id, after)
        await response.write(_lines(events) or b": still here\n\n")
        if any(event.kind == ENDED for event in events):
            return
        after = max((event.sequence for event in events), default=after)
        if not events:
            try:
                async with asyncio.timeout(QUIET_SECONDS):
                    await news.wait()
            except TimeoutError:
                continue


def _lines(events: Sequence[CallEvent]) -> bytes:
    return "".join(
        f"id: {event.sequence}\ndata: {json.dumps(shown(event), separators=(',', ':'))}\n\n"
        for event in events
    ).encode()


def shown(event: CallEvent) -> dict[str, Any]:
    """Return an event as browsers and machines get it."""
    return {
        "sequence": event.sequence,
        "at": event.at.isoformat(),
        "kind": event.kind,
        "node": event.node,
        "detail": dict(event.detail),
    }


class DraftNews:
    """What PostgreSQL says of calls to drafts, heard by one connection for all who watch; by none while nobody does."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._watched: dict[str, list[asyncio.Event]] = defaultdict(list)
        self._connection: asyncpg.Connection | None = None
        self._connecting = asyncio.Lock()

    @asynccontextmanager
    async def of(self, code_id: UUID) -> AsyncIterator[asyncio.Event]:
        """Yield what is set whenever the call of this code came further. Raises what the driver raises."""
        news, key = asyncio.Event(), str(code_id)
        self._watched[key].append(news)
        try:
            await self._listen()
            yield news
        finally:
            self._watched[key].remove(news)
            if not self._watched[key]:
                del self._watched[key]
            if not self._watched:
                await self.close()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _listen(self) -> None:
        """Anyone who comes after a lost connection makes another; the others look by themselves each QUIET_SECONDS."""
        async with self._connecting:
            if self._connection is None or self._connection.is_closed():
                self._connection = await connect_plainly(self._engine)
                await self._connection.add_listener(DRAFT_CALLS, self._told)

    def _told(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        for news in self._watched.get(str(payload), ()):
            news.set()


NEWS: web.AppKey[DraftNews] = web.AppKey("draft_news", DraftNews)
