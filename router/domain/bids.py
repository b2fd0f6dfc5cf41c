"""Why a bid does not win, as a rejection."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from router.domain.auction import Bid, BidOutcome
from router.domain.decision import Rejection, RejectionCode

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


def rejection_of(target_id: int, bid: Bid | None, now: datetime) -> Rejection | None:
    """Return why a target's bid cannot win; None when it can."""
    if bid is None:
        return Rejection(target_id=target_id, code=RejectionCode.NO_BID, detail="not asked")
    if bid.outcome is not BidOutcome.ACCEPTED:
        return Rejection(target_id=target_id, code=CODES[bid.outcome], detail=bid.detail)
    if bid.expires_at is not None and bid.expires_at <= now:
        return Rejection(target_id=target_id, code=RejectionCode.EXPIRED_BID, detail=f"at {bid.expires_at}")
    return None
