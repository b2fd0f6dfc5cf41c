"""The shape of Retreaver's reservations: POST reserves a bid, PUT confirms it and only then holds room."""

from __future__ import annotations

from datetime import datetime

from router.domain.inbound_bid import BidRefusal, InboundBid, InboundPing, NoBid
from web.rtb.hops import read_hops
from web.rtb.shapes import (
    Answer,
    Dialect,
    Fields,
    PingProblem,
    dollars,
    iso_time,
    malformed,
    read_caller,
    read_tags,
)

NO_TARGET = "no-target"
RESERVED, CONFIRMED, FAILED = "reserved", "confirmed", "failed"
RETRY_AFTER_SECONDS = 60

# What speaks to us, not of the caller.
_SPOKEN = frozenset({"caller_number", "inbound_number", "key", "publisher_id", "affiliate_id", "hops"})
_STATUS = {
    BidRefusal.MALFORMED: 422,
    BidRefusal.CALLER_REQUIRED: 422,
    BidRefusal.RATE_LIMITED: 429,
    BidRefusal.BUSY: 503,
}


def read_ping(fields: Fields) -> InboundPing | PingProblem:
    caller = read_caller(fields.get("caller_number"))
    if caller is None:
        return malformed("caller_number is no telephone number")
    if not caller:
        return PingProblem(reason=BidRefusal.CALLER_REQUIRED, detail="caller_number")
    tags = read_tags({name: value for name, value in fields.items() if name not in _SPOKEN})
    if isinstance(tags, PingProblem):
        return tags
    hops = read_hops(fields.get("hops"))
    return hops if isinstance(hops, PingProblem) else InboundPing(caller=caller, tags=tags, hops=hops)


def write_bid(bid: InboundBid, now: datetime) -> Answer:
    return _write(bid, CONFIRMED if bid.confirmed else RESERVED)


def write_refusal(refusal: NoBid) -> Answer:
    status = _STATUS.get(refusal.reason, 200)
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 429 else {}
    return Answer(
        status=status,
        body={
            "uuid": str(refusal.ping_id),
            "status": NO_TARGET if status == 200 else FAILED,
            "reason": f"{refusal.sentence} (Code: {refusal.reason.market_code})",
        },
        headers=headers,
    )


def write_confirmation(outcome: InboundBid | NoBid, now: datetime) -> Answer:
    return write_refusal(outcome) if isinstance(outcome, NoBid) else _write(outcome, CONFIRMED)


def _write(bid: InboundBid, status: str) -> Answer:
    return Answer(
        status=200,
        body={
            "uuid": str(bid.reservation_id),
            "status": status,
            "retreaver_payout": dollars(bid.payout_micros),
            "retreaver_seconds": -(-bid.minimum_connected_ms // 1000),
            "inbound_number": bid.number,
            "expires_at": iso_time(bid.expires_at),
        },
    )


RETREAVER = Dialect(
    name="retreaver",
    methods=frozenset({"POST"}),
    holds_room=False,
    read_ping=read_ping,
    write_bid=write_bid,
    write_refusal=write_refusal,
    write_confirmation=write_confirmation,
)
