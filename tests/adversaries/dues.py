"""What a call costs its buyer, by contract or bid."""

from __future__ import annotations

from tests.adversaries.contracts import BUYERS
from tests.adversaries.events import CallSeen

CONTRACTS = {one.name: one for one in BUYERS}


def due_of(call: CallSeen) -> int:
    """What the buyer that answered owes for the call, if nobody paid for this caller before."""
    if call.answered_by is None:
        return 0
    bid = call.bids.get(call.answered_by)
    if bid is not None:
        return bid.bid_micros if call.connected_ms >= bid.minimum_ms else 0
    return CONTRACTS[call.answered_by].price_micros(call.connected_ms, call.facts)
