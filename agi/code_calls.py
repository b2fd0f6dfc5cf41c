"""Ends calls that a one-time code opened, once who made the code has signed out or their token is revoked.

The browser's softphone closes by itself then; a desk phone does not know of sessions.
"""

from __future__ import annotations

import asyncio
import logging

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from agi.call_commands import HangsUp
from agi.dial_code_queries import channels_to_end, forget_channel
from agi.live_calls import NO_ANSWER

LOOK_SECONDS = 2.0

log = logging.getLogger(__name__)


class CodeCalls:
    """Looks after those of one node."""

    def __init__(self, engine: AsyncEngine, *, node: str, asterisk: HangsUp) -> None:
        self._engine = engine
        self._node = node
        self._asterisk = asterisk

    async def run(self) -> None:
        """Look until cancelled; a database that is away is waited for."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except (SQLAlchemyError, OSError, TimeoutError) as fault:
                log.warning("calls of one-time codes wait for PostgreSQL: %s", fault)
            except Exception:
                log.exception("calls of one-time codes could not be looked after")

    async def look(self) -> None:
        """End what is to be ended. What Asterisk does not answer to is tried again."""
        async with self._engine.connect() as connection:
            found = await channels_to_end(connection, self._node)
        for code_id, channel in found.items():
            problem = await self._asterisk.hang_up(channel)
            if problem == NO_ANSWER:
                return
            async with self._engine.begin() as connection:
                await forget_channel(connection, code_id)
            if not problem:
                log.info("a call was ended: who opened it has signed out")
