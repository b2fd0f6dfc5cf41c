"""Publishers ask what a call is worth before they send it: the promise, and the call that comes on it.

A ping is judged and auctioned as a call would be; room is leased under the reservation's own id. The call is known
again by its number and its caller, takes the room over, and goes to the buyer it was promised to at the price it was
promised for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from router import inbound_bid_queries as queries
from router.domain.caller_facts import with_caller_state
from router.domain.decision import Decision, RouteRequest
from router.domain.hops import HOPS_TAG, hops_problem
from router.domain.inbound_bid import (
    BidRefusal,
    InboundBid,
    InboundPing,
    NoBid,
    PublisherKey,
    is_hidden,
    margin_of,
    number_of,
    payout_of,
    refusal_of,
    winning_bid,
)
from router.domain.market import TrackingNumber
from router.domain.ping_limits import notice_of, open_most, open_refusal, share_refusal
from router.domain.yields import Yield, YieldAsked
from router.inbound_arrival import claim_of, expire_reservations
from router.reservations import confirm_lease
from router.reserved_share import ReservedShare
from router.route_call import Router
from router.snapshot import DATABASE_FAULTS, CurrentSnapshot
from router.stored_caller import without_caller

log = logging.getLogger(__name__)

DECIDING_SECONDS = 10
"""A ping that is not decided by then was left behind by a process that died."""
WAIT_FOR_FIRST_SECONDS = 2.5
"""How long the second of two pings at once waits for the first one's answer."""
WAIT_STEP_SECONDS = 0.05
LEASE_GRACE_SECONDS = 30
"""Room outlives the reservation by this much: the sweep that ends a reservation is what gives it back."""

Yields = Callable[[AsyncConnection, YieldAsked], Awaitable[Yield | None]]
"""Returns what a call would bring; None when nothing. Raises what the database raises."""

ATTEMPT = 1
"""The attempt a ping leases for; the call's first."""


