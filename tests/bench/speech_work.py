"""What is said to the speech benchmark, drawn by seed, and what came of it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agi.speech.question import Question
from tests.bench.speech_line import Condition
from tests.bench.speech_scores import Asked
from tests.bench.speech_set import Half, Item, load

BEYOND_SHARE = 0.5  # of the utterances are said on a line worse than the bars speak of, too
NO_ANSWER_QUESTIONS = 2  # each sentence that answers nothing is said to so many


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is measured: one utterance in `every` of the untouched half, and so on."""

    every: int
    barge_ins: int
    talking_seconds: float


WHOLE = Plan(every=1, barge_ins=120, talking_seconds=45)
"""Of credit's 94 utterances every second one told 87 % right, three times alike, and all of them 94 %."""
QUICK = Plan(every=24, barge_ins=16, talking_seconds=12)


@dataclass(kw_only=True)
class Measured:
    asked: list[Asked] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    broken_off: int = 0
    sent_seconds: float = 0.0


def drawn_work(grammars: Sequence[str], plan: Plan) -> list[tuple[str, Item]]:
    """Every utterance clean, in one of the other conditions of the bars, and half of them in one beyond; by seed."""
    dice = random.Random(20)
    work: list[tuple[str, Item]] = []
    others = [Condition.NOISE_20_DB, Condition.LOSS_1, Condition.LOSS_3]
    beyond = [Condition.NOISE_10_DB, Condition.NOISE_5_DB, Condition.LEADING_SILENCE, Condition.OVER_TALK]
    last, wanted = "", set[Condition]()
    for item in load(Half.UNTOUCHED, grammars=grammars):
        if f"{item.voice}|{item.phrase}" != last:
            last = f"{item.voice}|{item.phrase}"
            wanted = {Condition.CLEAN, dice.choice(others)}
            if dice.random() < BEYOND_SHARE:
                wanted.add(dice.choice(beyond))
            if dice.randrange(plan.every):
                wanted = set()
        if item.condition not in wanted:
            continue
        asked = (
            [item.grammar]
            if item.grammar
            else dice.sample(list(grammars), min(NO_ANSWER_QUESTIONS, len(grammars)))
        )
        work += [(grammar, item) for grammar in asked]
    dice.shuffle(work)
    return work


def question_of(grammar: str, prompt: Path) -> Question:
    return Question(
        grammar=grammar, prompts=(prompt,), silence_seconds=4.0, maximum_seconds=25.0, keys_maximum=1
    )


def quiet_before(item: Item, seconds: float) -> tuple[bytes | None, ...]:
    """A quiet line before the item's own: its first half second, again and again."""
    frames = item.line.frames[:25]
    return tuple(frames[number % 25] for number in range(int(seconds * 50)))


def first_of(problems: Sequence[str]) -> str:
    return problems[0] if problems else ""
