"""What the embedded engine gets wrong of the test set, utterance by utterance, without calls: minutes instead of hours.

    python -m tests.bench.speech_errors [--every N] [--half untouched] [grammar ...]

Each utterance is heard on a clean line and on one of the other lines that the bars speak of, to its end: what a call
adds (early decodes, packets that come late) is for `make bench-speech` to measure. Tune on the development half only.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from agi.speech.moonshine_engine import MoonshineEngine
from agi.speech.recogniser import Verdict
from tests.bench.report import progress
from tests.bench.speech_cases import utterance_of
from tests.bench.speech_line import BAR_CONDITIONS, Condition
from tests.bench.speech_scores import BEST_AT_LEAST
from tests.bench.speech_set import Half, Item, load
from tests.bench.speech_voices import VOICES

_PROCESSES = 2
_OTHERS = tuple(condition for condition in BAR_CONDITIONS if condition is not Condition.CLEAN)


@dataclass(frozen=True, kw_only=True)
class Told:
    """One utterance and what was made of it; `best` is None for silence."""

    grammar: str
    voice: str
    condition: str
    phrase: str
    value: str
    best: str | None
    accepted: bool
    text: str

    @property
    def is_right(self) -> bool:
        return self.best == self.value


def told_by(voice: str, half: Half, grammars: Sequence[str], every: int) -> list[Told]:
    """Hear one voice."""
    engine = MoonshineEngine()
    items = load(half, grammars=grammars, conditions=BAR_CONDITIONS, voices=(voice,), with_no_answers=False)
    return [_told(engine, item) for item in drawn(items, every)]


def drawn(items: Iterable[Item], every: int) -> Iterator[Item]:
    """One utterance in `every`, clean and in one other condition, by digest: the same everywhere."""
    for item in items:
        digest = zlib.crc32(f"{item.voice}|{item.phrase}".encode())
        if digest % every == 0 and item.condition in (
            Condition.CLEAN,
            _OTHERS[digest // every % len(_OTHERS)],
        ):
            yield item


def _told(engine: MoonshineEngine, item: Item) -> Told:
    utterance, grammar = utterance_of(item.line.heard()), str(item.grammar)
    heard = engine.recognise(utterance, grammar) if utterance is not None else None
    best = heard.alternatives[0].value if heard is not None and heard.alternatives else None
    return Told(
        grammar=grammar, voice=item.voice, condition=str(item.condition), phrase=item.phrase, value=item.value,
        best=best, accepted=heard is not None and heard.verdict is Verdict.ACCEPTED, text=heard.text if heard else "",
    )  # fmt: skip


def shares(told: Sequence[Told]) -> dict[str, float]:
    """Per cent right, accepted and accepted wrong."""
    counts = {
        "best right": sum(one.is_right for one in told),
        "accepted": sum(one.accepted for one in told),
        "accepted wrong": sum(one.accepted and not one.is_right for one in told),
    }
    return {name: round(100 * count / max(len(told), 1), 1) for name, count in counts.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("grammars", nargs="*", default=list(BEST_AT_LEAST))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--half", type=Half, default=Half.DEVELOPMENT)
    options = parser.parse_args()
    hear = partial(told_by, half=options.half, grammars=options.grammars, every=options.every)
    with ProcessPoolExecutor(_PROCESSES) as pool:
        told = [one for of_voice in pool.map(hear, [voice.name for voice in VOICES]) for one in of_voice]
    if options.half is Half.DEVELOPMENT:
        for one in told:
            if not one.is_right:
                progress(
                    f"{one.grammar} {one.voice} {one.condition}: {one.phrase!r} -> {one.best}, {one.text!r}"
                )
    for grammar in options.grammars:
        of = [one for one in told if one.grammar == grammar]
        print(json.dumps({"grammar": grammar, "half": options.half, "answers": len(of), **shares(of)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