class InboundBids:
    """Answers publishers' pings. Safe to use from many requests at once."""

    def __init__(
        self,
        engine: AsyncEngine,
        snapshot: CurrentSnapshot,
        router: Router,
        *,
        network_name: str,
        yields: Yields,
    ) -> None:
        """`yields` judges what a call would bring by the contracts, which are kept above this room."""
        self._engine = engine
        self._snapshot = snapshot
        self._router = router
        self._network_name = network_name
        self._yields = yields

    async def ping(
        self, key: PublisherKey, ping: InboundPing, *, holds_room: bool, now: datetime
    ) -> InboundBid | NoBid:
        """Return a bid, an earlier one of the same caller that still stands, or why there is none.

        Raises what the database raises; nothing is held then, or the sweep gives it back.
        """
        reservation_id = uuid4()
        refusal = self._refused_at_sight(key, ping)
        number = number_of(self._snapshot.current, key)
        if refusal is None and number is None:
            refusal = BidRefusal.DISABLED
        if refusal is not None or number is None:
            return NoBid(ping_id=reservation_id, reason=refusal or BidRefusal.DISABLED)
        answer = await self._begin(reservation_id, key, ping, number, now)
        if answer is None:
            try:
                answer = await self._decide(reservation_id, key, ping, number, holds_room=holds_room, now=now)
            except BaseException:
                await asyncio.shield(self._give_up(reservation_id))
                raise
        if isinstance(answer, NoBid):
            return answer
        return replace(answer, notice=notice_of(key.limits, key.record, now))

    async def confirm(
        self, key: PublisherKey, reservation_id: UUID, now: datetime, caller: str = ""
    ) -> InboundBid | NoBid | None:
        """Hold room for a bid that was made without. None when this publisher has no such reservation.

        `caller` names, in E.164, whom the ping hid. Confirming twice is confirming once. When the room has gone
        meanwhile the reservation ends.
        """
        deadline = asyncio.get_running_loop().time() + WAIT_FOR_FIRST_SECONDS
        while True:
            found = await self._begin_confirming(key, reservation_id, now, caller)
            if not isinstance(found, Row):
                return found
            if found.state == queries.OPEN:
                return await self._hold(key, found, now)
            if asyncio.get_running_loop().time() >= deadline:
                return NoBid(ping_id=reservation_id, reason=BidRefusal.BUSY)
            await asyncio.sleep(WAIT_STEP_SECONDS)

    async def _begin_confirming(
        self, key: PublisherKey, reservation_id: UUID, now: datetime, caller: str
    ) -> InboundBid | NoBid | Row[Any] | None:
        """Return the answer where it is known; else the row, open and now ours to confirm, or at work elsewhere."""
        async with self._engine.begin() as connection:
            row = await queries.of_publisher(connection, key, reservation_id)
            if row is None:
                return None
            if row.state == queries.DECIDING:
                return row
            if row.state not in queries.PROMISED or (row.state != queries.USED and row.expires_at <= now):
                yielded = row.detail.get("reason") == BidRefusal.CAPACITY_LOST.value
                reason = BidRefusal.CAPACITY_LOST if yielded else BidRefusal.EXPIRED
                return NoBid(ping_id=reservation_id, reason=reason)
            refusal = await self._name_caller(connection, row, caller)
            if refusal is not None:
                return refusal
            if row.state != queries.OPEN:
                return queries.bid_of(row, repeated=True)
            await queries.begin_confirming(connection, reservation_id)
            return row

    async def _name_caller(self, connection: AsyncConnection, row: Row[Any], caller: str) -> NoBid | None:
        """Write down whom the ping hid; one that it named stays who it is."""
        if not caller or caller == row.caller_sealed:
            return None
        if not is_hidden(row.caller_sealed):
            return NoBid(ping_id=row.id, reason=BidRefusal.MALFORMED, detail="another caller")
        named = await queries.name_caller(connection, row.id, caller)
        return None if named else NoBid(ping_id=row.id, reason=BidRefusal.BUSY)

    def _refused_at_sight(self, key: PublisherKey, ping: InboundPing) -> BidRefusal | None:
        campaign = self._snapshot.current.campaigns.get(key.campaign_id)
        if campaign is None or not campaign.enabled:
            return BidRefusal.DISABLED
        if not ping.caller:
            return BidRefusal.CALLER_REQUIRED
        return BidRefusal.LOOP if hops_problem(ping.hops, self._network_name) else None

    async def _begin(
        self,
        reservation_id: UUID,
        key: PublisherKey,
        ping: InboundPing,
        number: TrackingNumber,
        now: datetime,
    ) -> InboundBid | NoBid | None:
        """Take this caller's place, or return what the one who has it was answered."""
        deadline = asyncio.get_running_loop().time() + WAIT_FOR_FIRST_SECONDS
        until = now + timedelta(seconds=DECIDING_SECONDS)
        most = open_most(key.limits, key.record, now)
        while True:
            async with self._engine.begin() as connection:
                await expire_reservations(connection, now)
                if await queries.begin(
                    connection,
                    reservation_id,
                    key,
                    ping,
                    number_id=number.id,
                    now=now,
                    until=until,
                    open_most=most,
                ):
                    return None
                row = await queries.live(connection, key, ping.caller)
                if row is None and await queries.count_open(connection, key) >= most:
                    return NoBid(
                        ping_id=reservation_id,
                        reason=BidRefusal.PUBLISHER_CAPPED,
                        detail=open_refusal(key.limits, key.record, now),
                    )
            if row is not None and row.state != queries.DECIDING:
                return queries.bid_of(row, repeated=True)
            if asyncio.get_running_loop().time() >= deadline:
                return NoBid(ping_id=reservation_id, reason=BidRefusal.BUSY)
            await asyncio.sleep(WAIT_STEP_SECONDS)

    async def _decide(
        self,
        reservation_id: UUID,
        key: PublisherKey,
        ping: InboundPing,
        number: TrackingNumber,
        *,
        holds_room: bool,
        now: datetime,
    ) -> InboundBid | NoBid:
        request = self._request(reservation_id, key, ping, number, now)
        routed = await self._router.route_call(request, attempt=ATTEMPT, share=_share_of(key))
        if routed.problem:
            # Decided without the database: nobody knows whether there is room.
            return await self._refuse(reservation_id, BidRefusal.BUSY)
        if routed.decision.chosen is None:
            if routed.share_lost:
                return await self._refuse(
                    reservation_id, BidRefusal.PUBLISHER_CAPPED, share_refusal(key.limits)
                )
            return await self._refuse(reservation_id, refusal_of(routed.decision))
        async with self._engine.begin() as connection:
            promise = await self._promise(connection, key, routed.decision, number)
            if promise is None or promise.payout_micros < max(1, ping.least_bid_micros):
                await queries.give_back_room(connection, [reservation_id])
                await queries.end(
                    connection, reservation_id, queries.REFUSED, {"reason": BidRefusal.NO_BID.value}
                )
                return NoBid(ping_id=reservation_id, reason=BidRefusal.NO_BID)
            return await self._store(
                connection, reservation_id, key, ping, number, promise, routed.decision, holds_room, now
            )

    def _request(
        self,
        reservation_id: UUID,
        key: PublisherKey,
        ping: InboundPing,
        number: TrackingNumber,
        now: datetime,
    ) -> RouteRequest:
        market = self._snapshot.current
        tags = with_caller_state(ping.tags, ping.caller, market.area_codes, market.zip_codes)
        if ping.hops:
            tags[HOPS_TAG] = ",".join(ping.hops)
        return RouteRequest(
            call_id=str(reservation_id),
            campaign_id=key.campaign_id,
            caller=None if is_hidden(ping.caller) else ping.caller,
            tags=tags,
            publisher_id=key.publisher_id,
            dialled=number.e164,
            hops=ping.hops,
            now=now,
        )

    async def _hold(self, key: PublisherKey, row: Row[Any], now: datetime) -> InboundBid | NoBid:
        """Judge the promised buyer once more, now taking its room."""
        number = number_of(self._snapshot.current, key)
        if number is None or number.id != row.tracking_number_id:
            return await self._refuse(row.id, BidRefusal.DISABLED)
        claim = claim_of(row)
        ping = InboundPing(caller=row.caller_sealed, tags=claim.tags, hops=claim.hops)
        request = replace(self._request(row.id, key, ping, number, now), reserved=claim.reserved)
        routed = await self._router.route_call(request, attempt=ATTEMPT, share=_share_of(key))
        chosen = routed.decision.chosen
        if chosen is None and routed.share_lost:
            return await self._refuse(row.id, BidRefusal.PUBLISHER_CAPPED, share_refusal(key.limits))
        if chosen is None or not routed.leased or chosen.target_id != row.target_id:
            return await self._refuse(row.id, BidRefusal.CAPACITY_LOST)
        async with self._engine.begin() as connection:
            await confirm_lease(connection, row.id, ATTEMPT, _lease_end(row.expires_at))
            if not await queries.confirm(connection, row.id):
                await queries.give_back_room(connection, [row.id])
                return NoBid(ping_id=row.id, reason=BidRefusal.EXPIRED)
        return replace(queries.bid_of(row, repeated=False), confirmed=True)

    async def _promise(
        self, connection: AsyncConnection, key: PublisherKey, decision: Decision, number: TrackingNumber
    ) -> queries.Promise | None:
        """Work out what the publisher is promised; None when the buyer would pay nothing for this call.

        What the buyer pays is what its contract says of the call, or its bid where an auction was held.
        """
        offer, request = decision.chosen, decision.request
        assert offer is not None
        found = await self._yields(
            connection,
            YieldAsked(
                call_id=request.call_id,
                campaign_id=key.campaign_id,
                publisher_id=key.publisher_id,
                target_id=offer.target_id,
                dialled=number.e164,
                caller=request.caller,
                tags=request.tags,
                at=request.now,
                duplicate_window_seconds=self._snapshot.current.campaigns[
                    key.campaign_id
                ].duplicate_window_seconds,
                bid_micros=offer.bid_micros,
                bid_minimum_connected_ms=offer.minimum_connected_ms,
                billed=offer.billed,
            ),
        )
        if found is None:
            return None
        margin = margin_of(self._snapshot.current, key.campaign_id, offer.target_id)
        return queries.Promise(
            target_id=offer.target_id,
            number_id=number.id,
            payout_micros=payout_of(
                found.price_micros,
                share_ppm=key.share_ppm,
                terms_micros=found.payout_micros,
                margin_micros=margin,
            ),
            minimum_connected_ms=found.minimum_connected_ms,
            share_ppm=key.share_ppm,
            margin_micros=margin,
            bid_micros=offer.bid_micros,
            bid_minimum_connected_ms=offer.minimum_connected_ms,
            dial=offer.dial,
        )

    async def _store(
        self,
        connection: AsyncConnection,
        reservation_id: UUID,
        key: PublisherKey,
        ping: InboundPing,
        number: TrackingNumber,
        promise: queries.Promise,
        decision: Decision,
        holds_room: bool,
        now: datetime,
    ) -> InboundBid | NoBid:
        bid = winning_bid(decision)
        expires_at = now + timedelta(seconds=key.reservation_seconds)
        if bid is not None and bid.expires_at is not None:
            expires_at = min(expires_at, bid.expires_at)
        if holds_room:
            await confirm_lease(connection, reservation_id, ATTEMPT, _lease_end(expires_at))
        else:
            await queries.give_back_room(connection, [reservation_id])
        stored = await queries.promise(
            connection,
            reservation_id,
            promise,
            state=queries.CONFIRMED if holds_room else queries.OPEN,
            expires_at=expires_at,
            detail={
                "decision": without_caller(decision.to_json()),
                "auction": None
                if bid is None
                else {"stage_id": decision.stage_id, "reference": bid.reference},
            },
        )
        if not stored:
            # It took so long that the sweep was here before us.
            await queries.give_back_room(connection, [reservation_id])
            return NoBid(ping_id=reservation_id, reason=BidRefusal.BUSY)
        return InboundBid(
            reservation_id=reservation_id,
            caller=ping.caller,
            number=number.e164,
            payout_micros=promise.payout_micros,
            minimum_connected_ms=promise.minimum_connected_ms,
            expires_at=expires_at,
            confirmed=holds_room,
        )

    async def _refuse(self, reservation_id: UUID, reason: BidRefusal, detail: str = "") -> NoBid:
        async with self._engine.begin() as connection:
            await queries.give_back_room(connection, [reservation_id])
            await queries.end(connection, reservation_id, queries.REFUSED, {"reason": reason.value})
        return NoBid(ping_id=reservation_id, reason=reason, detail=detail)

    async def _give_up(self, reservation_id: UUID) -> None:
        try:
            await self._refuse(reservation_id, BidRefusal.BUSY)
        except DATABASE_FAULTS as error:
            log.warning("reservation %s is left to the sweep: %s", reservation_id, error)


def _share_of(key: PublisherKey) -> ReservedShare:
    return ReservedShare(publisher_id=key.publisher_id, percent=key.limits.room_share_percent)


def _lease_end(expires_at: datetime) -> datetime:
    return expires_at + timedelta(seconds=LEASE_GRACE_SECONDS)
