"""How well each voice of the test set can be understood at all, by a recogniser that nobody holds to a grammar.

    python -m tests.bench.speech_intelligible        the share of wrong words in plain sentences, voice by voice

A synthetic voice of which most words are lost on a clean telephone line tells little about callers. It stays in the set
and in every bar; the bars are told a second time without it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from functools import cache

from agi.speech.constrained_search import ConstrainedSearch
from agi.speech.model_audio import at_model_rate
from agi.speech.moonshine_model import MoonshineModel
from tests.bench.report import progress
from tests.bench.speech_cases import utterance_of
from tests.bench.speech_line import Condition
from tests.bench.speech_set import Half, Item, load
from tests.bench.speech_voices import VOICES, Voice

UNINTELLIGIBLE_ABOVE = 0.6
"""Share of wrong words."""


@cache
def unintelligible_voices() -> frozenset[str]:
    """Names of the voices of which most is lost. Takes some 15 s of CPU, once a process."""
    return frozenset(name for name, share in word_errors(VOICES).items() if share > UNINTELLIGIBLE_ABOVE)


def word_errors(voices: Iterable[Voice]) -> dict[str, float]:
    """Share of wrong words in the sentences of the development half that answer nothing, on a clean line."""
    model = MoonshineModel()
    search = ConstrainedSearch(model)
    found: dict[str, float] = {}
    for voice in voices:
        wrong = said = 0
        for item in load(Half.DEVELOPMENT, grammars=(), conditions=(Condition.CLEAN,), voices=(voice.name,)):
            words = _words(item.phrase)
            wrong += distance(words, _words(_written(model, search, item)))
            said += len(words)
        found[voice.name] = wrong / max(said, 1)
    return found


def _written(model: MoonshineModel, search: ConstrainedSearch, item: Item) -> str:
    utterance = utterance_of(item.line.heard())
    if utterance is None:
        return ""
    return search.free_text(model.begin(model.listen(at_model_rate(utterance.samples)))).text


def distance(one: Sequence[str], other: Sequence[str]) -> int:
    """How many words (or phones) must be put in, left out or changed to make one of the other."""
    row = list(range(len(other) + 1))
    for index, word in enumerate(one, start=1):
        diagonal, row[0] = row[0], index
        for column, against in enumerate(other, start=1):
            diagonal, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, diagonal + (word != against)),
            )
    return row[-1]


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower().replace("’", "'"))


def main() -> int:
    shares = word_errors(VOICES)
    for name, share in shares.items():
        progress(f"{name:24} {100 * share:5.1f} % of words wrong")
    print(json.dumps({name: round(share, 3) for name, share in shares.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
