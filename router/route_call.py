"""Route one call: gather what is in use, decide, ask bidders, lease the winner's room. The only way a live call gets a
buyer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from router.count_queries import read_counts
from router.domain.auction import AuctionResult, AuctionWanted
from router.domain.counts import Counts
from router.domain.decide import decide_unasked
from router.domain.decision import Decision, Offer, RouteRequest
from router.domain.last_known import Rung
from router.domain.market import Snapshot
from router.domain.plan import make_plans
from router.plain_connections import is_gone
from router.posting import Bidding, post_to_those_beside
from router.reserved_share import ReservedShare
from router.ring_queries import close_ranks
from router.routing import Routing
from router.routing_database import RoutingDatabase
from router.snapshot import DATABASE_FAULTS, CurrentSnapshot

log = logging.getLogger(__name__)

DATABASE_BUDGET_SECONDS = 0.3
"""A caller hears nothing while we wait: after this the call is decided without the database."""

FIRST_READING_SECONDS = 5.0

AUCTIONS_REMEMBERED = 10_000
AUCTION_LASTS_SECONDS = 60
"""The next attempt of a call goes by the bids of the last, unless they are older than this."""

NOTHING_IN_USE = Counts()

Answer = Decision | AuctionWanted


@dataclass(frozen=True, kw_only=True, slots=True)
class Routed:
    """A decision, and how it was come by."""

    decision: Decision
    leased: bool
    """Whether the chosen target's room is held in the database. False as well when nobody was chosen."""
    duration_us: int
    ringing: tuple[Offer, ...] = ()
    """Whom to ring: the chosen, and of those beside it the ones there is room for. Their attempts count on from it."""
    problem: str = ""
    """What was wrong with the database, for people; empty when nothing was."""
    phases_us: Mapping[str, int] = field(default_factory=dict)
    """Where the time went: read, decide, lease, auction, post."""
    share_lost: bool = False
    """Whether a publisher's reservations hold their share already of somebody who would have taken this one."""

    def to_json(self) -> dict[str, Any]:
        """Return the decision as it is stored, with the time each phase took."""
        return {**self.decision.to_json(), "phases_us": dict(self.phases_us)}


