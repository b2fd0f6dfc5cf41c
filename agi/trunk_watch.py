"""Keeps the table of how the trunks of this node are: asks Asterisk's manager, and writes what it says.

The manager user may read registrations (`reporting`) and variables (`call`). The list of contacts wants `system`, which
could load modules too: a peer's state is read by the dialplan's function instead. Nothing here is on a caller's way.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from agi import trunk_queries
from agi.trunk_states import Peer, TrunkState, reachability, registrations

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 5.0
SETTLED_SECONDS = 0.2
"""Of several registrations that change together one look is enough; and the log's line comes after the event."""
LOG_BYTES = 256 * 1024
"""So much of the end of Asterisk's log is searched for reasons."""


class Asks(Protocol):
    """Asterisk's manager: agi.live_calls."""

    trunks_changed: asyncio.Event

    async def ask(self, action: Mapping[str, str]) -> Sequence[Mapping[str, Any]] | None:
        """Return what it answers; None while it does not."""


class TrunkWatch:
    """The trunks of one node."""

    def __init__(self, engine: AsyncEngine, *, node: str, asterisk: Asks, log_file: Path) -> None:
        self._engine = engine
        self._node = node
        self._asterisk = asterisk
        self._log_file = log_file

    async def run(self) -> None:
        """Look when something changed, and every few seconds, until cancelled."""
        while True:
            try:
                await self.look()
            except (OSError, SQLAlchemyError) as fault:
                log.warning("the state of trunks is not written: %s", str(fault).splitlines()[0])
            except Exception:
                log.exception("looking at the trunks failed")
            try:
                await asyncio.wait_for(self._asterisk.trunks_changed.wait(), LOOK_EVERY_SECONDS)
                await asyncio.sleep(SETTLED_SECONDS)
            except TimeoutError:
                pass

    async def look(self) -> None:
        """Ask once and write it down. While Asterisk does not answer, what was known grows old."""
        self._asterisk.trunks_changed.clear()
        async with self._engine.connect() as connection:
            peers = await trunk_queries.peers(connection)
        found = await self._registrations()
        if found is None:
            return
        states = [*found, *[state for peer in peers if (state := await self._peer(peer)) is not None]]
        async with self._engine.begin() as connection:
            await trunk_queries.write_states(connection, self._node, states)

    async def _registrations(self) -> list[TrunkState] | None:
        events = await self._asterisk.ask({"Action": "PJSIPShowRegistrationsOutbound"})
        if events is None:
            return None
        return registrations(events, await asyncio.to_thread(_last_lines, self._log_file))

    async def _peer(self, peer: Peer) -> TrunkState | None:
        status, round_trip = [await self._contact(peer, field) for field in ("status", "rtt")]
        return reachability(peer, status, round_trip)

    async def _contact(self, peer: Peer, field: str) -> str:
        said = await self._asterisk.ask(
            {"Action": "Getvar", "Variable": f"PJSIP_CONTACT({peer.contact},{field})"}
        )
        return str(said[0].get("Value", "")) if said else ""


def _last_lines(file: Path) -> list[str]:
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, os.fstat(opened.fileno()).st_size - LOG_BYTES))
            return opened.read(LOG_BYTES).decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []
