"""One exchange with one bidder, from question to bid. Whatever the other side does, a Bid comes out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from router.buyers.dialect import HttpAnswer, HttpRequest, Offered, Question, Refused, Unreadable
from router.buyers.kept_secrets import without_secrets
from router.buyers.ping_client import PingClient, PingFailed
from router.buyers.question import Known, answer_text, question_for, request_text
from router.buyers.tollbridge.signing import caller_hash
from router.domain.auction import Bid, BidOutcome
from router.domain.worth import NOTHING_KNOWN, Lasted, worth_of
from router.ping_endpoints import Bidder

log = logging.getLogger(__name__)

LATE_SECONDS = 5.0
"""How long after it was asked a bidder's answer is still waited for, to be stored."""
MAXIMUM_DETAIL = 300

Read = Callable[[HttpAnswer], Offered | Refused]


@dataclass(kw_only=True, slots=True)
class Asking:
    """One question on its way, and what has come of it so far."""

    bidder: Bidder
    known: Known
    deadline_ms: int
    started_ns: int
    """When the auction began, on the monotonic clock."""
    sent_at: datetime
    probe: bool = False
    standing_minimum_ms: int = 0
    """What a bid without a minimum is held to."""
    lasted: Lasted = NOTHING_KNOWN
    """How long the target's calls lasted: a bid is worth what they make of it."""
    hides_caller: bool = False
    """It refuses as a habit: it is not told who calls, whatever its contract says."""
    request: HttpRequest | None = None
    answer: HttpAnswer | None = None
    bid: Bid | None = None
    """None as long as nothing came."""
    closed: bool = False
    """The auction has gone on without this answer."""

    @property
    def target_id(self) -> int:
        return self.bidder.endpoint.target_id

    @property
    def hidden(self) -> tuple[str, ...]:
        """What is left out of what is stored: secrets, the caller, and what stands for it and helps to guess it."""
        caller, secret = self.known.caller, self.bidder.endpoint.secret
        more = (caller_hash(secret, caller),) if caller and secret else ()
        # Without the country, which is spelled in many ways.
        national = (caller or "").removeprefix("+1").removeprefix("+")
        return (*self.bidder.hidden, *more, *((national,) if national else ()))

    def question(self, *, sold: bool = False) -> Question:
        """Return what this bidder is told."""
        known = replace(self.known, caller=None) if self.hides_caller else self.known
        return question_for(
            self.bidder.endpoint, known, deadline_ms=self.deadline_ms, now=self.sent_at, sold=sold
        )

    def without_answer(self, outcome: BidOutcome, detail: str, arrived_us: int | None = None) -> Bid:
        detail = without_secrets(self.hidden, detail)[:MAXIMUM_DETAIL]
        return Bid(target_id=self.target_id, outcome=outcome, detail=detail, arrived_us=arrived_us)


async def ask(client: PingClient, asking: Asking) -> None:
    """Ask for a bid and leave it in `asking`. Raises nothing but CancelledError, and waits until it is cancelled."""
    endpoint, dialect = asking.bidder.endpoint, asking.bidder.dialect
    try:
        question = asking.question()
        asking.request = dialect.make_ping(endpoint, question)
    except Exception as error:
        asking.bid = _our_fault(asking, error)
        return
    asking.bid = await _exchanged(
        client,
        asking,
        asking.request,
        lambda answer: dialect.read_bid(endpoint, question, answer),
        again=True,
    )


async def hand_over(client: PingClient, asking: Asking, reference: str) -> Bid | None:
    """Post the call to the winner; None where its dialect knows no post. Raises nothing but CancelledError."""
    endpoint, dialect = asking.bidder.endpoint, asking.bidder.dialect
    try:
        question = asking.question(sold=True)
        asking.request = dialect.make_post(endpoint, question, reference)
    except Exception as error:
        return _our_fault(asking, error)
    if asking.request is None:
        return None
    try:
        async with asyncio.timeout(asking.deadline_ms / 1000):
            return await _exchanged(
                client,
                asking,
                asking.request,
                lambda answer: dialect.read_post(endpoint, question, answer),
                again=False,  # a post that was heard twice might be sold twice
            )
    except TimeoutError:
        detail = f"no whole answer to the post in {asking.deadline_ms} ms"
        return asking.without_answer(BidOutcome.LATE, detail)


async def _exchanged(
    client: PingClient, asking: Asking, request: HttpRequest, read: Read, *, again: bool
) -> Bid:
    try:
        asking.answer = answer = await client.exchange(request, again=again)
        return _read(asking, answer, read, (time.monotonic_ns() - asking.started_ns) // 1000)
    except PingFailed as failure:
        return asking.without_answer(failure.outcome, failure.detail)
    except Exception as error:
        return _our_fault(asking, error)


def _read(asking: Asking, answer: HttpAnswer, read: Read, arrived_us: int) -> Bid:
    try:
        found = read(answer)
    except Unreadable as error:
        return asking.without_answer(BidOutcome.INVALID, str(error), arrived_us)
    if isinstance(found, Refused):
        return asking.without_answer(BidOutcome.REFUSED, found.detail, arrived_us)
    minimum_ms = found.minimum_connected_ms
    return Bid(
        target_id=asking.target_id,
        outcome=BidOutcome.ACCEPTED,
        bid_micros=found.bid_micros,
        minimum_connected_ms=minimum_ms,
        worth=worth_of(
            found.bid_micros, asking.standing_minimum_ms if minimum_ms is None else minimum_ms, asking.lasted
        ),
        expires_at=found.expires_at,
        dial=found.dial,
        arrived_us=arrived_us,
        reference=found.reference,
        detail=without_secrets(asking.hidden, found.detail)[:MAXIMUM_DETAIL],
    )


def _our_fault(asking: Asking, error: Exception) -> Bid:
    """A dialect that stumbles costs its own bidder the call, not the caller."""
    log.error("dialect %s, target %d", asking.bidder.dialect.name, asking.target_id, exc_info=error)
    return asking.without_answer(BidOutcome.INVALID, f"the dialect failed: {type(error).__name__}")


def row_of(
    asking: Asking, bid: Bid, *, call_id: str, attempt: int, stage_id: int, kind: str
) -> dict[str, Any]:
    """Return an exchange as a row of the table `pings`."""
    endpoint, hidden = asking.bidder.endpoint, asking.hidden
    costs = kind == "ping" and asking.request is not None and bid.outcome is not BidOutcome.UNREACHABLE
    return {
        "call_id": UUID(call_id),
        "attempt": attempt,
        "stage_id": stage_id,
        "target_id": asking.target_id,
        "kind": kind,
        "outcome": bid.outcome.value,
        "bid_micros": bid.bid_micros,
        "minimum_connected_ms": bid.minimum_connected_ms,
        "worth_micros": None if bid.worth is None else bid.worth.micros,
        "reference": bid.reference,
        "sent_at": asking.sent_at,
        "arrived_us": bid.arrived_us,
        "request": "" if asking.request is None else request_text(hidden, asking.request),
        "answer": "" if asking.answer is None else answer_text(hidden, asking.answer),
        "detail": bid.words.replace("\0", " "),
        "cost_micros": endpoint.cost_micros if costs else 0,
    }
