"""Calls as they move, to everybody who watches: heard once by NOTIFY, read once, drawn once, sent to all.

One connection of this process listens while somebody watches. What a viewer cannot take in time is not kept for them:
they are cut, come again, and are sent the whole board. Nothing here is on a call's way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol
from uuid import UUID

import asyncpg
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.queries import CHANNEL
from store.session import connect_plainly
from web.live.board import LiveCall
from web.live.queries import CALLS_MAXIMUM, read_live_calls, read_these

log = logging.getLogger(__name__)

SPACING_SECONDS = 0.2
"""What happens within it is sent together: the first move of a quiet board goes out at once."""
PULSE_SECONDS = 10.0
"""How often a quiet board says that it is there, and looks whether its connection is."""
AGAIN_SECONDS = 1.0
FIRST_BOARD_SECONDS = 5.0
MESSAGES_KEPT = 32
"""For one viewer: six seconds of a busy board."""
VIEWERS_MAXIMUM = 1_000
PULSE = b": here\n\n"


class Renderer(Protocol):
    """Draws for one kind of viewers."""

    def whole(self, calls: Sequence[LiveCall]) -> bytes:
        """Return the message that replaces the board."""

    def moved(self, calls: Sequence[LiveCall], gone: Sequence[UUID]) -> bytes:
        """Return the message that changes it."""


class Viewer:
    """Somebody who watches: their messages, and None when there will be no more."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._messages: asyncio.Queue[bytes | None] = asyncio.Queue(MESSAGES_KEPT)
        self.is_cut = False
        self.has_board = False
        """Moves are of use only to who has the board they are of."""

    async def next(self) -> bytes | None:
        """Wait for the next message; None when the viewer was too slow, or the house closes."""
        return None if self.is_cut else await self._messages.get()

    def send(self, message: bytes) -> None:
        try:
            self._messages.put_nowait(message)
        except asyncio.QueueFull:
            self.cut()

    def cut(self) -> None:
        self.is_cut = True
        while not self._messages.empty():
            self._messages.get_nowait()
        self._messages.put_nowait(None)


class TooManyViewers(Exception):
    """As many watch as this process serves."""


class LiveHub:
    """The board of one web process."""

    def __init__(self, engine: AsyncEngine, renderers: Mapping[str, Renderer]) -> None:
        self._engine = engine
        self._renderers = renderers
        self._viewers: set[Viewer] = set()
        self._calls: dict[UUID, LiveCall] = {}
        self._boards: dict[str, tuple[float, bytes]] = {}
        self._moved: set[UUID] = set()
        self._wake = asyncio.Event()
        self._loaded = asyncio.Event()
        self._following: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watching(self, kind: str) -> AsyncIterator[Viewer]:
        """Watch: the first message is the whole board. Raises TooManyViewers; TimeoutError: no database."""
        if len(self._viewers) >= VIEWERS_MAXIMUM:
            raise TooManyViewers
        viewer = Viewer(kind)
        if self._following is None or self._following.done():
            self._loaded.clear()
            self._following = asyncio.create_task(self._follow_for_ever())
        # Counted from here on, lest the connection be given up meanwhile; drawn for once the board is there.
        self._viewers.add(viewer)
        try:
            async with asyncio.timeout(FIRST_BOARD_SECONDS):
                await self._loaded.wait()
            viewer.send(self._board_of(kind))
            viewer.has_board = True
            yield viewer
        finally:
            self._viewers.discard(viewer)
            self._wake.set()

    async def close(self) -> None:
        """Send everybody home."""
        for viewer in list(self._viewers):
            viewer.cut()
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    def _board_of(self, kind: str) -> bytes:
        """Return the whole board: drawn once for a crowd that comes at the same moment."""
        now = time.monotonic()
        drawn_at, board = self._boards.get(kind, (0.0, b""))
        if not board or now - drawn_at > SPACING_SECONDS:
            drawn_at, board = now, self._renderers[kind].whole(self._newest_first())
            self._boards[kind] = (drawn_at, board)
        return board

    def _newest_first(self) -> list[LiveCall]:
        newest = sorted(self._calls.values(), key=lambda call: (call.started_at, call.id), reverse=True)
        return newest[:CALLS_MAXIMUM]

    async def _follow_for_ever(self) -> None:
        while self._viewers:
            try:
                await self._follow()
            except (
                SQLAlchemyError,
                OSError,
                TimeoutError,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
            ) as error:
                log.warning("the live board waits for PostgreSQL: %s", error)
                await asyncio.sleep(AGAIN_SECONDS)

    async def _follow(self) -> None:
        """Listen on a connection of our own until it breaks or nobody watches any more."""
        connection = await connect_plainly(self._engine)
        try:
            connection.add_termination_listener(lambda _: self._wake.set())
            await connection.add_listener(CHANNEL, self._heard)
            await self._read_whole()
            while self._viewers and not connection.is_closed():
                if not await self._woken():
                    await connection.execute("SELECT 1")
                    self._send_to_all(PULSE)
                    continue
                await self._send_moves()
                await asyncio.sleep(SPACING_SECONDS)
        finally:
            self._loaded.clear()
            connection.terminate()

    async def _woken(self) -> bool:
        try:
            await asyncio.wait_for(self._wake.wait(), PULSE_SECONDS)
        except TimeoutError:
            return False
        self._wake.clear()
        return True

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        with contextlib.suppress(ValueError):
            self._moved.add(UUID(str(payload)))
            self._wake.set()

    async def _read_whole(self) -> None:
        self._moved.clear()
        async with self._engine.connect() as connection:
            found = await read_live_calls(connection)
        self._calls = {call.id: call for call in found}
        self._boards.clear()
        # To those who watched before the connection broke; who comes now is sent the board when they are let in.
        newest = self._newest_first()
        self._draw(lambda renderer: renderer.whole(newest))
        self._loaded.set()

    async def _send_moves(self) -> None:
        moved, self._moved = self._moved, set()
        if not moved:
            return
        async with self._engine.connect() as connection:
            found = {call.id: call for call in await read_these(connection, moved)}
        changed = [call for call in found.values() if self._calls.get(call.id) != call]
        gone = [call_id for call_id in moved if call_id not in found and call_id in self._calls]
        for call_id in gone:
            del self._calls[call_id]
        self._calls |= {call.id: call for call in changed}
        self._boards.clear()
        if changed or gone:
            self._draw(lambda renderer: renderer.moved(changed, gone))

    def _draw(self, message_of: Callable[[Renderer], bytes]) -> None:
        """Draw once for each kind of viewers that watches, and send it to all of the kind."""
        watching = [viewer for viewer in self._viewers if viewer.has_board]
        messages = {kind: message_of(self._renderers[kind]) for kind in {one.kind for one in watching}}
        for viewer in watching:
            viewer.send(messages[viewer.kind])

    def _send_to_all(self, message: bytes) -> None:
        for viewer in list(self._viewers):
            viewer.send(message)


HUB: web.AppKey[LiveHub] = web.AppKey("live_hub", LiveHub)
