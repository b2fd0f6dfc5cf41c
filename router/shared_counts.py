"""The counters of the market in memory, kept fresh by one reader for all calls of this process."""

from __future__ import annotations

import asyncio
import time

import asyncpg

from router.count_queries import read_changes
from router.domain.live_counts import LiveCounts
from router.plain_connections import PlainConnections, is_gone

SOONEST_SECONDS, LATEST_SECONDS = 0.02, 0.25
"""How old a reading may get before it is taken anew, at least and at most."""

READING_SHARE = 20
"""In between: so many times what a reading takes, that it costs PostgreSQL a twentieth of a processor at most."""

WHOLE_AGAIN_SECONDS = 300.0
"""After so long without a reading, or since everything was read, everything is read: changes do not tell what was
deleted."""

READ_TIMEOUT_SECONDS = 2.0


class SharedCounts:
    """A LiveCounts, and when it was true."""

    def __init__(self, connections: PlainConnections) -> None:
        self.live = LiveCounts()
        self._connections = connections
        self._since: int | None = None
        self._began = self._whole_began = float("-inf")
        """When the last reading, and the last one of everything, was asked for; on the monotonic clock."""
        self.read_ms: int | None = None
        """When the last reading was asked for, in epoch ms; None before the first."""
        self._took_seconds = 0.0
        self._reading: asyncio.Task[None] | None = None
        self._reading_began = 0.0

    @property
    def read_at(self) -> float:
        """Everything that was committed by then, on the monotonic clock, is counted."""
        return self._began

    async def freshen(self) -> None:
        """Make sure of a reading that is not too old. Raises what the driver raises, TimeoutError after 2 s.

        While calls come thick and fast nobody waits for it: it is read beside them.
        """
        age, limit = time.monotonic() - self._began, self._limit_seconds()
        if age > 2 * limit:
            await self.read_since(time.monotonic() - limit)
        elif age > limit:
            self._start()

    async def read_since(self, moment: float) -> None:
        """Wait for a reading that was asked for at `moment`, on the monotonic clock, or later. Raises as freshen."""
        while self._began < moment:
            reading = self._start()
            await asyncio.wait({reading})  # whoever gives up waiting does not end it for the others
            reading.result()

    def _limit_seconds(self) -> float:
        return min(LATEST_SECONDS, max(SOONEST_SECONDS, READING_SHARE * self._took_seconds))

    def _start(self) -> asyncio.Task[None]:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
            self._reading.add_done_callback(_looked_at)
        return self._reading

    async def _read(self) -> None:
        async with asyncio.timeout(READ_TIMEOUT_SECONDS):
            try:
                await self._read_once()
            except Exception as error:
                if not is_gone(error):
                    raise
                self._connections.close_free()
                await self._read_once()

    async def _read_once(self) -> None:
        async with self._connections.one() as connection:
            await self._read_by(connection)

    async def _read_by(self, connection: asyncpg.Connection) -> None:
        began, began_ms = time.monotonic(), time.time_ns() // 1_000_000
        whole = began - min(self._began, self._whole_began) > WHOLE_AGAIN_SECONDS
        number = self.live.begin_reading()
        since, changes = await read_changes(connection, None if whole else self._since)
        self._took_seconds = time.monotonic() - began
        if whole:
            self.live.replace_all(changes)
            self._whole_began = began
        else:
            self.live.apply(changes, number)
        self._since, self._began, self.read_ms = since, began, began_ms


def _looked_at(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()  # asyncio complains of what nobody looks at; those who wait have seen it
