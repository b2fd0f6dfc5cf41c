"""Bidders' records: counted by the worker for all nodes, and kept at hand by every process that holds auctions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from router.bidder_record_queries import count_lasted, count_wins, is_alone, read_records, write_records
from router.domain.bidder_record import NO_RECORD, Record, counted_from, judged_again, rest_words
from router.snapshot import DATABASE_FAULTS, DATABASE_TIMEOUT_SECONDS

log = logging.getLogger(__name__)

READ_SECONDS = 2.0


async def count_records(connection: AsyncConnection, now: datetime) -> None:
    """Count what became of every bidder's wins, and rest those it is too much of. The caller commits.

    Does nothing while another node is at it. Raises what the database raises.
    """
    if not await is_alone(connection):
        return
    known = await read_records(connection)
    since = {target: counted_from(record, now) for target, (record, _) in known.items()}
    wins, lasted = await count_wins(connection, since, now), await count_lasted(connection, list(known))
    changed: dict[int, Record] = {}
    for target, (before, allowed) in known.items():
        own, recent = wins[target]
        after = judged_again(before, now, lasted=lasted[target], wins=own, recent=recent, allowed=allowed)
        if after != before:
            changed[target] = after
        if after.rested_until != before.rested_until:
            now_what = rest_words(after) if after.rested_until else "may bid again"
            log.warning("bidder of target %d %s", target, now_what)
    await write_records(connection, changed)


class BidderRecords:
    """The records every auction of this process goes by. Replaced whole, never changed."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.current: Mapping[int, Record] = {}

    def of(self, target_id: int) -> Record:
        """Return what is known of a bidder."""
        return self.current.get(target_id, NO_RECORD)

    async def refresh(self) -> None:
        """Read all records. Raises what the database raises."""
        async with self._engine.connect() as connection:
            known = await read_records(connection)
        self.current = {target: record for target, (record, _) in known.items()}

    async def keep_fresh(self, stop: asyncio.Event) -> None:
        """Read all records every few seconds until `stop`. While the database is away what was last known holds."""
        while not stop.is_set():
            try:
                async with asyncio.timeout(DATABASE_TIMEOUT_SECONDS):
                    await self.refresh()
            except DATABASE_FAULTS as error:
                log.warning("bidders' records are not read: %s", error or type(error).__name__)
            try:
                await asyncio.wait_for(stop.wait(), READ_SECONDS)
            except TimeoutError:
                continue
