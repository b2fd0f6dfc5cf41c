"""What may wake a waiting flow, one value a kind of wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ivr_flows.events import Command


class HeardOutcome(StrEnum):
    """How listening to one question ended."""

    ACCEPTED = "accepted"
    UNSURE = "unsure"
    REJECTED = "rejected"
    SILENCE = "silence"
    KEYS = "keys"


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """The caller's answer to an `AskWait`.

    `value` is set when accepted or unsure, `digits` when keys. `alternatives` are further values, best first.
    `command` is set, with outcome accepted, when the words were one of the wait's commands and no answer. Keys
    that are a command are the engine's business: they come as digits.
    """

    outcome: HeardOutcome
    value: str | None = None
    text: str = ""
    confidence: float | None = None
    digits: str = ""
    engine: str | None = None
    alternatives: tuple[str, ...] = ()
    command: Command | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NoticePlayed:
    """The answer to a `NoticeWait`: whether the notice was heard to its end (False: a sound was missing)."""

    complete: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Routed:
    """The router's answer to a `RouteWait`: whether somebody will be rung."""

    found: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldOver:
    """The answer to a `HoldWait`: the key that ended it, '' when its time was up."""

    digits: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageLeft:
    """The answer to a `VoicemailWait`: how long the message is, 0 when there is none."""

    seconds: float


class TransferOutcome(StrEnum):
    """How ringing a fixed number ended."""

    ANSWERED = "answered"
    """Somebody spoke with the caller; the flow has ended."""
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Transferred:
    """The answer to a `TransferWait`."""

    outcome: TransferOutcome


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookAnswered:
    """The answer to a `WebhookWait`: the wanted fields that were there, as texts; `reason` says what failed."""

    values: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


Resume = Heard | NoticePlayed | Routed | HoldOver | MessageLeft | Transferred | WebhookAnswered
