"""What all dialects are made of: fields as they came, the ping read from them, the answer to write. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from router.domain.caller_facts import STATED, state_code
from router.domain.decision import DISAGREE, STATE_CANDIDATES_TAG, STATE_SOURCE_TAG, STATE_TAG
from router.domain.inbound_bid import BidRefusal, InboundBid, InboundPing, NoBid
from rules.call_tags import PING_TAGS_BYTES_MAXIMUM, bytes_of
from rules.known_facts import NOT_FOR_PARTIES, known_name
from rules.telephone import NumberProblem, read_number

MAXIMUM_FIELDS = 60
MAXIMUM_NAME_CHARACTERS = 60
MAXIMUM_VALUE_CHARACTERS = 200

Fields = Mapping[str, Any]

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class PingProblem:
    """Why a ping cannot be read, with the field."""

    reason: BidRefusal
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Handover:
    """The publisher sends the call of an earlier ping now, and says whose it is."""

    reservation_id: UUID
    caller: str
    """E.164; '' when it was named before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An HTTP answer as data."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    """How one kind of publisher's software asks and wants to be answered. All functions are pure."""

    name: str
    methods: frozenset[str]
    holds_room: bool
    """Whether a bid holds room at once, or only when it is confirmed."""
    read_ping: Callable[[Fields], InboundPing | PingProblem]
    write_bid: Callable[[InboundBid, datetime], Answer]
    write_refusal: Callable[[NoBid], Answer]
    write_confirmation: Callable[[InboundBid | NoBid, datetime], Answer] | None = None
    """None: there is nothing to confirm."""
    read_handover: Callable[[Fields], Handover | PingProblem | None] | None = None
    """Returns None for a ping."""
    check_signature: Callable[[str, Mapping[str, str], bytes, datetime], PingProblem | None] | None = None
    seal: Callable[[str, Fields, bytes], Mapping[str, str]] | None = None
    """Takes the key, the question and the answer's bytes; returns headers."""


def read_caller(value: object) -> str | None:
    """Return a caller's number as E.164, '' when none was given or it is withheld, None when it is no number."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    read = read_number(str(value))
    return None if isinstance(read, NumberProblem) else read if isinstance(read, str) else ""


def read_tags(fields: Fields) -> dict[str, str] | PingProblem:
    """Return the caller's answers under our names, or the first field that cannot be one.

    Empty values are dropped, names are compared in small letters, and facts that are ours to find out are not taken.
    """
    if len(fields) > MAXIMUM_FIELDS:
        return malformed(f"more than {MAXIMUM_FIELDS} fields")
    told: dict[str, str] = {}
    for spelled, value in fields.items():
        name = known_name(spelled)
        text = _text_of(value)
        if len(name) > MAXIMUM_NAME_CHARACTERS or not _NAME.fullmatch(name):
            return malformed(f"{_short(spelled)!r} is no name of a field")
        if name == STATE_TAG and text:
            text = state_code(text)
        if text is None:
            what = "state of the US" if name == STATE_TAG else "short text, number or yes/no"
            return malformed(f"{name} is no {what}")
        if text and told.setdefault(name, text) != text:
            return malformed(f"{name} is given twice, with different values")
    tags = _believed(told)
    if bytes_of(tags) > PING_TAGS_BYTES_MAXIMUM:
        return malformed(
            f"{bytes_of(tags):,} bytes of answers; at most {PING_TAGS_BYTES_MAXIMUM:,} are taken"
        )
    return tags


def _believed(told: Mapping[str, str]) -> dict[str, str]:
    """Return what a publisher's word is taken for. Another house of our kind says how it knows the caller's state.

    A state that it only guessed is dropped, as we guess ourselves; states that disagree stay candidates, which asks for
    more licences, never for fewer.
    """
    tags = {name: text for name, text in told.items() if name not in NOT_FOR_PARTIES}
    source = told.get(STATE_SOURCE_TAG, STATED)
    if source == DISAGREE:
        return {**tags, STATE_SOURCE_TAG: DISAGREE, STATE_CANDIDATES_TAG: told.get(STATE_CANDIDATES_TAG, "")}
    if source != STATED:
        tags.pop(STATE_TAG, None)
    return tags


def malformed(detail: str) -> PingProblem:
    return PingProblem(reason=BidRefusal.MALFORMED, detail=detail)


def dollars(micros: int) -> float:
    """Write an amount as JSON has it: only here, at the very edge, is money ever a float."""
    return micros / 1_000_000


def iso_time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text_of(value: object) -> str | None:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str | int | float):
        return None
    text = str(value).strip()
    return text if len(text) <= MAXIMUM_VALUE_CHARACTERS and (not text or text.isprintable()) else None


def _short(text: str) -> str:
    return text if len(text) <= 30 else f"{text[:29]}…"