class Router:
    """Routes calls by the current snapshot. Safe to use from many calls at once."""

    def __init__(
        self,
        engine: AsyncEngine,
        snapshot: CurrentSnapshot,
        bidding: Bidding | None = None,
        *,
        hands_over: bool = True,
        database_seconds: float = DATABASE_BUDGET_SECONDS,
    ) -> None:
        """With `hands_over` false the winner of an auction is not told: the call is yet to come."""
        self._database_seconds = database_seconds
        self._engine = engine
        self._database = RoutingDatabase(engine, database_seconds)
        self._snapshot = snapshot
        self._bidding = bidding
        self._hands_over = hands_over
        self._at_work: set[asyncio.Task[Answer | None]] = set()
        self._auctions: OrderedDict[str, tuple[float, dict[int, AuctionResult]]] = OrderedDict()

    async def make_ready(self) -> None:
        """Do what the first calls would have to wait for: plans made, counters read and sorted by plan.

        Without the database the plans only.
        """
        snapshot = self._snapshot.current
        await asyncio.to_thread(make_plans, snapshot)
        try:
            await self._database.shared.freshen()
        except DATABASE_FAULTS as error:
            log.warning("counters are not read yet: %s", str(error) or type(error).__name__)
        for campaign in snapshot.campaigns.values():
            if campaign.enabled:
                self._database.shared.live.make_reading(snapshot, campaign, datetime.now(UTC))
                await asyncio.sleep(0)

    async def keep_last_known(self, snapshot_file: Path, journal_dir: Path, maximum_age_hours: int) -> None:
        """Begin with what the files say was known last, and read what there is now, for calls without the database.

        Lists of suppressed callers count for so many hours. Never raises for outside faults.
        """
        last_known = self._database.last_known
        last_known.keep_in(snapshot_file, journal_dir, maximum_age_hours)
        with suppress(TimeoutError):  # a start waits no longer for a database that is slow
            async with asyncio.timeout(FIRST_READING_SECONDS):
                await last_known.refresh(self._snapshot.current)

    async def keep_fresh(self) -> None:
        """Read what calls without the database go by again and again, until cancelled."""
        await self._database.last_known.keep_fresh(lambda: self._snapshot.current)

    async def route_call(
        self,
        request: RouteRequest,
        attempt: int,
        fallback_counts: Counts = NOTHING_IN_USE,
        share: ReservedShare | None = None,
    ) -> Routed:
        """Decide who is rung at `attempt` (from 1) and take room for the call there.

        `share` is what a publisher's reservations may hold, when this is a ping for one.

        When PostgreSQL is down, or slower than 300 ms, the decision is made on what was known last and on Asterisk's
        calls in progress (`fallback_counts`); nothing is leased until it answers. Never raises for outside faults;
        raises NoSnapshot when there has never been a market.
        """
        started_ns = time.monotonic_ns()
        snapshot, last_known = self._snapshot.current, self._database.last_known
        routing = Routing(snapshot, request, attempt, self._auctions_of(request.call_id), share)
        problem = ""
        rung: Sequence[Rung] = ()
        while True:
            answer: Answer | None = None
            if not problem:
                answer, problem = await self._within_budget(self._decide_and_lease(routing))
            if answer is None:
                counts = last_known.counts(snapshot, routing.request, fallback_counts.concurrency)
                answer = routing.decide_unleased(counts)
                rung = last_known.note_rung(routing.rung(answer))
            if isinstance(answer, AuctionWanted):
                await self._ask(routing, answer)
            elif not await self._refused_at_post(routing, answer, leased=not problem):
                break
            rung = last_known.forget_rung(rung)
        ringing = await self._told(routing, answer, attempt, leased=not problem)
        if problem:
            last_known.forget_rung(rung)
            last_known.file_rung(last_known.note_rung(routing.rung_by(ringing)))
        else:
            last_known.remember(request, ringing, partial(routing.rung_by, ringing))
        decision = routing.handed_over(answer)
        return Routed(
            decision=decision,
            ringing=_ringing(decision, ringing),
            leased=not problem and answer.chosen is not None,
            duration_us=(time.monotonic_ns() - started_ns) // 1000,
            problem=problem,
            phases_us=routing.phases_us,
            share_lost=routing.share_lost,
        )

    async def would_route(self, request: RouteRequest, fallback_counts: Counts = NOTHING_IN_USE) -> Decision:
        """Decide as for a live call, on what is in use now, and take nothing. Bidders are not asked: they bid nothing.

        Never raises for outside faults; raises NoSnapshot when there has never been a market.
        """
        snapshot = self._snapshot.current
        return decide_unasked(snapshot, request, await self.in_use(snapshot, request, fallback_counts))

    async def in_use(
        self, snapshot: Snapshot, request: RouteRequest, fallback_counts: Counts = NOTHING_IN_USE
    ) -> Counts:
        """Return what a decision on `request` finds in use now: what was known last when the database does not answer.

        Never raises for outside faults.
        """
        database = self._database
        with suppress(*DATABASE_FAULTS):
            async with asyncio.timeout(self._database_seconds):
                await database.shared.freshen()
                return await read_counts(
                    lambda question: database.ask(question, None), database.shared.live, snapshot, request
                )
        return database.last_known.counts(snapshot, request, fallback_counts.concurrency)

    async def _decide_and_lease(self, routing: Routing) -> Answer:
        """Do so again, once, when the connection turns out to have died before it was used: taking twice takes once."""
        try:
            return await routing.decide_and_lease(self._database)
        except Exception as error:
            if not is_gone(error):
                raise
        self._database.connections.close_free()
        return await routing.decide_and_lease(self._database)

    async def _ask(self, routing: Routing, wanted: AuctionWanted) -> None:
        with routing.timed("auction"):
            if self._bidding is None:
                result = AuctionResult(stage_id=wanted.stage_id, bids=())
            else:
                result = await self._bidding.run(wanted, routing.request)
        routing.auctions[wanted.stage_id] = result

    async def _refused_at_post(self, routing: Routing, decision: Decision, *, leased: bool) -> bool:
        """Hand the call to the bidder that won. Returns whether it would not have it: then another is looked for."""
        bid = routing.winning_bid(decision)
        if bid is None or self._bidding is None or not self._hands_over:
            return False
        with routing.timed("post"):
            said = await self._bidding.post(bid, routing.request, stage_id=decision.stage_id or 0)
            answer = routing.judge_post(bid, said)
        routing.note_post(decision, answer)
        if answer.accepted:
            return False
        if leased:
            await self._within_budget(routing.give_back(self._engine))
        return True

    async def _told(
        self, routing: Routing, decision: Decision, attempt: int, *, leased: bool
    ) -> Sequence[Offer]:
        """Hand the call to those who ring beside the chosen, too. Returns who rings: not who would not have it."""
        if decision.chosen is None:
            return ()
        offers = routing.ringing if leased else (decision.chosen, *decision.together)
        if self._bidding is None or not self._hands_over or len(offers) == 1:
            return offers
        stays = await post_to_those_beside(self._bidding, routing, decision, offers)
        if leased and not all(stays):
            call_id = UUID(routing.request.call_id)
            await self._within_budget(close_ranks(self._engine, call_id, attempt, stays))
        return [offer for offer, stay in zip(offers, stays, strict=True) if stay]

    def _auctions_of(self, call_id: str) -> dict[int, AuctionResult]:
        """Return the bids made for this call so far; what is added to it is remembered."""
        now = time.monotonic()
        made, found = self._auctions.pop(call_id, (now, {}))
        if now - made > AUCTION_LASTS_SECONDS:
            made, found = now, {}
        self._auctions[call_id] = (made, found)
        while len(self._auctions) > AUCTIONS_REMEMBERED:
            self._auctions.popitem(last=False)
        return found

    async def _within_budget(self, work: Coroutine[Any, Any, Answer | None]) -> tuple[Answer | None, str]:
        """Return what `work` decided, or None and the database's fault.

        Late work is cancelled but not waited for: with a frozen server even giving up takes long. Should it still
        take room after that, the sweep or the settlement of the call gives it back.
        """
        task = asyncio.create_task(work)
        self._at_work.add(task)
        task.add_done_callback(self._forget)
        try:
            await asyncio.wait({task}, timeout=self._database_seconds)
            if not task.done():
                return None, f"no answer within {self._database_seconds * 1000:.0f} ms"
            return task.result(), ""
        except DATABASE_FAULTS as error:
            return None, f"{type(error).__name__}: {error}"
        finally:
            task.cancel()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._at_work.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not complain about work nobody waits for


def _ringing(decision: Decision, told: Sequence[Offer]) -> tuple[Offer, ...]:
    """Return the offers to ring as the decision has them, with what was said at the post."""
    if decision.chosen is None:
        return ()
    rung = {offer.target_id for offer in told}
    return tuple(offer for offer in (decision.chosen, *decision.together) if offer.target_id in rung)
