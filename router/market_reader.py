"""Reads the market from PostgreSQL: whole the first time, later only what was edited."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from router.domain.market import Snapshot
from router.domain.market_parts import (
    PLACES,
    SHARED,
    Part,
    buyer_part,
    campaign_part,
    digest_of_parts,
    parts_of,
)
from router.domain.read_market import read_market
from router.domain.update_market import update_market
from router.errors import MarketRefused, SnapshotRefused
from router.kept_data import KeptData
from router.queries import Changes, Document, read_changes, read_market_rows, read_market_version
from store.key_ring import key_ring
from store.sealed_columns import CALLER

ANSWER_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 30.0

CHANGES_AT_ONCE_MAXIMUM = 500
"""Of buyers and plans; beyond that reading the whole market costs no more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadMarket:
    """A market as a snapshot and as its parts."""

    snapshot: Snapshot
    parts: Mapping[str, Part]


class MarketReader:
    """Remembers the market it read last, to read only what is new."""

    def __init__(self, engine: AsyncEngine, file: Path) -> None:
        self._engine = engine
        self._kept_data = KeptData(file)
        self._last: ReadMarket | None = None

    async def read(self) -> ReadMarket:
        """Return the newest market. Raises what the driver raises, and MarketRefused."""
        version, document, changes = await self._read_rows()
        document |= await self._kept_data.of_market(document["targets"])
        older = self._last
        if changes is not None and older is not None and _changes_everybody(older, document):
            self._last = None
            return await self.read()
        try:
            # In a thread, piece by piece: an edit is no reason to keep a caller waiting.
            if changes is None or older is None:
                self._last = await asyncio.to_thread(_build, document, version)
            else:
                self._last = await asyncio.to_thread(_rebuild, older, document, changes, version)
        except SnapshotRefused as error:
            raise MarketRefused(version, error) from error
        return self._last

    async def _read_rows(self) -> tuple[int, Document, Changes | None]:
        async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS) as limit, self._engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            async with connection.begin():
                version = await read_market_version(connection)
                # It is there and answers: a big market may take its time.
                limit.reschedule(asyncio.get_running_loop().time() + READ_TIMEOUT_SECONDS)
                changes = None
                if self._last is not None:
                    changes = await read_changes(connection, self._last.snapshot.version, version)
                    if changes and len(changes.buyers) + len(changes.campaigns) > CHANGES_AT_ONCE_MAXIMUM:
                        changes = None
                return version, await read_market_rows(connection, changes), changes


def _changes_everybody(older: ReadMarket, document: Mapping[str, Any]) -> bool:
    """Say whether something changed that is woven into every target: groups and their caps, numbers abroad."""
    return _woven(json.loads(older.parts[SHARED].body)) != _woven(document)


def _woven(shared: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    abroad = shared.get("dial_destinations", [])
    return abroad, shared["groups"], [cap for cap in shared.get("caps", ()) if cap["owner"] == "group"]


def _build(document: Document, version: int) -> ReadMarket:
    parts = parts_of(document)
    snapshot = read_market(
        document, version=version, digest=digest_of_parts(parts), caller_key=key_ring().index_key(CALLER)
    )
    return ReadMarket(snapshot=snapshot, parts=parts)


def _rebuild(older: ReadMarket, document: Document, changes: Changes, version: int) -> ReadMarket:
    if PLACES in older.parts:
        known = json.loads(older.parts[PLACES].body)
        document["holidays"] = {**known.get("holidays", {}), **document["holidays"]}
    changed = {buyer_part(buyer_id) for buyer_id in changes.buyers}
    changed |= {campaign_part(campaign_id) for campaign_id in changes.campaigns}
    fresh = parts_of(document)
    campaigns = {campaign_part(row["id"]) for row in document["campaigns"]}
    kept = {
        name: part
        for name, part in older.parts.items()
        if name not in changed and (not name.startswith("campaign:") or name in campaigns)
    }
    parts = kept | {
        name: part for name, part in fresh.items() if not name.startswith("campaign:") or name not in kept
    }
    snapshot = update_market(
        older.snapshot,
        document,
        buyers=changes.buyers,
        campaigns=changes.campaigns,
        version=version,
        digest=digest_of_parts(parts),
        caller_key=key_ring().index_key(CALLER),
    )
    return ReadMarket(snapshot=snapshot, parts=parts)
