"""A ping-post auction as values: what is asked of the buyers of one stage, what each answered, and who comes first.

`decide` meets a ping-post stage, returns AuctionWanted, and is asked again with the AuctionResult. Nothing here
knows how buyers are reached: router/auction.py does that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum

from router.domain.dial import dial_problem
from router.domain.distribution import tie_breaker
from router.domain.worth import NO_CEILINGS, Ceilings, Worth
from rules.dialling import HOME_ONLY, DiallingRules
from rules.money import format_dollars

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from router.domain.decision import Offer

DEFAULT_DEADLINE_MS = 500
LEAST_DEADLINE_MS = 50
LONGEST_DEADLINE_MS = 2000

MAXIMUM_BID_MICROS = 10_000_000_000
"""10,000 dollars: no call is worth more. A higher bid is a mistake of the buyer's, and nobody would pay it."""
MAXIMUM_MINIMUM_CONNECTED_MS = 3_600_000
"""An hour: a buyer that pays only for longer calls does not mean to pay."""


class BidOutcome(StrEnum):
    """What came of asking one buyer. Stored; never renamed."""

    ACCEPTED = "accepted"
    """A bid that may win."""
    REFUSED = "refused"
    """The buyer does not want this call, and said so in time and in form."""
    LATE = "late"
    """No whole answer within the deadline. What comes after it is stored, and never used."""
    INVALID = "invalid"
    """An answer that cannot be right: garbage, too large, wrongly signed, a redirect, an absurd amount."""
    UNREACHABLE = "unreachable"
    """No connection, or an address that is not ours to reach."""
    BELOW_FLOOR = "below_floor"
    EXPIRED = "expired"
    """The bid's own time was over before the call could be handed to it."""
    RESTED = "rested"
    """Not asked: too many of its answers were late or invalid, or of its wins refused or not paid."""
    BUDGET = "budget"
    """Not asked: its pings of this minute are used up, or too many of them are still unanswered."""
    NO_ENDPOINT = "no_endpoint"
    """Not asked: it has no endpoint, or one that is switched off or cannot be used."""
    LOOP = "loop"
    """Not asked: the call has been resold too often, or would come back to us."""
    POST_REFUSED = "post_refused"
    """Bid, won, and would not have the call when it was handed over."""


UNHEALTHY = frozenset({BidOutcome.LATE, BidOutcome.INVALID, BidOutcome.UNREACHABLE})
"""Answers that count against an endpoint (FACTS 10)."""
NOT_ASKED = frozenset({BidOutcome.RESTED, BidOutcome.BUDGET, BidOutcome.NO_ENDPOINT, BidOutcome.LOOP})


