"""What a publisher asks before it sends a call, and what it is answered. Pure.

The market's reject codes are those that publishers' software already knows (FACTS 10).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from router.domain.auction import Bid
from router.domain.decision import Decision, Rejection
from router.domain.market import Snapshot, TrackingNumber
from router.domain.ping_limits import NO_RECORD, USUAL_LIMITS, PingLimits, PingRecord
from rules.money import MICROS_PER_CENT

RESERVATION_SECONDS = 60
"""How long a bid stands unless its key says otherwise."""
RESERVATION_SECONDS_LEAST, RESERVATION_SECONDS_MOST = 5, 900

HIDDEN = "hash:"
"""Before what stands for a caller whom the publisher names only when it hands the call over."""

PPM = 1_000_000


class BidRefusal(StrEnum):
    """Why a publisher gets no bid. Stored; never renamed."""

    DISABLED = "disabled"
    FILTERED = "filtered"
    NO_CAPACITY = "no_capacity"
    CALLER = "caller"
    NO_BID = "no_bid"
    CAPACITY_LOST = "capacity_lost"
    PUBLISHER_CAPPED = "publisher_capped"
    RATE_LIMITED = "rate_limited"
    BUSY = "busy"
    CALLER_REQUIRED = "caller_required"
    LOOP = "loop"
    MALFORMED = "malformed"
    EXPIRED = "expired"

    @property
    def market_code(self) -> int:
        """The number by which publishers' software knows it."""
        return _MARKET_CODES[self]

    @property
    def sentence(self) -> str:
        """What a publisher is told; nothing of it names a buyer."""
        return _SENTENCES[self]


_MARKET_CODES: Mapping[BidRefusal, int] = {
    BidRefusal.DISABLED: 1001,
    BidRefusal.FILTERED: 1002,
    BidRefusal.MALFORMED: 1002,
    BidRefusal.NO_CAPACITY: 1003,
    BidRefusal.CALLER: 1004,
    BidRefusal.NO_BID: 1005,
    BidRefusal.LOOP: 1005,
    BidRefusal.CAPACITY_LOST: 1006,
    BidRefusal.EXPIRED: 1006,
    BidRefusal.PUBLISHER_CAPPED: 1007,
    BidRefusal.RATE_LIMITED: 1025,
    BidRefusal.BUSY: 1026,
    BidRefusal.CALLER_REQUIRED: 1100,
}
_SENTENCES: Mapping[BidRefusal, str] = {
    BidRefusal.DISABLED: "This campaign buys no calls at present",
    BidRefusal.FILTERED: "Nobody buys a call with these answers",
    BidRefusal.MALFORMED: "The request cannot be read",
    BidRefusal.NO_CAPACITY: "Nobody has room for this call now",
    BidRefusal.CALLER: "Calls of this caller are not bought",
    BidRefusal.NO_BID: "Nobody bids enough for this call",
    BidRefusal.LOOP: "This call has been sold on too often",
    BidRefusal.CAPACITY_LOST: "The room for this call has just been taken",
    BidRefusal.EXPIRED: "This reservation has ended",
    BidRefusal.PUBLISHER_CAPPED: "No more calls of yours are bought at present",
    BidRefusal.RATE_LIMITED: "Too many requests in this minute",
    BidRefusal.BUSY: "No answer can be given at this moment",
    BidRefusal.CALLER_REQUIRED: "A caller ID is required",
}

# The deepest reason first: what was nearest to a bid tells a publisher most.
_BY_DEPTH = (
    BidRefusal.NO_BID,
    BidRefusal.CAPACITY_LOST,
    BidRefusal.NO_CAPACITY,
    BidRefusal.PUBLISHER_CAPPED,
    BidRefusal.CALLER,
    BidRefusal.LOOP,
    BidRefusal.FILTERED,
    BidRefusal.DISABLED,
)

