"""What a call to a draft came through, for the browser that made it. It takes the place of the journal in such a call.

Nothing of it reaches the journal, so there is no row in `calls`: it is not billed, counts for no cap and no duplicate,
and stands in no report.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from agi import journal
from agi.dial_code_queries import StoryEvent, add_events

EVENTS_MAXIMUM = 2_000
"""The engine stops a flow long before that."""
FLUSH_SECONDS = 3.0
_KINDS = {journal.ANSWERED: "answered", journal.REQUESTED: "requested"}
"""Of the journal's kinds, what the browser is told, and how it is called there."""

log = logging.getLogger(__name__)


class DraftStory:
    """Takes events in order and stores them as they come. `write` is the journal's: a flow's steps may use it."""

    def __init__(self, engine: AsyncEngine, code_id: UUID) -> None:
        self._engine = engine
        self._code_id = code_id
        self._waiting: list[StoryEvent] = []
        self._told = 0
        self._storing: asyncio.Task[None] | None = None

    def tell(self, kind: str, node: str = "", **detail: Any) -> None:
        """Add an event."""
        if self._told >= EVENTS_MAXIMUM:
            return
        self._told += 1
        self._waiting.append(StoryEvent(sequence=self._told, kind=kind, node=node, detail=detail))
        if self._storing is None or self._storing.done():
            self._storing = asyncio.create_task(self._store())

    def write(self, kind: str, linkedid: str, body: Mapping[str, Any]) -> None:
        """Take what a step notes: the answers, the wishes, and what nodes did. The rest is for a real call's record."""
        if kind == journal.NOTED:
            self.tell(str(body["event"]), str(body["node"]), **body["detail"])
        elif kind in _KINDS:
            self.tell(_KINDS[kind], str(body["node"]), **{k: v for k, v in body.items() if k != "node"})

    async def close(self) -> None:
        """Wait until everything is stored, a little while at most."""
        if self._storing is not None:
            await asyncio.wait({self._storing}, timeout=FLUSH_SECONDS)

    async def _store(self) -> None:
        """Store what waits. A database that is away costs the onlooker the path, and the caller nothing."""
        while self._waiting:
            events, self._waiting = self._waiting, []
            try:
                async with self._engine.begin() as connection:
                    await add_events(connection, self._code_id, events)
            except (SQLAlchemyError, OSError, TimeoutError) as fault:
                log.warning("events of a draft's call are lost: %s", fault)
