"""A trial decision in words: who would get the call, and why everybody else would not. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from router.domain.decision import (
    LOAN_TYPE_TAG,
    STATE_CANDIDATES_TAG,
    STATE_TAG,
    RejectionCode,
    RouteRequest,
)
from rules.places import STATES

METHODS: Mapping[str, str] = {
    "priority": "in order of priority",
    "round_robin": "in turn",
    "weighted": "in turn, by weight",
    "best_value": "best value first",
    "ping_post": "by auction",
}
"""How a stage chooses, for people; keys are router.domain.distribution.METHODS."""

_CODES: Mapping[RejectionCode, str] = {
    RejectionCode.DISABLED: "switched off",
    RejectionCode.ALREADY_TRIED: "tried already",
    RejectionCode.ATTEMPTS_USED: "the call has used its attempts",
    RejectionCode.STAGE_ATTEMPTS_USED: "the stage has used its attempts",
    RejectionCode.BLOCKED_CALLER: "the caller is blocked",
    RejectionCode.NOT_KNOWN: "the lists of suppressed callers are not known",
    RejectionCode.SUPPRESSED: "the buyer does not want this caller",
    RejectionCode.DUPLICATE: "a known caller",
    RejectionCode.SOLD_ELSEWHERE: "another buyer has this caller",
    RejectionCode.LOAN_TYPE: "does not take this loan",
    RejectionCode.FILTERS: "its filter says no",
    RejectionCode.UNLICENSED: "not licensed there",
    RejectionCode.OFFICER_UNLICENSED: "no loan officer licensed there",
    RejectionCode.CLOSED: "closed",
    RejectionCode.AT_CAP: "its cap is reached",
    RejectionCode.GROUP_AT_CAP: "a cap of its group is reached",
    RejectionCode.TOO_SOON: "too soon after the last call",
    RejectionCode.WALLET: "its wallet does not cover the call",
    RejectionCode.BELOW_PAYOUT: "pays less than was promised",
    RejectionCode.LOWER_RANK: "could take it; another comes first",
    RejectionCode.NO_ENDPOINT: "has nowhere to be asked for a bid",
    RejectionCode.NO_BID: "made no bid",
    RejectionCode.LOWER_BID: "bid less",
}


def reason(code: str, detail: str) -> str:
    """Return why a target would not get the call: `closed: opens Wednesday 08:00`."""
    words = _CODES.get(RejectionCode(code), code.replace("_", " "))
    return f"{words}: {detail}" if detail and code != RejectionCode.LOWER_RANK else words


def caller_words(request: RouteRequest) -> str:
    """Return the caller as a person would say: A refinance caller from Ohio."""
    loan = request.tags.get(LOAN_TYPE_TAG, "").replace("_", " ")
    state, candidates = request.tags.get(STATE_TAG, ""), request.tags.get(STATE_CANDIDATES_TAG, "")
    if state:
        place = f" from {STATES.get(state, state)}"
    elif candidates:
        place = " from " + " or ".join(STATES.get(one, one) for one in candidates.split("-"))
    else:
        place = " from nobody knows where"
    article = "An" if loan[:1] in tuple("aeiou") else "A"
    return f"{article} {loan} caller{place}" if loan else f"A caller of unknown wish{place}"


def moment_words(at: datetime, zone: ZoneInfo) -> str:
    """Return a moment in a zone: Tue 24 Nov 2026 at 19:00 (America/New_York)."""
    local = at.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %Y} at {local:%H:%M} ({zone.key})"
