"""What somebody at a terminal types in a caller's place, read as the answer to a wait. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from ivr_flows import grammars
from ivr_flows.events import (
    AskWait,
    Command,
    HoldWait,
    NoticeWait,
    RouteWait,
    TransferWait,
    VoicemailWait,
    Wait,
    WebhookWait,
)
from ivr_flows.resumes import (
    Heard,
    HeardOutcome,
    HoldOver,
    MessageLeft,
    NoticePlayed,
    Resume,
    Routed,
    TransferOutcome,
    Transferred,
    WebhookAnswered,
)

_KEYS = re.compile(r"[0-9*#]+")
_NO = ("no", "n", "busy", "failed", "fail")


_HELP: Mapping[type[Wait], str] = {
    NoticeWait: "an empty line hears it to its end; no: it cannot be played",
    RouteWait: "does somebody take the call? yes or no",
    TransferWait: "does somebody answer? yes, no or busy",
    HoldWait: "an empty line waits; or press a key",
    VoicemailWait: "speak a message; an empty line leaves none",
    WebhookWait: 'its answer as JSON like {"score": "712"}; or fail',
}


def help_for(wait: Wait) -> str:
    """Return what may be typed now."""
    if not isinstance(wait, AskWait):
        return _HELP[type(wait)]
    said = "say something, or " if wait.grammar else ""
    return f"{said}press keys; ?words are heard unsurely; an empty line is silence"


def read_typed(wait: Wait, line: str) -> Resume:
    """Return the answer that `line` gives. Raises ValueError with a sentence when it cannot be one."""
    text = line.strip()
    match wait:
        case AskWait():
            return heard_of(wait, text)
        case HoldWait():
            return HoldOver(digits=text if text and text in wait.keys else "")
        case VoicemailWait():
            # As fast as people talk: about fifteen letters a second.
            return MessageLeft(seconds=round(len(text) / 15, 1))
        case _:
            return _well_or_not(wait, text)


def _well_or_not(wait: NoticeWait | RouteWait | TransferWait | WebhookWait, text: str) -> Resume:
    no = text.lower() in _NO
    match wait:
        case NoticeWait():
            return NoticePlayed(complete=not no)
        case RouteWait():
            return Routed(found=not no)
        case TransferWait():
            busy = TransferOutcome.BUSY if text.lower() == "busy" else TransferOutcome.NO_ANSWER
            return Transferred(outcome=busy if no else TransferOutcome.ANSWERED)
        case WebhookWait():
            return WebhookAnswered(reason="typed: no answer") if no else _webhook_answer(wait, text)


def heard_of(wait: AskWait, text: str) -> Heard:
    """Return what a recogniser would make of words or keys, were it never wrong."""
    if not text:
        return Heard(outcome=HeardOutcome.SILENCE)
    if _KEYS.fullmatch(text):
        return Heard(outcome=HeardOutcome.KEYS, digits=text.removesuffix(wait.keys_end)[: wait.keys_maximum])
    unsure, words = text.startswith("?"), text.removeprefix("?").strip()
    if not wait.grammar:
        return Heard(outcome=HeardOutcome.REJECTED, text=words)
    value = grammars.read_answer(grammars.grammar_with(wait.grammar, wait.synonyms), words)
    if value is None:
        return Heard(outcome=HeardOutcome.REJECTED, text=words)
    command = Command(value) if value in grammars.RESERVED else None
    outcome = HeardOutcome.UNSURE if unsure and command is None else HeardOutcome.ACCEPTED
    return Heard(outcome=outcome, value=value, text=words, confidence=0.5 if unsure else 1.0, command=command)


def _webhook_answer(wait: WebhookWait, text: str) -> WebhookAnswered:
    try:
        value = json.loads(text or "{}")
    except ValueError as error:
        raise ValueError(f"that is no JSON ({error}): type {help_for(wait)}") from error
    if not isinstance(value, dict):
        raise ValueError(f"that is no JSON object: type {help_for(wait)}")
    kept = {name: str(value[name]) for name in wait.fields if isinstance(value.get(name), str | int | float)}
    return WebhookAnswered(values=kept)
