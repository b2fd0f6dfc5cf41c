"""The shape of Ringba's bids: GET or POST with `CID` and tags; an answer is always 200, a refusal bids nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from router.domain.inbound_bid import BidRefusal, InboundBid, InboundPing, NoBid
from web.rtb.hops import read_hops
from web.rtb.shapes import Answer, Dialect, Fields, PingProblem, dollars, malformed, read_caller, read_tags

CACHED_WARNING = {"code": 230, "description": "The bid of an earlier request, which has not expired"}

# What speaks to us, not of the caller.
_SPOKEN = frozenset({"cid", "exposecallerid", "sipok", "hops"})


def read_ping(fields: Fields) -> InboundPing | PingProblem:
    small = {name.strip().lower(): value for name, value in fields.items()}
    caller = read_caller(small.get("cid"))
    if caller is None:
        return malformed("CID is no telephone number")
    if not caller or str(small.get("exposecallerid", "yes")).strip().lower() in ("no", "false", "0"):
        # The call is known again by its caller alone: without one there is nothing to hold.
        return PingProblem(reason=BidRefusal.CALLER_REQUIRED, detail="")
    tags = read_tags({name: value for name, value in small.items() if name not in _SPOKEN})
    if isinstance(tags, PingProblem):
        return tags
    hops = read_hops(small.get("hops"))
    return hops if isinstance(hops, PingProblem) else InboundPing(caller=caller, tags=tags, hops=hops)


def write_bid(bid: InboundBid, now: datetime) -> Answer:
    body: dict[str, Any] = {
        "bidId": bid.reservation_id.hex,
        "bidAmount": dollars(bid.payout_micros),
        "expireInSeconds": bid.remaining_seconds(now),
        "bidExpireDT": bid.expires_at.isoformat(timespec="milliseconds"),
        "bidExpireEpoch": int(bid.expires_at.timestamp()),
        "phoneNumber": bid.number,
        "phoneNumberNoPlus": bid.number.removeprefix("+"),
        "bidTerms": [{"callMinDuration": -(-bid.minimum_connected_ms // 1000)}],
    }
    return Answer(status=200, body={**body, "warnings": [CACHED_WARNING]} if bid.repeated else body)


def write_refusal(refusal: NoBid) -> Answer:
    return Answer(
        status=200,
        body={
            "bidId": refusal.ping_id.hex,
            "bidAmount": 0,
            "rejectReason": f"{refusal.sentence} (Code: {refusal.reason.market_code})",
        },
    )


RINGBA = Dialect(
    name="ringba",
    methods=frozenset({"GET", "POST"}),
    holds_room=True,
    read_ping=read_ping,
    write_bid=write_bid,
    write_refusal=write_refusal,
)
