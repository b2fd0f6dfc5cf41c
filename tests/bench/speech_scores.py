"""What callers said and what was understood, counted. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from agi.speech.question import Heard
from agi.speech.question import Outcome as Verdict
from tests.bench.report import NONE_MEASURED, Bar, at_least, at_most, percentile, progress, told
from tests.bench.speech_line import BAR_CONDITIONS, Condition
from tests.bench.speech_set import Item

BEST_AT_LEAST = {
    "yes_no": 98.0,
    "loan_type": 98.0,
    "state": 96.0,
    "zip": 93.0,
    "credit_band": 93.0,
    "money": 93.0,
}
"""Per cent right as best candidate (the issue's bars). The other grammars have none and are told."""
ACCEPTED_WRONG_AT_MOST = 1.0
NO_ANSWER_AT_MOST, NO_ANSWER_ON_EACH_AT_MOST = 2.0, 3.0
WRONG_AFTER_CONFIRMATION_AT_MOST = 0.5
FEWEST_NOES = 50
"""From so many on the bar is on a careful estimate of the noes that are misheard. QUICK hears a handful of them: by
those the estimate would say more of how few they are than of how they are heard.
"""
RESULT_MS_MEDIAN, RESULT_MS_P95, RESULT_MS_WORST = 350.0, 750.0, 1500.0
PROTOTYPE = "prototype: 600 ms of silence, then the decode"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One question that was put: what was said to it, and what came of it. `answer_ms`: from the end of speech to the
    result; None when the end was not said any more, and for what answers nothing.
    """

    grammar: str
    item: Item
    heard: Heard
    answer_ms: float | None

    @property
    def best(self) -> str | None:
        """The likeliest value, accepted or not."""
        return self.heard.alternatives[0][0] if self.heard.alternatives else self.heard.value

    @property
    def is_right(self) -> bool:
        return self.item.grammar is not None and self.best == self.item.value

    @property
    def is_accepted(self) -> bool:
        return self.heard.outcome is Verdict.ACCEPTED

    @property
    def is_accepted_wrong(self) -> bool:
        return self.is_accepted and self.heard.value != self.item.value

    @property
    def is_judged_for_time(self) -> bool:
        """An answer, on a line that is fit for it, of which something was heard."""
        heard = self.heard.outcome in (Verdict.ACCEPTED, Verdict.UNSURE, Verdict.REJECTED)
        return heard and self.item.grammar is not None and self.item.condition in BAR_CONDITIONS

    @property
    def waited_ms(self) -> float | None:
        """How long the caller waited for the result; None when it came before the end of speech."""
        return self.answer_ms if self.answer_ms is not None and self.answer_ms >= 0 else None

    @property
    def is_read_back_wrong(self) -> bool:
        return self.heard.outcome is Verdict.UNSURE and self.heard.value != self.item.value


def bars_of(asked: Sequence[Asked], engine: str, unintelligible: frozenset[str] = frozenset()) -> list[Bar]:
    """Every bar on what was understood and how soon, and a table of all conditions. `unintelligible`: voices
    without which the bars on the best candidate are told a second time.
    """
    answers = [one for one in asked if one.item.grammar is not None]
    judged = [one for one in answers if one.item.condition in BAR_CONDITIONS]
    bars = [_best_bar(name, of, engine) for name, of in _by(judged, lambda one: one.grammar)]
    if unintelligible:
        clear = [one for one in judged if one.item.voice not in unintelligible]
        without = f"{engine}, without {', '.join(sorted(unintelligible))}"
        bars += [_best_bar(name, of, without) for name, of in _by(clear, lambda one: one.grammar)]
    bars += [
        at_most(
            f"accepted wrong, {name}", _percent(of, lambda one: one.is_accepted_wrong), "%", ACCEPTED_WRONG_AT_MOST,
            yardstick=f"{len(of)} answers",
        )
        for name, of in _by(judged, lambda one: one.grammar)
    ]  # fmt: skip
    bars += _no_answer_bars([one for one in asked if one.item.grammar is None])
    bars.append(_after_confirmation(judged))
    return [*bars, *result_bars(asked), *noise_bars(asked), *table(asked)]


def noise_bars(asked: Iterable[Asked]) -> list[Bar]:
    """How questions end at 10 dB. Keys are offered at once there: whoever is not understood can still answer."""
    noisy = [
        one for one in asked if one.item.condition is Condition.NOISE_10_DB and one.item.grammar is not None
    ]
    if not noisy:
        return []
    counted = {name: sum(map(is_such, noisy)) for name, is_such in _ENDS.items()}
    return [
        told(f"at 10 dB {name}", 100 * count / len(noisy), "%", yardstick=f"{count} of {len(noisy)} answers")
        for name, count in counted.items()
    ]


def table(asked: Sequence[Asked]) -> list[Bar]:
    """Every grammar in every condition, and what was made of speech and noise that answer nothing."""
    answers = [one for one in asked if one.item.grammar is not None]
    others = [one for one in asked if one.item.grammar is None]
    rows = [
        _row(f"{grammar}, {condition}: best right", some, lambda one: one.is_right)
        for grammar, of in _by(answers, lambda one: one.grammar)
        for condition, some in _by(of, lambda one: one.item.condition.value)
    ]
    return rows + [
        _row(f"{grammar}, no answer, {kind}: accepted", some, lambda one: one.is_accepted)
        for grammar, of in _by(others, lambda one: one.grammar)
        for kind, some in _by(of, lambda one: "noise" if one.item.is_noise else "speech")
    ]


def _row(name: str, of: Sequence[Asked], share: Callable[[Asked], bool]) -> Bar:
    ends = ", ".join(f"{_percent(of, is_such):.1f} % {end}" for end, is_such in _ENDS.items())
    return told(name, _percent(of, share), "%", yardstick=f"{len(of)}: {ends}")


_ENDS: Mapping[str, Callable[[Asked], bool]] = MappingProxyType({
    "accepted right": lambda one: one.is_accepted and not one.is_accepted_wrong,
    "accepted wrong": lambda one: one.is_accepted_wrong,
    "read back": lambda one: one.heard.outcome is Verdict.UNSURE,
    "rejected": lambda one: one.heard.outcome is Verdict.REJECTED,
    "taken for silence": lambda one: one.heard.outcome is Verdict.SILENCE,
})  # fmt: skip
"""How a question may end, by name."""


def _best_bar(grammar: str, of: Sequence[Asked], engine: str) -> Bar:
    value = _percent(of, lambda one: one.is_right)
    name, yardstick = f"best candidate right, {grammar}", f"{len(of)} answers, {engine}"
    if grammar in BEST_AT_LEAST:
        return at_least(name, value, "%", BEST_AT_LEAST[grammar], yardstick=yardstick)
    return told(name, value, "%", yardstick=yardstick)


def _no_answer_bars(asked: Sequence[Asked]) -> list[Bar]:
    speech = [one for one in asked if not one.item.is_noise]
    noise = [one for one in asked if one.item.is_noise]
    bars: list[Bar] = []
    if speech:
        value = _percent(speech, lambda one: one.is_accepted)
        bars.append(
            at_most(
                "out-of-grammar speech accepted", value, "%", NO_ANSWER_AT_MOST, yardstick=f"{len(speech)}"
            )
        )
    for grammar, of in _by(speech, lambda one: one.grammar):
        value = _percent(of, lambda one: one.is_accepted)
        limit = NO_ANSWER_ON_EACH_AT_MOST
        bars.append(at_most(f"out-of-grammar accepted, {grammar}", value, "%", limit, yardstick=f"{len(of)}"))
    if noise:
        value = _percent(noise, lambda one: one.is_accepted)
        bars.append(told("noise, music, silence accepted", value, "%", yardstick=f"{len(noise)}"))
    return bars


def _after_confirmation(judged: Sequence[Asked]) -> Bar:
    """Wrong for good: accepted at once, or read back and the caller's "no" taken as a yes. How often that happens is
    estimated by the noes of this very run.
    """
    wrong = sum(one.is_accepted_wrong for one in judged)
    read_back = sum(one.is_read_back_wrong for one in judged)
    noes = [one for one in judged if one.grammar == "yes_no" and one.item.value == "no"]
    misheard = sum(one.is_accepted and one.heard.value == "yes" for one in noes)
    rate = misheard_share(misheard, len(noes))
    value = 100 * (wrong + read_back * rate) / max(len(judged), 1)
    return at_most(
        "questions that end with a wrong value", value, "%", WRONG_AFTER_CONFIRMATION_AT_MOST,
        yardstick=f"{wrong} accepted at once, {read_back} read back; of {len(noes)} noes {misheard} taken as a yes, "
        f"counted as {100 * rate:.2f} %",
    )  # fmt: skip


def misheard_share(misheard: int, of: int) -> float:
    """The share that goes wrong, by the rule of succession: one that never did so far is still thought to do so some
    day. Too few tell no more than what was seen.
    """
    return (misheard + 1) / (of + 2) if of >= FEWEST_NOES else misheard / max(of, 1)


def result_bars(asked: Iterable[Asked]) -> list[Bar]:
    """End of speech to result. A result before the end of speech is counted apart: it would make the others sooner."""
    answers = [one for one in asked if one.is_judged_for_time]
    took = [one.waited_ms for one in answers if one.waited_ms is not None]
    early = len(answers) - len(took)
    median, late = (percentile(took or [NONE_MEASURED], percent) for percent in (50, 95))
    yardstick = f"{len(took)} answers, without {early} before the end; {PROTOTYPE}"
    return [
        at_most("end of speech to result, median", median, "ms", RESULT_MS_MEDIAN, yardstick=yardstick),
        at_most("end of speech to result, p95", late, "ms", RESULT_MS_P95, yardstick=yardstick),
        told(
            "result before the end of speech", _percent(answers, lambda one: one.waited_ms is None), "%",
            yardstick=f"{early} of {len(answers)} answers; not in the median and the p95",
        ),
    ]  # fmt: skip


def tell_endings(asked: Iterable[Asked]) -> None:
    counts = Counter(one.heard.ended.value for one in asked)
    progress("why questions ended: " + ", ".join(f"{name} {count}" for name, count in counts.most_common()))


def _by(asked: Sequence[Asked], key: Callable[[Asked], str]) -> list[tuple[str, list[Asked]]]:
    groups: dict[str, list[Asked]] = {}
    for one in asked:
        groups.setdefault(key(one), []).append(one)
    order = {condition.value: place for place, condition in enumerate(Condition)}
    return sorted(groups.items(), key=lambda pair: (order.get(pair[0], 0), pair[0]))


def _percent(of: Sequence[Asked], share: Callable[[Asked], bool]) -> float:
    return 100 * sum(map(share, of)) / max(len(of), 1)