# Rejection codes by what they mean to a publisher; what is not named is a matter of the call's answers.
_REASONS: Mapping[str, BidRefusal] = {
    "disabled": BidRefusal.DISABLED,
    "attempts_used": BidRefusal.DISABLED,
    "stage_attempts_used": BidRefusal.DISABLED,
    "closed": BidRefusal.NO_CAPACITY,
    "at_cap": BidRefusal.NO_CAPACITY,
    "group_at_cap": BidRefusal.NO_CAPACITY,
    "too_soon": BidRefusal.NO_CAPACITY,
    "wallet": BidRefusal.NO_CAPACITY,
    "suppressed": BidRefusal.CALLER,
    "blocked_caller": BidRefusal.CALLER,
    "duplicate": BidRefusal.CALLER,
    "no_bid": BidRefusal.NO_BID,
    "below_floor": BidRefusal.NO_BID,
    "late_bid": BidRefusal.NO_BID,
    "invalid_bid": BidRefusal.NO_BID,
    "expired_bid": BidRefusal.NO_BID,
    "unreachable": BidRefusal.NO_BID,
    "no_endpoint": BidRefusal.NO_BID,
    "hop_loop": BidRefusal.LOOP,
    "rested": BidRefusal.NO_BID,
    "ping_budget": BidRefusal.NO_BID,
    "post_refused": BidRefusal.NO_BID,
    "lower_bid": BidRefusal.NO_BID,
    "below_payout": BidRefusal.NO_BID,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class PublisherKey:
    """Who asks, and on what terms. Made by `tollbridge rtb keys add`."""

    id: int
    publisher_id: int
    campaign_id: int
    dialect: str
    rate_per_minute: int
    share_ppm: int | None
    """Millionths of the revenue that are bid; None: what the publisher's terms pay."""
    reservation_seconds: int
    limits: PingLimits = USUAL_LIMITS
    record: PingRecord = NO_RECORD


@dataclass(frozen=True, kw_only=True, slots=True)
class InboundPing:
    """One question of a publisher, as its dialect read it."""

    caller: str
    """E.164, or what stands for it (`hash:` and 64 hexadecimal digits) until the call is handed over."""
    tags: Mapping[str, str]
    hops: tuple[str, ...] = ()
    """Whose hands the call has gone through, oldest first; each a name of its own choosing."""
    least_bid_micros: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class InboundBid:
    """A promise: this call, if it comes to `number` from `caller` before `expires_at`, earns `payout_micros`."""

    reservation_id: UUID
    caller: str
    number: str
    payout_micros: int
    minimum_connected_ms: int
    expires_at: datetime
    confirmed: bool
    """Whether room is held for the call; otherwise it is only looked for when the call comes."""
    repeated: bool = False
    """The answer to an earlier ping of the same caller, which still stands."""
    notice: str = ""
    """What the publisher should know before it binds; '' when there is nothing."""

    def remaining_seconds(self, now: datetime) -> int:
        """Return how many whole seconds the bid still stands."""
        return max(0, int((self.expires_at - now) / timedelta(seconds=1)))


@dataclass(frozen=True, kw_only=True, slots=True)
class NoBid:
    """A refusal, as the publisher may know it."""

    ping_id: UUID
    reason: BidRefusal
    detail: str = ""
    """What is wrong with the request, where something is; never anything about a buyer."""

    @property
    def sentence(self) -> str:
        """What the publisher is told."""
        return f"{self.reason.sentence}: {self.detail}" if self.detail else self.reason.sentence


def is_hidden(caller: str) -> bool:
    """Tell what stands for a caller's number from a number."""
    return caller.startswith(HIDDEN)


def refusal_of(decision: Decision) -> BidRefusal:
    """Return what a decision without a choice means to a publisher."""
    reasons = {_reason_of(rejection) for rejection in decision.rejections} or {BidRefusal.DISABLED}
    return next(reason for reason in _BY_DEPTH if reason in reasons)


def _reason_of(rejection: Rejection) -> BidRefusal:
    reason = _REASONS.get(rejection.code.value, BidRefusal.FILTERED)
    # A cap of the publisher itself is told from the others by its description alone.
    of_publisher = reason is BidRefusal.NO_CAPACITY and "of the publisher" in rejection.detail
    return BidRefusal.PUBLISHER_CAPPED if of_publisher else reason


def payout_of(
    revenue_micros: int, *, share_ppm: int | None, terms_micros: int | None, margin_micros: int = 0
) -> int:
    """Return what is bid for a call that earns `revenue_micros`; 0 when nothing can be.

    A share of the revenue where the key names one, else what the publisher's terms pay; never more than leaves
    `margin_micros` to us. Rounded down to whole cents: no other promise can be paid.
    """
    wanted = terms_micros or 0 if share_ppm is None else revenue_micros * share_ppm // PPM
    promised = max(0, min(wanted, revenue_micros - margin_micros))
    return promised - promised % MICROS_PER_CENT


def number_of(snapshot: Snapshot, key: PublisherKey) -> TrackingNumber | None:
    """Return the number this publisher's calls come in on; None when it has none in this campaign."""
    fitting = (
        number
        for number in snapshot.numbers.values()
        if number.enabled
        and number.campaign_id == key.campaign_id
        and number.publisher_id == key.publisher_id
    )
    return min(fitting, key=lambda number: number.id, default=None)


def margin_of(snapshot: Snapshot, campaign_id: int, target_id: int) -> int:
    """Return what the stage a target stands in leaves to us of each call."""
    campaign = snapshot.campaigns.get(campaign_id)
    for stage in campaign.stages if campaign else ():
        if any(entry.target_id == target_id for entry in stage.entries):
            return stage.margin_micros
    return 0


def winning_bid(decision: Decision) -> Bid | None:
    """Return the bid by which the chosen target won an auction; None when it won by none."""
    chosen = decision.chosen
    if chosen is None or chosen.bid_micros is None:
        return None
    results = [result for result in decision.auctions if result.stage_id == decision.stage_id]
    return next((bid for one in results for bid in one.bids if bid.target_id == chosen.target_id), None)
