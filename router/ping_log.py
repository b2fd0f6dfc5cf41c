"""Brings every question and answer to PostgreSQL, off the caller's time: a bounded queue and one writer."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from router.ping_queries import write_pings
from router.snapshot import DATABASE_FAULTS

log = logging.getLogger(__name__)

MOST_WAITING = 20_000
"""Rows kept while PostgreSQL is away; then the oldest are lost, and the log says how many."""
BATCH = 100
"""Rows made and written in one go: each keeps the loop, and whoever waits on it, for some 20 us."""
GATHERED_SECONDS = 0.05
"""Let the auction that has just closed go on to its post before its rows are made."""
RETRY_SECONDS = 1.0

MakeRow = Callable[[], Mapping[str, Any]]
"""Makes a row of the table `pings`; called by the writer, off the caller's time."""


class PingLog:
    """Rows of the table `pings` on their way. Use as an async context manager."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: deque[tuple[UUID, MakeRow]] = deque()
        self._given = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._lost = 0

    async def __aenter__(self) -> PingLog:
        self._writer = asyncio.create_task(self._write_for_ever())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        try:
            await self.flush()
        except DATABASE_FAULTS as error:
            log.error("%d pings are not stored: %s", len(self._waiting), error)

    def add(self, row: MakeRow) -> None:
        """Take a row. Never waits, never raises."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self._lost += 1
        self._waiting.append((uuid4(), row))
        self._given.set()

    async def flush(self) -> None:
        """Write all rows that wait. Raises what the database raises; the rows wait on then.

        A fault or our own end may hide a commit that happened: the entry's id keeps the row from standing twice.
        """
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            try:
                async with self._engine.begin() as connection:
                    await write_pings(connection, [{**make(), "entry": entry} for entry, make in batch])
            except BaseException:
                self._waiting.extendleft(reversed(batch))
                raise

    async def _write_for_ever(self) -> None:
        while True:
            await self._given.wait()
            await asyncio.sleep(GATHERED_SECONDS)
            self._given.clear()
            try:
                await self.flush()
            except DATABASE_FAULTS as error:
                log.warning("pings wait to be stored: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
                self._given.set()
            if self._lost:
                log.error("%d pings are lost: PostgreSQL was away too long", self._lost)
                self._lost = 0
