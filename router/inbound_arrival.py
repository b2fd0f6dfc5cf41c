"""The call that comes on a publisher's reservation, and the reservations on which none came."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from router import inbound_bid_queries as queries
from router.domain.decision import Reserved
from router.domain.hops import HOPS_TAG
from router.snapshot import DATABASE_FAULTS
from router.wallet_holds import hand_over_holds

log = logging.getLogger(__name__)

CALL_LEASE_SECONDS = 1800
"""A call that has come keeps its room this long while it listens to questions, whatever the worker is doing."""
CLAIM_SECONDS = 0.3
KEEP_ENDED = timedelta(days=7)
REFRESH_SECONDS = 1.0
REFRESH_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What a call that came on a reservation goes on with."""

    reserved: Reserved
    tags: dict[str, str]
    """What the publisher told of the caller; what the caller says itself goes before it."""
    hops: tuple[str, ...]
    reservation_id: UUID
    payout_micros: int | None = None
    """What the publisher was promised; a call is not sold for less unless its campaign allows it."""


class AskingPublishers:
    """Who holds a key to ask us for bids: only their calls can come on a reservation, all others are not looked up."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._known: frozenset[int] | None = None

    def may_have_asked(self, publisher_id: int) -> bool:
        """Tell whether a call of this publisher may come on a reservation; True as long as nobody knows."""
        return self._known is None or publisher_id in self._known

    async def refresh(self) -> None:
        """Read who holds a key. Leaves what was known when the database is away."""
        try:
            async with asyncio.timeout(REFRESH_TIMEOUT_SECONDS), self._engine.connect() as connection:
                self._known = await queries.publishers_with_keys(connection)
        except DATABASE_FAULTS as error:
            log.warning("who may ask for bids is not known anew: %s", str(error) or type(error).__name__)

    async def keep_fresh(self) -> None:
        """Refresh each second until cancelled. A call in a key's first second comes on no reservation."""
        while True:
            await self.refresh()
            await asyncio.sleep(REFRESH_SECONDS)


async def claim_reservation(
    engine: AsyncEngine, call_id: UUID, *, number_id: int, caller: str, now: datetime
) -> Claim | None:
    """Give the reservation this call came on to it, room and all; None when it came on none, or too late.

    Doing it again for the same call gives the same answer. Never raises for outside faults and takes no longer than
    300 ms: a call is sold without its reservation rather than kept waiting.
    """
    if not caller:
        return None
    try:
        async with asyncio.timeout(CLAIM_SECONDS):
            async with engine.begin() as connection:
                row = await queries.used_by(connection, call_id) or await queries.use(
                    connection, call_id, number_id=number_id, caller=caller, now=now
                )
                if row is None:
                    return None
                until = now + timedelta(seconds=CALL_LEASE_SECONDS)
                await queries.hand_over_leases(connection, row.id, call_id, until)
                await hand_over_holds(connection, row.id, call_id, until)
                return claim_of(row)
    except DATABASE_FAULTS as error:
        log.warning("call %s: no reservation was looked for: %s", call_id, str(error) or type(error).__name__)
        return None


async def expire_reservations(connection: AsyncConnection, now: datetime) -> int:
    """End the reservations whose time is over and give their room back. The caller commits. Returns how many."""
    ended = await queries.expire(connection, now)
    if ended:
        await queries.give_back_room(connection, ended)
    return len(ended)


async def forget_reservations(connection: AsyncConnection, now: datetime) -> int:
    """Delete what came to nothing more than a week ago. Returns how many."""
    return await queries.forget(connection, now - KEEP_ENDED)


def claim_of(row: Row[Any]) -> Claim:
    """Read what a reservation promises."""
    auction = row.detail.get("auction") or {}
    hops = tuple(row.detail.get("hops", ()))
    tags = dict(row.detail.get("tags", {}))
    return Claim(
        reserved=Reserved(
            target_id=row.target_id,
            bid_micros=row.bid_micros,
            minimum_connected_ms=row.bid_minimum_connected_ms,
            dial=row.dial,
            stage_id=auction.get("stage_id"),
            reference=auction.get("reference", ""),
            asked_as=str(row.id) if auction else "",
        ),
        tags={**tags, HOPS_TAG: ",".join(hops)} if hops else tags,
        hops=hops,
        reservation_id=row.id,
        payout_micros=row.payout_micros,
    )
