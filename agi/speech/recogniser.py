"""What every speech engine is to the rest of the house: an utterance and a grammar in, a verdict out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

SAMPLE_RATE = 8000
FRAME_SAMPLES = 160
FRAME_BYTES = 2 * FRAME_SAMPLES
FRAME_SECONDS = 0.02

MAXIMUM_ALTERNATIVES = 3

Synonyms = Mapping[str, Sequence[str]]
"""A flow's own phrases for the values of a grammar."""
NO_SYNONYMS: Synonyms = {}


class Verdict(StrEnum):
    """accepted: act on it. unsure: ask back. rejected: not an answer to this question."""

    ACCEPTED = "accepted"
    UNSURE = "unsure"
    REJECTED = "rejected"


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """One stretch of speech, 8 kHz 16 bit mono, with some silence on both sides."""

    samples: Samples
    speech_seconds: float
    """How long the speech itself lasts, without the silence around it."""
    lead_seconds: float = 0.3
    """Silence before the speech."""


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """A value and how likely it is among the answers of its grammar, 0 to 1."""

    value: str
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Recognition:
    """What an engine makes of an utterance.

    `text` is what the engine would write without a grammar where it can, else the phrase it found. `value` is an
    answer of the grammar or a command (ivr_flows.grammars.RESERVED). `confidence` (0 to 1) is that of `value` being
    right at all. `alternatives` are the likeliest values with their probability among all answers, the best first.
    `started_seconds` and `ended_seconds` count from the start of the utterance's samples. `complete`: further words
    would not make another answer of it. `sure` says that the answer is complete and clear, so that nothing is gained by
    waiting for more audio; an answer that is always read back is never accepted outright and may be sure all the same.
    """

    verdict: Verdict
    value: str | None
    text: str
    confidence: float | None
    alternatives: tuple[Hypothesis, ...]
    engine: str
    sure: bool = False
    complete: bool = False
    started_seconds: float | None = None
    ended_seconds: float | None = None


class Recogniser(Protocol):
    """An engine. Implementations are used from one thread at a time and raise nothing for any audio."""

    @property
    def name(self) -> str: ...

    @property
    def grammars(self) -> frozenset[str]:
        """Names of the grammars it can listen for."""
        ...

    def prepare(self, grammar: str, synonyms: Synonyms = NO_SYNONYMS) -> None:
        """Build what the question needs, so that its first answer does not wait. Raises ValueError for synonyms
        that cannot be used.
        """
        ...

    def recognise(
        self, utterance: Utterance, grammar: str, synonyms: Synonyms = NO_SYNONYMS, *, final: bool = True
    ) -> Recognition:
        """Recognise one answer. `final` False: the caller may go on talking, only a sure answer is of use."""
        ...


def nothing_heard(engine: str, text: str = "") -> Recognition:
    """The verdict when no answer of the grammar fits at all."""
    return Recognition(
        verdict=Verdict.REJECTED, value=None, text=text, confidence=None, alternatives=(), engine=engine
    )


def best_alternatives(hypotheses: Sequence[Hypothesis]) -> tuple[Hypothesis, ...]:
    ranked = sorted(hypotheses, key=lambda hypothesis: (-hypothesis.confidence, hypothesis.value))
    return tuple(ranked[:MAXIMUM_ALTERNATIVES])
