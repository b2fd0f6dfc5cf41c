"""What a bidder may know of a call, and how the exchange is written down. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha1
from uuid import UUID

from router.buyers.dialect import Endpoint, HttpAnswer, HttpRequest, Question
from router.buyers.kept_secrets import without_secrets
from router.buyers.tollbridge.signing import caller_hash
from router.domain.decision import (
    DISAGREE,
    STATE_CANDIDATES_TAG,
    STATE_SOURCE_TAG,
    STATE_TAG,
    RouteRequest,
)
from router.domain.hops import HOPS_TAG, hops_of

MAXIMUM_TEXT = 4_000
MAXIMUM_ANSWERS = 40
MAXIMUM_ANSWER_CHARACTERS = 200
_OURS = frozenset({STATE_TAG, STATE_CANDIDATES_TAG, HOPS_TAG})
_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""The first digit of a UUID's third group but one, as RFC 9562 wants it."""


def attempt_of(request: RouteRequest) -> int:
    """Return which attempt of the call this is, from 1."""
    return len(request.tried) + 1


def ping_id_of(asked_as: UUID, target_id: int) -> str:
    """Return the name of one question: the same for the post as for the ping, and whenever it is asked again.

    `asked_as`: the call, or the publisher's ping for which the bidder was asked before there was a call.
    """
    # uuid5, spelled out: two objects less for each of fifty bidders while a caller waits.
    name = sha1(asked_as.bytes + b"ping:%d" % target_id, usedforsecurity=False).hexdigest()
    variant = _VARIANTS[name[16]]
    return f"{name[:8]}-{name[8:12]}-5{name[13:16]}-{variant}{name[17:20]}-{name[20:32]}"


def asked_as_of(request: RouteRequest, target_id: int) -> UUID:
    """Return what a bidder was asked about: the publisher's ping it bid on, or else the call itself."""
    reserved = request.reserved
    if reserved is not None and reserved.target_id == target_id and reserved.asked_as:
        return UUID(reserved.asked_as)
    return UUID(request.call_id)


def hops_before(request: RouteRequest) -> tuple[str, ...]:
    """Return the houses the call came through before ours."""
    return tuple(request.hops) or hops_of(request.tags)


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What is known of a call and the same for every bidder: worked out once, however many are asked."""

    asked_as: UUID
    campaign: str
    caller: str | None
    state: str | None
    answers: Mapping[str, str]
    hops: tuple[str, ...]
    """Every house this call came through, ours last."""


def known_of(request: RouteRequest, *, own_hop: str, asked_as: UUID | None = None) -> Known:
    """Return what bidders are told of a call; what only some may see is `question_for`'s business."""
    return Known(
        asked_as=asked_as or UUID(request.call_id),
        campaign=str(request.campaign_id),
        caller=request.caller,
        state=request.tags.get(STATE_TAG),
        answers=_answers(request),
        hops=(*hops_before(request), own_hop),
    )


def question_for(
    endpoint: Endpoint, known: Known, *, deadline_ms: int, now: datetime, sold: bool = False
) -> Question:
    """Return what this bidder is told. The caller's number only when the contract shows it, or when it is `sold`."""
    caller = known.caller
    return Question(
        ping_id=ping_id_of(known.asked_as, endpoint.target_id),
        campaign=known.campaign,
        caller=caller if sold or endpoint.expose_caller else None,
        caller_hash=caller_hash(endpoint.secret, caller) if caller and endpoint.secret else None,
        state=known.state,
        answers=known.answers,
        hops=known.hops,
        deadline_ms=deadline_ms,
        now=now,
    )


def request_text(hidden: Iterable[str], request: HttpRequest) -> str:
    """Return a request as it is stored: bounded, and without the `hidden` texts in it."""
    text = f"{request.method} {request.url}\n{_readable(request.body)}"
    return without_secrets(hidden, text)[:MAXIMUM_TEXT]


def answer_text(hidden: Iterable[str], answer: HttpAnswer) -> str:
    """Return an answer as it is stored, likewise: some say what they were sent."""
    return without_secrets(hidden, f"{answer.status}\n{_readable(answer.body)}")[:MAXIMUM_TEXT]


def _answers(request: RouteRequest) -> dict[str, str]:
    """What the caller answered, without what would give the caller away: a number said aloud is a number."""
    digits = (request.caller or "").removeprefix("+1").removeprefix("+")
    # Where the state and the ZIP code that were told disagree, the next house is to know it as we do.
    disagree = request.tags.get(STATE_SOURCE_TAG) == DISAGREE
    told = (
        (name, value[:MAXIMUM_ANSWER_CHARACTERS])
        for name, value in sorted(request.tags.items())
        if (name not in _OURS or (disagree and name == STATE_CANDIDATES_TAG))
        and not (digits and digits in "".join(filter(str.isdigit, value)))
    )
    return dict(list(told)[:MAXIMUM_ANSWERS])


def _readable(body: bytes) -> str:
    # PostgreSQL's text holds no NUL.
    return body[: MAXIMUM_TEXT * 4].decode("utf-8", "replace").replace("\0", "\ufffd")
