"""A call that finds no room goes before a ping on which nobody has called: it takes over the room of the oldest.

Of this and of the call that comes on that ping after all, one changes the reservation's row first; the other finds it
ended. Who comes too late is routed like any other call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import BigInteger, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from router import inbound_bid_queries as queries
from router.domain.counts import Counts
from router.domain.decision import WANT_OF_ROOM, Decision, RouteRequest
from router.domain.inbound_bid import BidRefusal
from router.domain.market import Snapshot
from router.domain.own_room import without_own_room
from router.domain.wallets import with_money_back
from store.tables import rtb_reservations, wallet_holds

LOOKED_AT_MOST = 8
"""Reservations that a call looks at before it gives up: it is kept waiting meanwhile."""

_IN_THE_WAY = text("""
    SELECT r.id FROM rtb_reservations r
    WHERE r.state = 'confirmed' AND r.publisher_id IS DISTINCT FROM :publisher_id AND r.target_id = ANY (:target_ids)
        AND EXISTS (
            SELECT FROM leases l WHERE l.call_id = r.id AND l.released_at IS NULL AND l.taken_at <= :before)
    ORDER BY r.created_at, r.id LIMIT :most
""").bindparams(bindparam("target_ids", type_=ARRAY(BigInteger)), bindparam("publisher_id", type_=BigInteger))


async def take_over_oldest(
    engine: AsyncEngine,
    snapshot: Snapshot,
    request: RouteRequest,
    decision: Decision,
    finds_room: Callable[[Counts], bool],
) -> bool:
    """End the oldest reservation of another publisher that keeps this call out, and give its room back.

    `finds_room` tells whether the call would have somebody with these counters. Returns whether one was ended; the
    room is then for whoever leases it first, as any other. Raises what the database raises.
    """
    after = snapshot.campaigns[request.campaign_id].pings_yield_after_seconds
    targets = _without_room(snapshot, decision)
    if after is None or not targets:
        return False
    before = request.now - timedelta(seconds=after)
    for reservation_id in await _in_the_way(engine, request, targets, before):
        async with engine.begin() as connection:
            held = await queries.read_own_room(connection, reservation_id)
            money = await _held_money(connection, reservation_id)
            if not finds_room(with_money_back(without_own_room(decision.counts, held), money)):
                continue
            if await _end(connection, reservation_id, request.call_id):
                return True
    return False


def _without_room(snapshot: Snapshot, decision: Decision) -> Sequence[int]:
    """Return the targets that would take the call if they had room, and what else their buyers' money is held for."""
    wanting = {
        snapshot.targets[one.target_id].buyer_id for one in decision.rejections if one.code in WANT_OF_ROOM
    }
    return [target.id for target in snapshot.targets.values() if target.buyer_id in wanting]


async def _in_the_way(
    engine: AsyncEngine, request: RouteRequest, targets: Sequence[int], before: datetime
) -> Sequence[UUID]:
    values = {
        "publisher_id": request.publisher_id,
        "target_ids": list(targets),
        "before": before,
        "most": LOOKED_AT_MOST,
    }
    async with engine.connect() as connection:
        return list((await connection.execute(_IN_THE_WAY, values)).scalars())


async def _held_money(connection: AsyncConnection, call_id: UUID) -> dict[int, int]:
    """Return what a reservation holds of wallets, in micros by buyer."""
    statement = (
        select(wallet_holds.c.buyer_id, func.sum(wallet_holds.c.amount_micros))
        .where(wallet_holds.c.call_id == call_id, wallet_holds.c.released_at.is_(None))
        .group_by(wallet_holds.c.buyer_id)
    )
    return {buyer_id: int(micros) for buyer_id, micros in await connection.execute(statement)}


async def _end(connection: AsyncConnection, reservation_id: UUID, call_id: str) -> bool:
    """End a reservation whose call has not come, for the sake of another call. False when it has ended meanwhile."""
    statement = (
        update(rtb_reservations)
        .where(rtb_reservations.c.id == reservation_id, rtb_reservations.c.state == queries.CONFIRMED)
        .values(
            state=queries.REFUSED,
            detail=rtb_reservations.c.detail.op("||")(
                {"reason": BidRefusal.CAPACITY_LOST.value, "yielded_to": call_id}
            ),
        )
    )
    if not (await connection.execute(statement)).rowcount:
        return False
    await queries.give_back_room(connection, [reservation_id])
    return True
