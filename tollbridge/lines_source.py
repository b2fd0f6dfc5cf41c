"""The trunks and targets of a node: from PostgreSQL, or as last seen when that cannot be had."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from asterisk_conf.node_config import Lines, TargetRow, TrunkRow, lines_of
from asterisk_conf.queries import load_market_version, load_rows
from asterisk_conf.write import write_atomically
from store.key_ring import NotSealedByUs, key_ring

log = logging.getLogger(__name__)

DATABASE_FAULTS = (SQLAlchemyError, OSError, TimeoutError)
_TIMEOUT_SECONDS = 5.0
_SEALED, _PURPOSE = "sealed_password", "trunk password in lines.json"


class LinesSource:
    """Looks for a changed market and remembers the last rows in a file of the owner's only, passwords sealed."""

    def __init__(self, engine: AsyncEngine, file: Path) -> None:
        self._engine = engine
        self._file = file
        self._version: int | None = None
        self._sealed_by = b""

    async def load(self) -> Lines:
        """Return the lines now, from the file when the database is away; no lines when neither is there."""
        try:
            lines = await self._from_database()
        except DATABASE_FAULTS as fault:
            log.warning("trunks and targets as last seen: the database is away (%s)", type(fault).__name__)
            return await asyncio.to_thread(_recall, self._file)
        return lines

    async def changed(self) -> Lines | None:
        """Return the lines when the market, or the key that seals, has changed since the last look.

        Outside faults count as no change.
        """
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS), self._engine.connect() as connection:
                version = await load_market_version(connection)
            is_same = version == self._version and key_ring().newest_head == self._sealed_by
            return None if is_same else await self._from_database()
        except DATABASE_FAULTS:
            return None

    async def _from_database(self) -> Lines:
        async with asyncio.timeout(_TIMEOUT_SECONDS), self._engine.connect() as connection:
            version = await load_market_version(connection)
            trunks, targets = await load_rows(connection)
        await asyncio.to_thread(_remember, self._file, trunks, targets)
        self._version, self._sealed_by = version, key_ring().newest_head
        return lines_of(trunks, targets)


def _remember(file: Path, trunks: Sequence[TrunkRow], targets: Sequence[TargetRow]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = {"trunks": [_sealed(row) for row in trunks], "targets": [asdict(row) for row in targets]}
    write_atomically(file, json.dumps(rows))


def _recall(file: Path) -> Lines:
    try:
        rows = json.loads(file.read_text())
        return lines_of(
            [_opened(row) for row in rows["trunks"]], [TargetRow(**row) for row in rows["targets"]]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return Lines()


def _sealed(trunk: TrunkRow) -> dict[str, Any]:
    row = asdict(trunk)
    password = row.pop("password")
    if password:
        row[_SEALED] = base64.b64encode(key_ring().seal_text(_PURPOSE, password)).decode()
    return row


def _opened(row: dict[str, Any]) -> TrunkRow:
    """Read a trunk of the file. Without its password, one that registers is left out."""
    sealed = row.pop(_SEALED, None)
    if sealed is not None:
        try:
            row["password"] = key_ring().unseal_text(_PURPOSE, base64.b64decode(sealed))
        except NotSealedByUs as problem:
            log.error("the password of trunk %s is not read: %s", row["name"], problem)
    return TrunkRow(**row)