@dataclass(frozen=True, kw_only=True, slots=True)
class AuctionWanted:
    """`decide` cannot go on before the targets of this stage have been asked."""

    stage_id: int
    deadline_ms: int
    floor_micros: int
    """The least a bid has to be worth."""
    margin_micros: int = 0
    """What has to be left of a bid after the publisher's payout."""
    payout_micros: int = 0
    """What the publisher gets for this call, where it is known beforehand."""
    dialling: DiallingRules = HOME_ONLY
    """Which numbers a bid may name."""
    offers: tuple[Offer, ...]
    """Of the targets that may take the call: only they are asked."""
    ceilings: Ceilings = NO_CEILINGS
    """Of the stage."""
    standing_minimums_ms: Mapping[int, int] = field(default_factory=dict)
    """What a bid without a minimum is held to, by target id; one that is not named pays for any connected call."""

    @property
    def least_bid_micros(self) -> int:
        """Return the lowest bid that may win. The payout is due only when the bid is: that does not go by its worth."""
        return max(self.floor_micros, self.payout_micros + self.margin_micros)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bid:
    """What came of asking one target."""

    target_id: int
    outcome: BidOutcome
    bid_micros: int | None = None
    """None when the answer held no amount that can be read."""
    minimum_connected_ms: int | None = None
    """How long the call must last before the buyer pays; None = the buyer's standing terms."""
    worth: Worth | None = None
    """What the bid counts for; None when it did not come to that."""
    expires_at: datetime | None = None
    dial: str | None = None
    """+E.164 or sip:user@host, already checked; None = the target's own address."""
    arrived_us: int | None = None
    """Since the auction began; None when nothing came."""
    detail: str = ""
    """For people: the buyer's reason, or what was wrong. Bounded."""
    reference: str = ""
    """The buyer's own name for its bid; the post gives it back."""

    @property
    def ranked_micros(self) -> int:
        """What the bid is ranked by: the bid itself where nothing is known of its worth."""
        return (self.bid_micros or 0) if self.worth is None else self.worth.micros

    @property
    def words(self) -> str:
        """What it counts for and what was said of it, for people."""
        worth = "" if self.worth is None else self.worth.words
        return "; ".join(filter(None, (worth, self.detail)))

    def to_json(self) -> dict[str, Any]:
        worth = {} if self.worth is None else {"worth": list(self.worth)}
        return {
            **worth,
            "target_id": self.target_id,
            "outcome": self.outcome.value,
            "bid_micros": self.bid_micros,
            "minimum_connected_ms": self.minimum_connected_ms,
            "expires_at": None
            if self.expires_at is None
            else self.expires_at.astimezone(UTC).isoformat(timespec="microseconds"),
            "dial": self.dial,
            "arrived_us": self.arrived_us,
            "detail": self.detail,
            "reference": self.reference,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Bid:
        """Read what to_json wrote. Raises KeyError, TypeError or ValueError for anything else."""
        expires_at, worth = value["expires_at"], value.get("worth")
        return cls(
            **{
                **value,
                "outcome": BidOutcome(value["outcome"]),
                "worth": None if worth is None else Worth(*worth),
                "expires_at": None if expires_at is None else datetime.fromisoformat(expires_at),
            }
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class AuctionResult:
    """What each target of the stage answered; one bid for each offer of AuctionWanted, in its order."""

    stage_id: int
    bids: tuple[Bid, ...]

    def with_outcome(self, target_id: int, outcome: BidOutcome, detail: str) -> AuctionResult:
        """Return the result after `target_id` turned out otherwise, e.g. refused at the post."""
        return replace(
            self,
            bids=tuple(
                replace(bid, outcome=outcome, detail=detail) if bid.target_id == target_id else bid
                for bid in self.bids
            ),
        )

    def to_json(self) -> dict[str, Any]:
        return {"stage_id": self.stage_id, "bids": [bid.to_json() for bid in self.bids]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> AuctionResult:
        return cls(stage_id=value["stage_id"], bids=tuple(Bid.from_json(bid) for bid in value["bids"]))


@dataclass(frozen=True, kw_only=True, slots=True)
class PostAnswer:
    """What the winner said when the call was handed over."""

    accepted: bool
    dial: str | None = None
    """Where to ring it, when the answer named a place; else the bid's, else the target's own."""
    detail: str = ""


def judged(bid: Bid, wanted: AuctionWanted, now: datetime, ceilings: Ceilings = NO_CEILINGS) -> Bid:
    """Return the bid as the stage's terms see it: one that is too low, absurd or over already cannot win.

    `ceilings` are the endpoint's; the stage's hold beside them.
    """
    if bid.outcome is not BidOutcome.ACCEPTED:
        return bid
    amount = bid.bid_micros
    if amount is None or not 0 < amount <= MAXIMUM_BID_MICROS:
        return replace(bid, outcome=BidOutcome.INVALID, detail=_absurd(amount))
    minimum_ms = bid.minimum_connected_ms
    too_high = wanted.ceilings.problem(amount, minimum_ms) or ceilings.problem(amount, minimum_ms)
    problem = too_high or _not_dialled(bid, wanted)
    if problem:
        return replace(bid, outcome=BidOutcome.INVALID, worth=None, detail=problem)
    if amount < wanted.least_bid_micros or bid.ranked_micros < wanted.floor_micros:
        return replace(bid, outcome=BidOutcome.BELOW_FLOOR, detail=_below(amount, wanted))
    if bid.expires_at is not None and bid.expires_at <= now:
        return replace(bid, outcome=BidOutcome.EXPIRED, detail="expired before the auction was over")
    return bid


def _not_dialled(bid: Bid, wanted: AuctionWanted) -> str | None:
    refused = None if bid.dial is None else dial_problem(bid.dial, wanted.dialling)
    return None if refused is None else f"dial: {refused}"


def ranked(
    bids: Iterable[Bid], call_id: str, last_offered_ms: Mapping[int, int] | None = None
) -> tuple[Bid, ...]:
    """Return the bids that may win, best first.

    Ties: what is worth most, then whoever was offered a call longest ago (epoch ms by target id; never counts as
    longest), then a stable hash of call and target.
    """
    offered = last_offered_ms or {}

    def rank(bid: Bid) -> tuple[int, int, bytes, int]:
        last = offered.get(bid.target_id, 0)
        return -bid.ranked_micros, last, tie_breaker(call_id, bid.target_id), bid.target_id

    return tuple(sorted((bid for bid in bids if bid.outcome is BidOutcome.ACCEPTED), key=rank))


def deadline_problem(deadline_ms: int) -> str | None:
    """Return what is wrong with a stage's deadline, or None."""
    if LEAST_DEADLINE_MS <= deadline_ms <= LONGEST_DEADLINE_MS:
        return None
    return f"a deadline of {deadline_ms} ms is not in {LEAST_DEADLINE_MS}..{LONGEST_DEADLINE_MS}"


def _below(amount: int, wanted: AuctionWanted) -> str:
    if amount < wanted.least_bid_micros:
        return f"{format_dollars(amount)} is below {format_dollars(wanted.least_bid_micros)}"
    return f"{format_dollars(amount)} is worth less than {format_dollars(wanted.floor_micros)}"


def _absurd(amount: int | None) -> str:
    return "a bid without an amount" if amount is None else f"a bid of {format_dollars(amount)}"
