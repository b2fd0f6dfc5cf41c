"""Our own dialect, the other end of router/buyers/tollbridge: signed JSON both ways.

    ping  {"kind": "ping", "ping_id", "answers": {…}, "state", "hops": [], "caller" or "caller_hash", "least_bid"}
          -> {"bid": {"amount", "minimum_seconds", "expires_in_seconds", "expires_at", "dial", "reference"}, "repeated"}
             and "notice", a sentence, when the publisher's pings bring too few calls
          -> {"refusal": code, "market_code", "detail"}
    post  {"kind": "post", "ping_id", "reference", "caller"} -> {"accepted": true, "dial"} or {"accepted": false, …}

The key in the address is also the secret of both signatures; a question may come without one, every answer has one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from router.buyers.tollbridge.signing import (
    MAXIMUM_AGE_SECONDS,
    SIGNATURE_HEADER,
    TIME_HEADER,
    sign,
    signed_by,
)
from router.domain.inbound_bid import HIDDEN, BidRefusal, InboundBid, InboundPing, NoBid
from rules.money import MoneyError, format_dollars, parse_dollars
from web.rtb.hops import read_hops
from web.rtb.shapes import (
    Answer,
    Dialect,
    Fields,
    Handover,
    PingProblem,
    iso_time,
    malformed,
    read_caller,
    read_tags,
)

RETRY_AFTER_SECONDS = 60
_HASH = re.compile(r"[0-9a-f]{64}")
_PING_ID = re.compile(r"[\x21-\x7e]{1,200}")
_STATUS = {BidRefusal.MALFORMED: 400, BidRefusal.RATE_LIMITED: 429, BidRefusal.BUSY: 503}


def read_ping(fields: Fields) -> InboundPing | PingProblem:
    caller = _caller_of(fields)
    if isinstance(caller, PingProblem):
        return caller
    answers = fields.get("answers")
    if not isinstance(answers, dict | None):
        return malformed("answers is no object")
    tags = read_tags({**(answers or {}), **({"state": fields["state"]} if fields.get("state") else {})})
    if isinstance(tags, PingProblem):
        return tags
    hops = read_hops(fields.get("hops"))
    if isinstance(hops, PingProblem):
        return hops
    try:
        least = parse_dollars(str(fields.get("least_bid") or "0"))
    except MoneyError:
        return malformed("least_bid is no amount of dollars")
    return InboundPing(caller=caller, tags=tags, hops=hops, least_bid_micros=max(0, least))


def read_handover(fields: Fields) -> Handover | PingProblem | None:
    if fields.get("kind") != "post":
        return None
    caller = read_caller(fields.get("caller"))
    try:
        reservation_id = UUID(str(fields.get("reference"))[:64])
    except ValueError:
        return malformed("reference names no bid of ours")
    if caller is None:
        return malformed("caller is no telephone number")
    return Handover(reservation_id=reservation_id, caller=caller)


def write_bid(bid: InboundBid, now: datetime) -> Answer:
    return Answer(
        status=200,
        body={
            "bid": {
                "amount": format_dollars(bid.payout_micros, sign="").replace(",", ""),
                "minimum_seconds": -(-bid.minimum_connected_ms // 1000),
                "expires_in_seconds": bid.remaining_seconds(now),
                "expires_at": iso_time(bid.expires_at),
                "dial": bid.number,
                "reference": bid.reservation_id.hex,
            },
            "repeated": bid.repeated,
            **({"notice": bid.notice} if bid.notice else {}),
        },
    )


def write_refusal(refusal: NoBid) -> Answer:
    status = _STATUS.get(refusal.reason, 200)
    return Answer(
        status=status,
        body={
            "refusal": refusal.reason.value,
            "market_code": refusal.reason.market_code,
            "detail": refusal.sentence,
        },
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 429 else {},
    )


def write_confirmation(outcome: InboundBid | NoBid, now: datetime) -> Answer:
    if isinstance(outcome, InboundBid):
        return Answer(status=200, body={"accepted": True, "dial": outcome.number})
    refusal = write_refusal(outcome)
    return Answer(status=refusal.status, body={"accepted": False, **refusal.body}, headers=refusal.headers)


def check_signature(key: str, headers: Mapping[str, str], body: bytes, now: datetime) -> PingProblem | None:
    """Return what is wrong with a signed question; one without a signature stands on its key alone."""
    signature, time = headers.get(SIGNATURE_HEADER, ""), headers.get(TIME_HEADER, "")
    if not signature:
        return None
    if not (time.isascii() and time.isdigit() and len(time) <= 12):
        return malformed(f"{TIME_HEADER} is no time")
    if abs(int(time) - now.timestamp()) > MAXIMUM_AGE_SECONDS:
        return malformed(f"{TIME_HEADER} is not near our time")
    return None if signed_by(key, time, body, signature) else malformed("wrong signature")


def seal(key: str, fields: Fields, body: bytes) -> Mapping[str, str]:
    """Return the headers that sign an answer to this question."""
    ping_id = fields.get("ping_id")
    if not isinstance(ping_id, str) or not _PING_ID.fullmatch(ping_id):
        return {}
    return {SIGNATURE_HEADER: sign(key, ping_id, body)}


def _caller_of(fields: Fields) -> str | PingProblem:
    caller = read_caller(fields.get("caller"))
    if caller is None:
        return malformed("caller is no telephone number")
    if caller:
        return caller
    hidden = fields.get("caller_hash")
    if hidden in (None, ""):
        return PingProblem(reason=BidRefusal.CALLER_REQUIRED, detail="caller or caller_hash")
    if not isinstance(hidden, str) or not _HASH.fullmatch(hidden):
        return malformed("caller_hash is no 64 hexadecimal digits")
    return f"{HIDDEN}{hidden}"


TOLLBRIDGE = Dialect(
    name="tollbridge",
    methods=frozenset({"POST"}),
    holds_room=True,
    read_ping=read_ping,
    write_bid=write_bid,
    write_refusal=write_refusal,
    write_confirmation=write_confirmation,
    read_handover=read_handover,
    check_signature=check_signature,
    seal=seal,
)
