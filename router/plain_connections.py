"""Plain connections to PostgreSQL for the call path: a caller hears nothing while we wait.

No look before use, no transaction around a single statement, no reset after it. A connection that died meanwhile is
found when it is used: whoever uses it does so again with a new one (`is_gone`). One that was left in the middle of
anything is closed, never used again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from store.session import connect_plainly

LARGEST = 32
"""More at once than these wait their turn: PostgreSQL does not get faster by more."""

_GONE = (
    ConnectionError,
    asyncpg.InterfaceError,
    # The driver read the server's last words a moment before it was asked.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)


class PlainConnections:
    """Connections to where an engine points, made when needed, as many as the engine's own pool may have."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        size = getattr(engine.pool, "size", lambda: 1)()
        self._room = asyncio.Semaphore(max(1, min(LARGEST, size)))
        self._free: list[asyncpg.Connection] = []
        event.listen(engine.sync_engine, "engine_disposed", self._disposed)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection that works statement by statement. Raises what the driver raises."""
        async with self._room:
            connection = self._free.pop() if self._free else await connect_plainly(self._engine)
            try:
                yield connection
            except BaseException:
                connection.terminate()
                raise
            self._free.append(connection)

    def close_free(self) -> None:
        """Close what nobody uses: after one has died the others are likely dead too."""
        while self._free:
            self._free.pop().terminate()

    def _disposed(self, _: object) -> None:
        self.close_free()


def is_gone(error: BaseException) -> bool:
    """Say whether a fault is that of a connection which had died before it was used."""
    return isinstance(error, _GONE)
