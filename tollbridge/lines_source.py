"""The trunks and targets of a node: from PostgreSQL, or as last seen when that cannot be had."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from asterisk_conf.node_config import Lines, TargetRow, TrunkRow, lines_of
from asterisk_conf.queries import load_market_version, load_rows
from asterisk_conf.write import write_atomically

log = logging.getLogger(__name__)

DATABASE_FAULTS = (SQLAlchemyError, OSError, TimeoutError)
_TIMEOUT_SECONDS = 5.0


class LinesSource:
    """Looks for a changed market and remembers the last rows in a file of the owner's only (it holds passwords)."""

    def __init__(self, engine: AsyncEngine, file: Path) -> None:
        self._engine = engine
        self._file = file
        self._version: int | None = None

    async def load(self) -> Lines:
        """Return the lines now, from the file when the database is away; no lines when neither is there."""
        try:
            lines = await self._from_database()
        except DATABASE_FAULTS as fault:
            log.warning("trunks and targets as last seen: the database is away (%s)", type(fault).__name__)
            return await asyncio.to_thread(_recall, self._file)
        return lines

    async def changed(self) -> Lines | None:
        """Return the lines when the market has changed since the last look. Outside faults count as no change."""
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS), self._engine.connect() as connection:
                version = await load_market_version(connection)
            return None if version == self._version else await self._from_database()
        except DATABASE_FAULTS:
            return None

    async def _from_database(self) -> Lines:
        async with asyncio.timeout(_TIMEOUT_SECONDS), self._engine.connect() as connection:
            version = await load_market_version(connection)
            trunks, targets = await load_rows(connection)
        await asyncio.to_thread(_remember, self._file, trunks, targets)
        self._version = version
        return lines_of(trunks, targets)


def _remember(file: Path, trunks: Sequence[TrunkRow], targets: Sequence[TargetRow]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = {"trunks": [asdict(row) for row in trunks], "targets": [asdict(row) for row in targets]}
    write_atomically(file, json.dumps(rows))


def _recall(file: Path) -> Lines:
    try:
        rows = json.loads(file.read_text())
        return lines_of(
            [TrunkRow(**row) for row in rows["trunks"]], [TargetRow(**row) for row in rows["targets"]]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return Lines()
