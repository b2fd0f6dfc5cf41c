"""One call on its way to a target: decide, take room, decide again when somebody else was quicker."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from router.count_queries import lock_turn, read_counts
from router.domain.abroad import nothing_abroad, post_problem
from router.domain.auction import AuctionResult, AuctionWanted, Bid, BidOutcome, PostAnswer
from router.domain.caps import Moment, concurrency_key, highest_of, with_full
from router.domain.counts import Counts
from router.domain.decide import decide
from router.domain.decision import Decision, Offer, RouteRequest
from router.domain.distribution import NO_TURN, ROUND_ROBIN, TURN_METHODS, pass_after, pass_before
from router.domain.last_known import Rung, claims_for, has_limit, price_of, rung_of
from router.domain.market import Entry, Snapshot, Stage
from router.domain.own_room import without_own_room
from router.domain.wallets import with_empty_wallets
from router.inbound_bid_queries import read_own_room
from router.pings_yield import take_over_oldest
from router.reservations import (
    TURN_LOST,
    Attempt,
    TurnTaken,
    release_earlier_attempts,
    release_leases,
)
from router.reserved_share import ReservedShare
from router.routing_database import RoutingDatabase
from router.wallet_holds import (
    SHARE_OF_MONEY,
    SHARE_OF_ROOM,
    Hold,
    release_earlier_holds,
    release_holds,
    wallet_key,
)

LEASE_MARGIN_SECONDS = 120
"""A lease outlives the ringing by this much: time for the rows of the call to arrive."""

TURNS_LOST_MAXIMUM = 2
"""After so many turns lost to others the stage is locked first: then nobody can be quicker."""


class _Timed:
    """A context that adds the time spent in it to a phase; four for every call, so no generator."""

    __slots__ = ("_began_ns", "_phase", "_phases_us")

    def __init__(self, phases_us: dict[str, int], phase: str) -> None:
        self._phases_us, self._phase, self._began_ns = phases_us, phase, 0

    def __enter__(self) -> None:
        self._began_ns = time.monotonic_ns()

    def __exit__(self, *_: object) -> None:
        spent_us = (time.monotonic_ns() - self._began_ns) // 1000
        self._phases_us[self._phase] = self._phases_us.get(self._phase, 0) + spent_us


class Routing:
    """What is known of one call while it is routed."""

    def __init__(
        self,
        snapshot: Snapshot,
        request: RouteRequest,
        attempt: int,
        auctions: dict[int, AuctionResult],
        share: ReservedShare | None = None,
    ) -> None:
        """`share`: what the publisher's reservations may hold together, when this is a ping."""
        self._share = share
        self.share_lost = False
        """Whether they hold that much already of somebody who would have taken this one."""
        self.request = request
        self.auctions = auctions
        self.phases_us: dict[str, int] = {}
        self._snapshot = snapshot
        self.ringing: list[Offer] = []
        """Those whose room is taken, in the order of their numbers of attempt."""
        self._attempt = attempt
        self._lost = Counts()
        """Caps that were found full after all, when the lease was taken."""
        self._empty_wallets: set[int] = set()
        """Buyers whose wallet did not cover the call after all."""
        self._promise_given_up = self._gave_back = self._took_over = False

    @property
    def _call_id(self) -> UUID:
        return UUID(self.request.call_id)  # takes as long as three look-ups: few calls need it

    def timed(self, phase: str) -> _Timed:
        """Add what is done inside to a phase."""
        return _Timed(self.phases_us, phase)

    def decide_unleased(self, counts: Counts) -> Decision | AuctionWanted:
        """Decide without the database: what is rung abroad cannot be counted then, and is not rung."""
        return self.decide_on(nothing_abroad(self._snapshot, counts))

    def decide_on(self, counts: Counts) -> Decision | AuctionWanted:
        with self.timed("decide"):
            seen = with_empty_wallets(highest_of(counts, self._lost), self._empty_wallets)
            return decide(self._snapshot, self.request, seen, self.auctions)

    async def decide_and_lease(self, database: RoutingDatabase) -> Decision | AuctionWanted:
        """Decide until the chosen target's room is ours, or nobody is left. Each cap lost takes its targets out.

        Nobody is turned away on counters that were read before this call was asked about.
        """
        asked_at, shared = time.monotonic(), database.shared
        with self.timed("read"):
            if self._attempt > 1:
                async with database.engine.begin() as connection:
                    await release_earlier_attempts(connection, self._call_id, self._attempt)
                    await release_earlier_holds(connection, self._call_id, self._attempt)
            if self._attempt > 1 or self.request.reserved is not None or self._gave_back:
                await shared.read_since(time.monotonic())  # what was its own a moment ago is free now
            else:
                await shared.freshen()
        while True:
            read_at = shared.read_at
            answer = await self._decide_on_reading(database)
            if isinstance(answer, AuctionWanted) or not answer.hangs_on_counters:
                return answer
            if read_at >= asked_at:
                if not await self._takes_over(database.engine, answer):
                    return answer
                asked_at = time.monotonic()
            with self.timed("read"):
                await shared.read_since(asked_at)

    async def _takes_over(self, engine: AsyncEngine, decision: Decision) -> bool:
        """Make room for a call that has come by a ping whose call has not: once for each bidder that refuses it."""
        if decision.chosen is not None or self._share is not None or self._took_over:
            return False
        with self.timed("take_over"):
            self._took_over = await take_over_oldest(
                engine, self._snapshot, self.request, decision, self._finds_room
            )
        if self._took_over:
            self._lost, self._empty_wallets = Counts(), set()
        return self._took_over

    def _finds_room(self, counts: Counts) -> bool:
        answer = decide(self._snapshot, self.request, counts, self.auctions)
        return isinstance(answer, AuctionWanted) or answer.chosen is not None

    async def _decide_on_reading(self, database: RoutingDatabase) -> Decision | AuctionWanted:
        # Each statement is a transaction of its own: nothing stays locked while we think.
        for _ in range(TURNS_LOST_MAXIMUM):
            found = await self._try(database)
            if found is not None:
                return found
        return await self._try_alone(database)

    async def _try_alone(self, database: RoutingDatabase) -> Decision | AuctionWanted:
        """Decide with the turns of the campaign's stages locked, so that none can be lost."""
        stages = [stage.id for stage in self._stages() if stage.method in TURN_METHODS]
        async with database.connections.one() as alone, lock_turn(alone, stages):
            found = await self._try(database, alone)
        if found is None:
            raise RuntimeError("a locked turn was lost")
        return found

    async def _try(
        self, database: RoutingDatabase, alone: asyncpg.Connection | None = None
    ) -> Decision | AuctionWanted | None:
        """Decide and lease on one reading of the turns; None when one was lost meanwhile."""
        with self.timed("read"):
            counts = await read_counts(
                lambda question: database.ask(question, alone),
                database.shared.live,
                self._snapshot,
                self.request,
            )
            if self.request.reserved is not None:
                async with database.engine.connect() as other:
                    counts = without_own_room(counts, await read_own_room(other, self._call_id))
        while True:
            answer = self.decide_on(counts)
            if not isinstance(answer, AuctionWanted) and not self._is_promised(answer):
                await self._give_up_promised_room(database.engine)
            if isinstance(answer, AuctionWanted) or answer.chosen is None:
                return answer
            full = await self._lease(database, alone, answer)
            if full == TURN_LOST:
                return None
            if not full:
                return answer

    def _is_promised(self, decision: Decision) -> bool:
        """Say whether the chosen target is the one that a publisher's ping was promised."""
        reserved, chosen = self.request.reserved, decision.chosen
        return reserved is not None and chosen is not None and chosen.target_id == reserved.target_id

    async def _give_up_promised_room(self, engine: AsyncEngine) -> None:
        """Give back what was leased for a ping whose target may not have the call after all."""
        if self.request.reserved is not None and not self._promise_given_up:
            async with engine.begin() as connection:
                await release_leases(connection, self._call_id, self._attempt)
                await release_holds(connection, self._call_id, self._attempt)
            self._promise_given_up = True

    async def _lease(
        self, database: RoutingDatabase, alone: asyncpg.Connection | None, decision: Decision
    ) -> str:
        """Take room for everybody who is to ring. Returns "", TURN_LOST, or the counter that has none left.

        Each has a number of attempt of its own, as its leg will have. Those beside the chosen ring only if there is
        room for them too.
        """
        assert decision.chosen is not None
        live = database.shared.live
        with self.timed("lease"):
            moment = live.moment(self.request.now)
            chosen = self._attempt_at(decision.chosen, decision, self._attempt, moment)
            full = await database.take(chosen, self._hold(decision.chosen), alone, self._share)
            if full and full != TURN_LOST:
                self._note_lost(decision.chosen, chosen, full)
            if full:
                return full
            live.note_taken(chosen.claims, chosen.target_id, chosen.now_ms)
            self.ringing = [decision.chosen]
            for offer in decision.together:
                beside = self._attempt_at(offer, decision, self._attempt + len(self.ringing), moment)
                if not await database.take(beside, self._hold(offer), alone, self._share):
                    live.note_taken(beside.claims, beside.target_id, beside.now_ms)
                    self.ringing.append(offer)
        return ""

    def _attempt_at(self, offer: Offer, decision: Decision, number: int, moment: Moment) -> Attempt:
        request = self.request
        return Attempt(
            call_id=request.call_id,
            attempt=number,
            target_id=offer.target_id,
            claims=claims_for(self._snapshot, request, offer, moment),
            now_ms=moment.now_ms,
            expires_at=request.now + timedelta(seconds=offer.ring_timeout_seconds + LEASE_MARGIN_SECONDS),
            turn=self._turn(decision) if offer is decision.chosen else None,
        )

    def rung(self, answer: Decision | AuctionWanted) -> list[Rung]:
        """Return what those who are to ring would have leased, if the database had answered."""
        if isinstance(answer, AuctionWanted) or answer.chosen is None:
            return []
        return self.rung_by((answer.chosen, *answer.together))

    def rung_by(self, ringing: Sequence[Offer]) -> list[Rung]:
        """As `rung`, of those who do ring."""
        now_ms = time.time_ns() // 1_000_000
        return rung_of(self._snapshot, self.request, ringing, self._attempt, now_ms)

    def _hold(self, offer: Offer) -> Hold | None:
        """Return what is set aside of the buyer's wallet; None when it has no limit, or the call goes for nothing."""
        if not has_limit(self._snapshot, offer):
            return None
        return Hold(
            buyer_id=offer.buyer_id,
            campaign_id=self.request.campaign_id,
            amount_micros=price_of(self._snapshot, self.request, offer),
        )

    def _turn(self, decision: Decision) -> TurnTaken | None:
        stage = next((one for one in self._stages() if one.id == decision.stage_id), None)
        if stage is None or stage.method not in TURN_METHODS or decision.chosen is None:
            return None
        if self._is_promised(decision):
            return None  # its turn was taken when it was promised
        seen = decision.counts.turns.get(stage.id, NO_TURN)
        entry = _entry_of(stage, decision.chosen.target_id)
        return TurnTaken(
            stage_id=stage.id,
            turn=seen.turn,
            reached=pass_before(seen, entry),
            new_pass=pass_after(seen, entry),
        )

    def _stages(self) -> tuple[Stage, ...]:
        campaign = self._snapshot.campaigns.get(self.request.campaign_id)
        return () if campaign is None else campaign.stages

    def _note_lost(self, offer: Offer, attempt: Attempt, key: str) -> None:
        self.share_lost = self.share_lost or key in (SHARE_OF_ROOM, SHARE_OF_MONEY)
        if key in (wallet_key(offer.buyer_id), SHARE_OF_MONEY):
            self._empty_wallets.add(offer.buyer_id)
            return
        target = self._snapshot.targets[offer.target_id]
        if key in (concurrency_key(target.id), SHARE_OF_ROOM):
            self._lost = with_full(self._lost, target)
            return
        claim = next(claim for claim in attempt.claims if claim.key == key)
        self._lost = with_full(self._lost, target, claim)

    async def give_back(self, engine: AsyncEngine) -> None:
        """Give back what this attempt holds: the bidder would not have the call, whose room another may have made."""
        self._gave_back, self._took_over = True, False
        async with engine.begin() as connection:
            for place in range(len(self.ringing)):
                await release_leases(connection, self._call_id, self._attempt + place)
                await release_holds(connection, self._call_id, self._attempt + place)

    def winning_bid(self, decision: Decision) -> Bid | None:
        """Return the bid the chosen target won by, when it won by one that is still to be handed the call."""
        if decision.chosen is None or decision.chosen.bid_micros is None:
            return None
        if self._is_promised(decision):
            return self._promised_bid(decision.chosen)
        result = self.auctions.get(decision.stage_id or 0)
        bids = () if result is None else result.bids
        return next((bid for bid in bids if bid.target_id == decision.chosen.target_id), None)

    def _promised_bid(self, chosen: Offer) -> Bid | None:
        """Return the bid of the ping's auction, which is handed the call now; None when there was no auction."""
        reserved = self.request.reserved
        if reserved is None or reserved.stage_id is None:
            return None
        return Bid(
            target_id=chosen.target_id,
            outcome=BidOutcome.ACCEPTED,
            bid_micros=reserved.bid_micros,
            minimum_connected_ms=reserved.minimum_connected_ms,
            dial=reserved.dial,
            reference=reserved.reference,
        )

    def judge_post(self, bid: Bid, answer: PostAnswer) -> PostAnswer:
        """Return the answer to a post; a refusal when it wants the call where nobody is rung."""
        target = self._snapshot.targets[bid.target_id]
        problem = post_problem(target, bid, answer.dial, self._snapshot.dialling) if answer.accepted else None
        return PostAnswer(accepted=False, detail=f"dial: {problem}") if problem else answer

    def note_post(self, decision: Decision, answer: PostAnswer) -> None:
        """Keep what the winner said, so that the decision holds it."""
        reserved = self.request.reserved
        if reserved is not None and self._is_promised(decision):
            kept = replace(reserved, dial=answer.dial or reserved.dial) if answer.accepted else None
            self.request = replace(self.request, reserved=kept)
            return
        assert decision.chosen is not None and decision.stage_id is not None
        result, target_id = self.auctions[decision.stage_id], decision.chosen.target_id
        if not answer.accepted:
            self.auctions[decision.stage_id] = result.with_outcome(
                target_id, BidOutcome.POST_REFUSED, answer.detail
            )
        elif answer.dial is not None:
            bids = (
                replace(bid, dial=answer.dial) if bid.target_id == target_id else bid for bid in result.bids
            )
            self.auctions[decision.stage_id] = replace(result, bids=tuple(bids))

    def handed_over(self, decision: Decision) -> Decision:
        """Return the decision with what the winner said at the post, as a replay will make it."""
        if decision.auctions == tuple(self.auctions.values()) and decision.request == self.request:
            return decision
        again = decide(self._snapshot, self.request, decision.counts, self.auctions)
        return decision if isinstance(again, AuctionWanted) else again


def _entry_of(stage: Stage, target_id: int) -> Entry:
    """Return the target's entry; strictly in turn everybody counts the same."""
    entry = next(one for one in stage.entries if one.target_id == target_id)
    return replace(entry, weight=1) if stage.method == ROUND_ROBIN else entry
