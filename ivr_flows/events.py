"""What a step of a flow wants done (events, in order) and what it then waits for (at most one wait).

The engine returns these values; agi/inbound_call.py performs them on a live channel, `flow run` in a terminal.

A prompt is a text to be said, or `upload:NAME`, a sound somebody uploaded. What a flow may say is known before it is
published (inspection.texts_of); only values put into a text (`{home_value}`) may be new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

UPLOAD = "upload:"
"""What a prompt that is an uploaded sound begins with; the sound's name follows."""


class Source(StrEnum):
    """Where the value of a tag came from; shown wherever the tag is shown."""

    SPEECH = "speech"
    KEYS = "keys"
    AREA_CODE = "area_code"
    FLOW = "flow"
    """A node of the flow worked it out: set tag, random split, score."""
    WEBHOOK = "webhook"
    NONE = "none"


class Command(StrEnum):
    """What a caller may say or press at every question, whatever it asks."""

    OPERATOR = "operator"
    REPEAT = "repeat"
    STOP_CALLING = "stop_calling"
    """"Stop calling me", "remove my number"."""
    DO_NOT_RECORD = "do_not_record"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Answer the call. What makes a sound answers by itself: this only makes sure, before silence or a route."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Play:
    """Play these prompts to their end, one after the other."""

    prompts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """A question was answered, or given up (`value` is None, source none). One row of the call's answers."""

    sequence: int
    node: str
    tag: str
    value: str | None
    source: Source
    heard: str = ""
    confidence: float | None = None
    engine: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TagSet:
    """A tag got its value without a question: set tag, area code, random split, score, webhook."""

    node: str
    tag: str
    value: str
    source: Source


@dataclass(frozen=True, kw_only=True, slots=True)
class NoticeHeard:
    """The consent notice was played to its end: evidence. `prompts` is what was said."""

    node: str
    prompts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class StartRecording:
    """The flow allows recording from here on; only ever follows a `NoticeHeard`. The campaign may still forbid it."""

    node: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StopRecording:
    """The caller does not want to be recorded: stop, and do not start again in this call."""

    node: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DoNotCallRequested:
    """The caller wants no calls any more; `heard` is how they said so, '' when the flow itself came here."""

    node: str
    heard: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class CallBackRequested:
    """The caller wants to be called back on `number` (E.164; checked: North American, not premium)."""

    node: str
    number: str
    said: str = ""
    """What the caller was told it is for: the consent to that one call."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FlowFault:
    """Something in the flow went wrong and the call went on another way; for the log and the call's story."""

    node: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HangUp:
    """End the call."""


Event = (
    Answer
    | Play
    | Answered
    | TagSet
    | NoticeHeard
    | StartRecording
    | StopRecording
    | DoNotCallRequested
    | CallBackRequested
    | FlowFault
    | HangUp
)


@dataclass(frozen=True, kw_only=True, slots=True)
class AskWait:
    """Play the prompts, then listen for speech of `grammar` and for keys; resumes with `Heard`.

    An empty grammar means keys only. `keys_maximum` keys end the answer by themselves, a key of `instant_keys` does
    as the first one, and `keys_end` does after the last. `commands` are listened for beside the grammar.
    `synonyms` are the flow's own further phrases of a value.
    """

    prompts: tuple[str, ...]
    grammar: str
    keys_maximum: int
    silence_seconds: float
    maximum_seconds: float
    keys_end: str = "#"
    instant_keys: str = ""
    commands: tuple[Command, ...] = ()
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class NoticeWait:
    """Play a notice that nothing cuts short; resumes with `NoticePlayed`."""

    prompts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteWait:
    """Find a buyer for the call as it is tagged; resumes with `Routed`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldWait:
    """Play the prompts, then let the caller hear that they wait, for `seconds`; resumes with `HoldOver`.

    A key of `keys` ends it early.
    """

    prompts: tuple[str, ...]
    seconds: float
    keys: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class VoicemailWait:
    """Play the prompts and a beep, and record until silence, `#` or `maximum_seconds`; resumes with `MessageLeft`."""

    prompts: tuple[str, ...]
    maximum_seconds: float
    silence_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferWait:
    """Ring a fixed number (E.164, checked: North American, not premium); resumes with `Transferred`.

    Not a sale: no target, no bid. When somebody answered, the call ends with that conversation.
    """

    number: str
    ring_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookWait:
    """Send `body` as JSON to `url` by POST, bounded by `timeout_seconds`; resumes with `WebhookAnswered`.

    The shell resolves the host once and refuses private, link-local and metadata addresses; no redirects.
    `fields` are the members wanted of the JSON object that is the answer.
    """

    url: str
    body: Mapping[str, str]
    fields: tuple[str, ...]
    timeout_seconds: float


Wait = AskWait | NoticeWait | RouteWait | HoldWait | VoicemailWait | TransferWait | WebhookWait
