"""Carries out what people at a page want done to a call: they hold no key to Asterisk, this process does.

A page writes a row and notifies; the process of the call's node hears it at once. Nothing here is on a caller's way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any, Protocol

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from agi import command_queries, flow_queries
from agi.command_queries import CHANNEL, Command
from store.session import connect_plainly

log = logging.getLogger(__name__)

LOOK_ALSO_EVERY_SECONDS = 5.0
"""A notification that got lost with its connection costs no more than this."""
AGAIN_SECONDS = 1.0
HANG_UP = "hang_up"
HUNG_UP_BY_HOUSE = "hung_up_by_house"
"""The event of the call's story."""


class HangsUp(Protocol):
    """Something that can end calls: agi.live_calls."""

    async def hang_up(self, uniqueid: str) -> str:
        """End the call of a channel. Return why it could not be done, '' when it was."""


class CallCommands:
    """Waits for commands of one node and carries them out."""

    def __init__(self, engine: AsyncEngine, *, node: str, asterisk: HangsUp) -> None:
        self._engine = engine
        self._node = node
        self._asterisk = asterisk
        self._told = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled; a database that is away is waited for."""
        while True:
            try:
                await self._work()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("commands wait for PostgreSQL: %s", error)
            except Exception:
                log.exception("a command failed")
            await asyncio.sleep(AGAIN_SECONDS)

    async def _work(self) -> None:
        connection = await connect_plainly(self._engine)
        try:
            connection.add_termination_listener(lambda _: self._told.set())
            await connection.add_listener(CHANNEL, self._heard)
            while not connection.is_closed():
                self._told.clear()
                await self.do_open()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._told.wait(), LOOK_ALSO_EVERY_SECONDS)
        finally:
            connection.terminate()

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        if payload == self._node:
            self._told.set()

    async def do_open(self) -> None:
        """Carry out what is open."""
        async with self._engine.begin() as connection:
            for command in await command_queries.open_commands(connection, self._node):
                problem = await self._do(command)
                await command_queries.command_done(connection, command, problem)
                if not problem:
                    detail = {"by": command.asked_by}
                    at_ms = time.time_ns() // 1_000_000
                    await flow_queries.insert_event(
                        connection, command.call_id, at_ms, HUNG_UP_BY_HOUSE, "", detail
                    )

    async def _do(self, command: Command) -> str:
        if command.kind != HANG_UP:
            return f"{command.kind} is nothing this node can do"
        return await self._asterisk.hang_up(command.linkedid)
