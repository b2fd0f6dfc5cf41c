"""Server-sent events of the live board over one response."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

from aiohttp import web

from web.at_once import AtOnce
from web.keys import ENGINE
from web.live.drawing import RETRY_MS, renderers
from web.live.hub import HUB, VIEWERS_MAXIMUM, LiveHub, TooManyViewers, Viewer
from web.open_streams import OPEN_STREAMS
from web.pages import TEMPLATES

STREAM_SECONDS = 600.0
"""Then the viewer comes again by itself."""
WRITE_SECONDS = 10.0
BOARDS_EACH = 20
"""A tab is one."""
VIEWERS: web.AppKey[AtOnce] = web.AppKey("live_viewers", AtOnce)
HEADERS = {"X-Accel-Buffering": "no"}


def add_live_hub(app: web.Application) -> None:
    """Give the application its board; it listens only while somebody watches."""
    app[VIEWERS] = AtOnce("live boards", each=BOARDS_EACH, together=VIEWERS_MAXIMUM)
    app[HUB] = LiveHub(app[ENGINE], renderers(app[TEMPLATES]))

    async def close(app: web.Application) -> None:
        await app[HUB].close()

    app.on_shutdown.append(close)


async def stream(request: web.Request, kind: str, user_id: int) -> web.StreamResponse:
    """Send the board and every move of it until the viewer leaves, is too slow, or their time is over."""
    try:
        with request.app[VIEWERS].one_more(user_id):
            return await _watch(request, kind)
    except TooManyViewers as error:
        raise web.HTTPServiceUnavailable from error


async def _watch(request: web.Request, kind: str) -> web.StreamResponse:
    async with request.app[HUB].watching(kind) as viewer:
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        try:
            async with request.app[OPEN_STREAMS].watched(request, viewer.cut):
                await _send(response, viewer)
        except (TimeoutError, ConnectionError):
            # Ending it politely would wait for who does not read.
            if request.transport is not None:
                request.transport.abort()
        return response


async def _send(response: web.StreamResponse, viewer: Viewer) -> None:
    await response.write(f"retry: {RETRY_MS}\n\n".encode())
    # Not all at once, when a hundred came at once.
    async with asyncio.timeout(STREAM_SECONDS * random.uniform(0.8, 1.2)):  # noqa: S311 (no secret)
        async for message in _messages(viewer):
            async with asyncio.timeout(WRITE_SECONDS):
                await response.write(message)


async def _messages(viewer: Viewer) -> AsyncIterator[bytes]:
    while (message := await viewer.next()) is not None:
        yield message
