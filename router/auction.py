"""Holds ping-post auctions: asks all bidders of a stage at once, closes at the deadline, hands the call to the winner.

Whatever a bidder does is a refusal of that bidder. An answer that comes after the close is stored when it comes; no
decision ever sees it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from router.asking import LATE_SECONDS, Asking, ask, hand_over, row_of
from router.bidder_records import BidderRecords
from router.buyers.ping_client import PingClient
from router.buyers.question import asked_as_of, attempt_of, hops_before, known_of
from router.domain.auction import (
    LEAST_DEADLINE_MS,
    LONGEST_DEADLINE_MS,
    UNHEALTHY,
    AuctionResult,
    AuctionWanted,
    Bid,
    BidOutcome,
    PostAnswer,
    judged,
)
from router.domain.bidder_record import rest_words
from router.domain.decision import RouteRequest
from router.domain.hops import hops_problem
from router.domain.worth import worth_of
from router.ping_endpoints import Bidder, CurrentBidders
from router.ping_gate import PingGate
from router.ping_log import PingLog

POST_DEADLINE_MS = 1_000
GIVEN_UP = "given up: the auction's process ended"
NO_POST = "winning is enough: its dialect has no post"

Clock = Callable[[], datetime]


def now_in_utc() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class AuctionParts:
    """What auctions work with; made once by the process that holds them."""

    bidders: CurrentBidders
    records: BidderRecords
    client: PingClient
    gate: PingGate
    log: PingLog
    own_hop: str
    """Our name in hop lists."""
    clock: Clock = now_in_utc


class Auction:
    """Asks bidders. Safe to use from many calls at once; `close` it before its parts."""

    def __init__(self, parts: AuctionParts) -> None:
        self._parts = parts
        self._open: set[asyncio.Task[None]] = set()

    async def run(self, wanted: AuctionWanted, request: RouteRequest) -> AuctionResult:
        """Return what each target of the stage bid by the deadline. Never raises for anything a bidder does."""
        started_ns = time.monotonic_ns()
        deadline_ms = min(max(wanted.deadline_ms, LEAST_DEADLINE_MS), LONGEST_DEADLINE_MS)
        targets = [offer.target_id for offer in wanted.offers]
        looping = hops_problem(hops_before(request), self._parts.own_hop)
        if looping:
            bids = {
                target: Bid(target_id=target, outcome=BidOutcome.LOOP, detail=looping) for target in targets
            }
            return _result(wanted, bids)
        bidders, bids = self._found(targets)
        askings, kept_out = await self._admitted(bidders, wanted, request, deadline_ms, started_ns)
        asked = [(self._start(asking, request, wanted.stage_id), asking) for asking in askings]
        try:
            if asked:
                passed_seconds = (time.monotonic_ns() - started_ns) / 1e9
                left_seconds = max(0.0, deadline_ms / 1000 - passed_seconds)
                await asyncio.wait([task for task, _ in asked], timeout=left_seconds)
        finally:  # a caller who hangs up cancels this; what was asked is stored all the same
            closed = self._closed(askings, wanted, request, deadline_ms)
            self._wait_on_for(asked)
        return _result(wanted, {**bids, **kept_out, **closed})

    async def post(self, bid: Bid, request: RouteRequest, *, stage_id: int = 0) -> PostAnswer:
        """Hand the call to the winner. Anything but a clear yes in time is a refusal. Never raises.

        `stage_id`: the stage it bid in, to be stored with the exchange.
        """
        now = self._parts.clock()
        bidder = self._parts.bidders.current.usable.get(bid.target_id)
        if bidder is None:
            return PostAnswer(accepted=False, detail="its endpoint is gone")
        if bid.expires_at is not None and bid.expires_at <= now:
            return PostAnswer(accepted=False, detail="its bid expired")
        asking = Asking(
            bidder=bidder,
            known=known_of(
                request, own_hop=self._parts.own_hop, asked_as=asked_as_of(request, bid.target_id)
            ),
            deadline_ms=POST_DEADLINE_MS,
            started_ns=time.monotonic_ns(),
            sent_at=now,
            hides_caller=self._parts.records.of(bid.target_id).hides_caller,
        )
        posted = await hand_over(self._parts.client, asking, bid.reference)
        if posted is None:
            won = replace(bid, arrived_us=None, detail=NO_POST)
            self._store(asking, self._with_worth(won), request, stage_id, "post")
            return PostAnswer(accepted=True, dial=bid.dial)
        if posted.outcome is BidOutcome.REFUSED:
            posted = replace(posted, outcome=BidOutcome.POST_REFUSED)
        accepted = posted.outcome is BidOutcome.ACCEPTED
        stored = replace(
            posted,
            bid_micros=bid.bid_micros,
            minimum_connected_ms=bid.minimum_connected_ms,
            worth=bid.worth,
            reference=bid.reference,
        )
        self._store(asking, self._with_worth(stored), request, stage_id, "post")
        self._parts.gate.note(bid.target_id, now, failed=posted.outcome in UNHEALTHY, probe=False)
        return PostAnswer(accepted=accepted, dial=posted.dial or bid.dial, detail=posted.detail)

    def _with_worth(self, won: Bid) -> Bid:
        """Return what won with its worth; of a publisher's reservation only the bid was kept."""
        if won.worth is not None or won.bid_micros is None:
            return won
        lasted = self._parts.records.of(won.target_id).lasted
        return replace(won, worth=worth_of(won.bid_micros, won.minimum_connected_ms or 0, lasted))

    async def close(self) -> None:
        """Give up every open question and store it as it stands."""
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _found(self, targets: Iterable[int]) -> tuple[dict[int, Bidder], dict[int, Bid]]:
        """Return the targets that can be asked, and the bids of those that cannot."""
        known, now = self._parts.bidders.current, self._parts.clock()
        bidders: dict[int, Bidder] = {}
        bids: dict[int, Bid] = {}
        for target in targets:
            bidder, record = known.usable.get(target), self._parts.records.of(target)
            if bidder is None:
                detail = known.unusable.get(target, "the target has no endpoint")
                bids[target] = Bid(target_id=target, outcome=BidOutcome.NO_ENDPOINT, detail=detail)
            elif record.is_resting(now):
                bids[target] = Bid(target_id=target, outcome=BidOutcome.RESTED, detail=rest_words(record))
            else:
                bidders[target] = bidder
        return bidders, bids

    async def _admitted(
        self,
        bidders: Mapping[int, Bidder],
        wanted: AuctionWanted,
        request: RouteRequest,
        deadline_ms: int,
        started_ns: int,
    ) -> tuple[list[Asking], dict[int, Bid]]:
        """Return the questions for those who may be asked now, and the bids of those who may not."""
        now = self._parts.clock()
        passes = await self._parts.gate.admit([bidder.endpoint for bidder in bidders.values()], now)
        known = known_of(request, own_hop=self._parts.own_hop)
        askings: list[Asking] = []
        bids: dict[int, Bid] = {}
        for target_id, given in passes.items():
            if given.refused is not None:
                bids[target_id] = Bid(target_id=target_id, outcome=given.refused, detail=given.detail)
                continue
            record = self._parts.records.of(target_id)
            askings.append(
                Asking(
                    bidder=bidders[target_id],
                    known=known,
                    deadline_ms=deadline_ms,
                    started_ns=started_ns,
                    sent_at=now,
                    probe=given.probe,
                    standing_minimum_ms=wanted.standing_minimums_ms.get(target_id, 0),
                    lasted=record.lasted,
                    hides_caller=record.hides_caller,
                )
            )
        return askings, bids

    def _start(self, asking: Asking, request: RouteRequest, stage_id: int) -> asyncio.Task[None]:
        task = asyncio.create_task(ask(self._parts.client, asking))
        self._open.add(task)
        self._parts.gate.sent(asking.target_id)

        def finish(task: asyncio.Task[None]) -> None:
            self._open.discard(task)
            self._parts.gate.finished(asking.target_id)
            if asking.closed:
                self._store(asking, _late(asking), request, stage_id, "ping")

        task.add_done_callback(finish)
        return task

    def _closed(
        self, askings: Iterable[Asking], wanted: AuctionWanted, request: RouteRequest, deadline_ms: int
    ) -> dict[int, Bid]:
        """Return the bids as the auction sees them. What has not come whole by now is late, whatever it will hold."""
        now, gate = self._parts.clock(), self._parts.gate
        bids: dict[int, Bid] = {}
        for asking in askings:
            bid = asking.bid
            if bid is None:
                asking.closed = True  # stored when it comes, or is given up
                bid = asking.without_answer(BidOutcome.LATE, f"no whole answer in {deadline_ms} ms")
            else:
                in_time = (bid.arrived_us or 0) <= deadline_ms * 1000
                bid = judged(bid, wanted, now, asking.bidder.ceilings) if in_time else _late(asking)
                self._store(asking, bid, request, wanted.stage_id, "ping")
            gate.note(asking.target_id, now, failed=bid.outcome in UNHEALTHY, probe=asking.probe)
            bids[asking.target_id] = bid
        return bids

    def _wait_on_for(self, asked: Iterable[tuple[asyncio.Task[None], Asking]]) -> None:
        """Wait a while longer for who has not answered, to store it: with one timer for all of them."""
        silent = [(task, asking) for task, asking in asked if not task.done()]
        if not silent:
            return
        waited_seconds = (time.monotonic_ns() - silent[0][1].started_ns) / 1e9
        asyncio.get_running_loop().call_later(max(0.0, LATE_SECONDS - waited_seconds), _give_up, silent)

    def _store(self, asking: Asking, bid: Bid, request: RouteRequest, stage_id: int, kind: str) -> None:
        """Have the exchange written down. The row is made by the writer, off the caller's time."""
        attempt = attempt_of(request)
        self._parts.log.add(
            partial(
                row_of, asking, bid, call_id=request.call_id, attempt=attempt, stage_id=stage_id, kind=kind
            )
        )


def _give_up(silent: Iterable[tuple[asyncio.Task[None], Asking]]) -> None:
    for task, asking in silent:
        if not task.done():
            asking.bid = asking.without_answer(BidOutcome.LATE, f"no whole answer in {LATE_SECONDS:.0f} s")
            task.cancel()


def _late(asking: Asking) -> Bid:
    """Return an answer that came too late as it is stored: whatever it says, it is late."""
    bid = asking.bid or asking.without_answer(BidOutcome.LATE, GIVEN_UP)
    if bid.arrived_us is None or bid.outcome is BidOutcome.LATE:
        return replace(bid, outcome=BidOutcome.LATE)
    detail = f"{bid.outcome.value} after {bid.arrived_us // 1000} ms {bid.detail}".strip()
    return replace(bid, outcome=BidOutcome.LATE, detail=detail)


def _result(wanted: AuctionWanted, bids: Mapping[int, Bid]) -> AuctionResult:
    return AuctionResult(
        stage_id=wanted.stage_id, bids=tuple(bids[offer.target_id] for offer in wanted.offers)
    )
