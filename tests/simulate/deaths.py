"""Kills a worker at a chosen statement: its connections are gone at once, and nothing of it runs on.

Every await of settlement is a statement or a commit, so dying before and after each of them is dying at every await.
The server learns of it as of a killed process: by a closed connection, perhaps in the middle of a commit.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine


class Died(BaseException):
    """Not an Exception: nobody but the simulator may catch it."""


class Deaths:
    """Counts the moments of an engine; at the chosen one everything of it dies."""

    def __init__(self, engine: AsyncEngine, at: int | None) -> None:
        self.moments = 0
        self.happened = False
        self._at = at
        self._open: list[Any] = []
        sync = engine.sync_engine
        event.listen(sync, "connect", self._connected)
        for name in ("before_cursor_execute", "after_cursor_execute", "commit", "checkin"):
            event.listen(sync, name, self._moment)

    def _connected(self, dbapi_connection: Any, record: Any) -> None:
        self._open.append(dbapi_connection.driver_connection)

    def _moment(self, *args: Any) -> None:
        self.moments += 1
        if self._at is not None and self.moments >= self._at:
            for connection in self._open if not self.happened else ():
                connection.terminate()
            self.happened = True
            raise Died
