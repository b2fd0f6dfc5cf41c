"""What is asked of the speech service and what it answers, with their JSON. Standard library only: callers
import it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

LONGEST_SECONDS = 600.0
MOST_PROMPTS = 32
MOST_KEYS = 32


class Outcome(StrEnum):
    """accepted, unsure, rejected: speech. silence: neither speech nor keys. hangup: the caller left."""

    ACCEPTED = "accepted"
    UNSURE = "unsure"
    REJECTED = "rejected"
    SILENCE = "silence"
    KEYS = "keys"
    HANGUP = "hangup"


class Ending(StrEnum):
    """Why a question ended.

    sure: the answer was complete and sure before the caller had been quiet for long. end_of_speech: the caller fell
    silent. too_long: speech went on beyond what is listened to. out_of_time: `maximum_seconds` were over. silence:
    nobody spoke. keys_complete, keys_end, keys_timeout: enough keys, the end key, no further key. hangup: the caller
    left. stopped: whoever asked took the question back.
    """

    SURE = "sure"
    END_OF_SPEECH = "end_of_speech"
    TOO_LONG = "too_long"
    OUT_OF_TIME = "out_of_time"
    SILENCE = "silence"
    KEYS_COMPLETE = "keys_complete"
    KEYS_END = "keys_end"
    KEYS_TIMEOUT = "keys_timeout"
    HANGUP = "hangup"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question to a caller. Prompts are 8 kHz mono 16 bit wav files, played one after the other.

    `silence_seconds` counts from the end of the prompt, `maximum_seconds` from its start. `keys_maximum` 0:
    keys mean nothing. `keys_end` ends the keys and is not among them; empty: no such key. A key of `instant_keys`
    is a whole answer when it is the first one. `synonyms` are further phrases of the grammar's values.
    """

    grammar: str
    prompts: tuple[Path, ...]
    interruptible: bool = True
    silence_seconds: float = 5.0
    keys_maximum: int = 1
    keys_end: str = "#"
    key_gap_seconds: float = 3.0
    maximum_seconds: float = 40.0
    instant_keys: str = ""
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seconds = (self.silence_seconds, self.key_gap_seconds, self.maximum_seconds)
        if not all(0 < each <= LONGEST_SECONDS for each in seconds):
            raise ValueError(f"seconds must be above 0 and at most {LONGEST_SECONDS:.0f}")
        if len(self.prompts) > MOST_PROMPTS or not 0 <= self.keys_maximum <= MOST_KEYS:
            raise ValueError("too many prompts or keys")

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "prompts": [str(path) for path in self.prompts]}


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What a caller answered.

    `ended` is why the question ended. `text` is what the engine would write of the speech. `confidence` is 0 to 1.
    `alternatives` are values with their probability among all answers. `digits` are the keys pressed. Milliseconds
    count from the start of the prompt.
    """

    outcome: Outcome
    ended: Ending = Ending.STOPPED
    value: str | None = None
    text: str = ""
    confidence: float | None = None
    alternatives: tuple[tuple[str, float], ...] = ()
    digits: str = ""
    engine: str = ""
    speech_started_ms: int | None = None
    speech_ended_ms: int | None = None
    result_ms: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def question_from_json(body: Mapping[str, Any]) -> Question:
    """Raises ValueError for anything that is no question."""
    try:
        prompts = tuple(Path(str(path)) for path in body["prompts"])
        spoken = dict(body.get("synonyms", {})).items()
        synonyms = {str(value): tuple(map(str, phrases)) for value, phrases in spoken}
        return Question(**{**body, "grammar": str(body["grammar"]), "prompts": prompts, "synonyms": synonyms})
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a question: {error}") from error


def heard_from_json(body: Mapping[str, Any]) -> Heard:
    """Raises ValueError for anything that is no answer."""
    try:
        alternatives = tuple((str(value), float(share)) for value, share in body.get("alternatives", ()))
        words = {"outcome": Outcome(body["outcome"]), "ended": Ending(body["ended"])}
        return Heard(**{**body, **words, "alternatives": alternatives})
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an answer: {error}") from error
