"""What a stage asks of its bidders, and why a bid does not win."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from router.domain.auction import AuctionWanted, Bid, BidOutcome
from router.domain.decision import Offer, Rejection, RejectionCode, RouteRequest
from router.domain.market import Snapshot, Stage
from router.domain.worth import Ceilings
from rules.money import format_dollars

CODES: Mapping[BidOutcome, RejectionCode] = {
    BidOutcome.REFUSED: RejectionCode.NO_BID,
    BidOutcome.LATE: RejectionCode.LATE_BID,
    BidOutcome.INVALID: RejectionCode.INVALID_BID,
    BidOutcome.UNREACHABLE: RejectionCode.UNREACHABLE,
    BidOutcome.BELOW_FLOOR: RejectionCode.BELOW_FLOOR,
    BidOutcome.EXPIRED: RejectionCode.EXPIRED_BID,
    BidOutcome.RESTED: RejectionCode.RESTED,
    BidOutcome.BUDGET: RejectionCode.PING_BUDGET,
    BidOutcome.NO_ENDPOINT: RejectionCode.NO_ENDPOINT,
    BidOutcome.LOOP: RejectionCode.HOP_LOOP,
    BidOutcome.POST_REFUSED: RejectionCode.POST_REFUSED,
}


def wanted_of(
    snapshot: Snapshot, request: RouteRequest, stage: Stage, offers: tuple[Offer, ...], payout_micros: int
) -> AuctionWanted:
    """Return what is asked of those who may take the call, by the stage's terms."""
    minimum_of = snapshot.standing_minimum_ms
    return AuctionWanted(
        stage_id=stage.id,
        deadline_ms=stage.deadline_ms,
        floor_micros=stage.floor_micros,
        margin_micros=stage.margin_micros,
        payout_micros=payout_micros,
        dialling=snapshot.dialling,
        offers=offers,
        ceilings=Ceilings(
            highest_bid_micros=stage.highest_bid_micros, longest_minimum_seconds=stage.longest_minimum_seconds
        ),
        standing_minimums_ms={
            one.target_id: minimum_of(one.buyer_id, request.campaign_id, request.priced_at) for one in offers
        },
    )


def rejection_of(target_id: int, bid: Bid | None, now: datetime) -> Rejection | None:
    """Return why a target's bid cannot win; None when it can."""
    if bid is None:
        return Rejection(target_id=target_id, code=RejectionCode.NO_BID, detail="not asked")
    if bid.outcome is not BidOutcome.ACCEPTED:
        return Rejection(target_id=target_id, code=CODES[bid.outcome], detail=bid.words)
    if bid.expires_at is not None and bid.expires_at <= now:
        return Rejection(target_id=target_id, code=RejectionCode.EXPIRED_BID, detail=f"at {bid.expires_at}")
    return None


def bid_words(bid: Bid) -> str:
    """Say what was bid and what it counts for; empty of a decision that was stored before bids had a worth."""
    if bid.worth is None:
        return ""
    return ", ".join(filter(None, (f": bid {format_dollars(bid.bid_micros or 0)}", bid.words)))
