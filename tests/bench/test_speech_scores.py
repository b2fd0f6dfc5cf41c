"""How answers are counted, by a handful of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from agi.speech.question import Heard
from agi.speech.question import Outcome as Verdict
from tests.bench.report import Bar
from tests.bench.speech_line import Condition
from tests.bench.speech_scores import Asked, bars_of, misheard_share, noise_bars, result_bars, table
from tests.bench.speech_set import NOISE, Half, Item


def asked(
    heard: str = "OH",
    *,
    said: str = "OH",
    grammar: str = "state",
    verdict: Verdict = Verdict.ACCEPTED,
    alternatives: Sequence[str] = (),
    condition: Condition = Condition.CLEAN,
    answer_ms: float | None = 200.0,
    voice: str = "joe",
) -> Asked:
    """Somebody who is asked `grammar`, says `said` ('' for what answers nothing) and is heard to say `heard`."""
    item = Item(
        grammar=grammar if said else None, value=said, phrase=said, voice=voice, condition=condition,
        half=Half.UNTOUCHED, speech=np.zeros(0), babble=(),
    )  # fmt: skip
    found = Heard(
        outcome=verdict, value=heard or None, alternatives=tuple((value, 0.5) for value in alternatives)
    )
    return Asked(grammar=grammar, item=item, heard=found, answer_ms=answer_ms)


def bar(name: str, bars: Sequence[Bar]) -> Bar:
    return next(one for one in bars if one.name == name)


def value(name: str, of: Sequence[Asked]) -> float:
    return bar(name, bars_of(of, "moonshine")).value


def test_the_best_candidate_counts_whether_it_is_accepted_or_not() -> None:
    rejected = asked("", verdict=Verdict.REJECTED, alternatives=("OH", "IA"))
    read_back = asked("OH", verdict=Verdict.UNSURE)
    wrong = asked("IA", alternatives=("IA", "OH"))
    nothing = asked("", verdict=Verdict.REJECTED)
    assert [one.is_right for one in (rejected, read_back, wrong, nothing)] == [True, True, False, False]
    assert value("best candidate right, state", [rejected, read_back, wrong, nothing]) == 50


def test_bars_are_on_lines_that_are_fit_for_them() -> None:
    noisy = asked("IA", condition=Condition.NOISE_5_DB)
    assert value("best candidate right, state", [asked(), asked(condition=Condition.LOSS_3), noisy]) == 100


def test_a_voice_that_people_do_not_understand_counts_and_is_left_out_in_a_second_number() -> None:
    bars = bars_of([asked(), asked("IA", voice="kal16")], "moonshine", frozenset({"kal16"}))
    told = [one.value for one in bars if one.name == "best candidate right, state"]
    assert told == [50, 100]


def test_only_what_is_accepted_is_accepted_wrong() -> None:
    answers = [asked(), asked("IA"), asked("IA", verdict=Verdict.UNSURE), asked("", verdict=Verdict.REJECTED)]
    assert value("accepted wrong, state", answers) == 25


def test_what_answers_nothing_must_not_be_accepted_and_noise_is_told_apart() -> None:
    others = [
        asked("OH", said=""),
        asked("", said="", verdict=Verdict.REJECTED),
        asked("yes", said="", grammar="yes_no"),
        asked("yes", said="", grammar="yes_no", verdict=Verdict.UNSURE),
        asked("OH", said="", voice=NOISE),
    ]
    assert value("out-of-grammar speech accepted", others) == 50
    assert value("out-of-grammar accepted, state", others) == 50
    assert value("out-of-grammar accepted, yes_no", others) == 50
    assert value("noise, music, silence accepted", others) == 100


def noes(count: int, misheard: int = 0) -> list[Asked]:
    taken_as_yes = [asked("yes", said="no", grammar="yes_no") for _ in range(misheard)]
    return taken_as_yes + [asked("no", said="no", grammar="yes_no") for _ in range(count - misheard)]


def test_noes_that_were_never_misheard_may_still_be() -> None:
    assert misheard_share(0, 150) == pytest.approx(1 / 152)
    assert misheard_share(3, 150) == pytest.approx(4 / 152)
    assert misheard_share(1, 4) == 0.25 and misheard_share(0, 4) == 0 and misheard_share(0, 0) == 0


def test_a_wrong_value_stays_when_it_is_accepted_or_the_no_to_it_is_misheard() -> None:
    read_back = [asked("IA", verdict=Verdict.UNSURE) for _ in range(30)]
    right = [asked() for _ in range(19)]
    bars = bars_of([*noes(150), *read_back, *right, asked("IA")], "moonshine")
    end = bar("questions that end with a wrong value", bars)
    assert end.value == pytest.approx(100 * (1 + 30 / 152) / 200, abs=0.001) and not end.holds
    assert end.yardstick == (
        "1 accepted at once, 30 read back; of 150 noes 0 taken as a yes, counted as 0.66 %"
    )


def test_a_handful_of_noes_is_judged_by_what_was_seen() -> None:
    read_back = [asked("IA", verdict=Verdict.UNSURE)]
    assert value("questions that end with a wrong value", [*noes(4), *read_back]) == 0
    assert value("questions that end with a wrong value", [*noes(4, misheard=1), *read_back]) == 25


def test_results_count_from_the_end_of_speech_and_those_before_it_are_told_apart() -> None:
    early = [asked(answer_ms=None), asked(answer_ms=-80.0), asked(answer_ms=-5.0)]
    later = [asked(answer_ms=each) for each in (100.0, 200.0, 400.0)]
    bars = result_bars([*early, *later])
    assert bar("end of speech to result, median", bars).value == 200
    assert bar("end of speech to result, p95", bars).value == 400
    assert bar("end of speech to result, p95", bars).yardstick.startswith(
        "3 answers, without 3 before the end"
    )
    assert bar("result before the end of speech", bars).value == 50


def test_silence_noise_and_speech_that_answers_nothing_take_no_time() -> None:
    others = [
        asked("", verdict=Verdict.SILENCE, answer_ms=4000.0),
        asked(condition=Condition.NOISE_5_DB, answer_ms=900.0),
        asked("", said="", verdict=Verdict.REJECTED, answer_ms=None),
    ]
    bars = result_bars([asked(answer_ms=300.0), *others])
    assert bar("end of speech to result, p95", bars).value == 300
    assert bar("result before the end of speech", bars).value == 0


def test_when_no_result_is_measured_none_is_fast() -> None:
    assert not bar("end of speech to result, median", result_bars([])).holds


def test_the_report_says_how_questions_end_at_10_db() -> None:
    noisy = [
        asked(),
        asked("IA"),
        asked("IA", verdict=Verdict.UNSURE),
        asked("", verdict=Verdict.REJECTED),
        asked("", verdict=Verdict.SILENCE),
    ]
    noisy = [replace(one, item=replace(one.item, condition=Condition.NOISE_10_DB)) for one in noisy]
    unrelated = asked("", said="", verdict=Verdict.REJECTED, condition=Condition.NOISE_10_DB)
    bars = noise_bars([*noisy, unrelated, asked()])
    assert [one.name.removeprefix("at 10 dB ") for one in bars] == [
        "accepted right", "accepted wrong", "read back", "rejected", "taken for silence",
    ]  # fmt: skip
    assert {one.value for one in bars} == {20} and {one.yardstick for one in bars} == {"1 of 5 answers"}
    assert not noise_bars([asked()])


def test_the_report_has_every_grammar_in_every_condition() -> None:
    rows = table(
        [
            asked("", verdict=Verdict.REJECTED, alternatives=["OH"], condition=Condition.LOSS_1),
            asked("IA", condition=Condition.LOSS_1),
            asked(),
            asked("yes", said="", grammar="yes_no"),
            asked("", said="", grammar="yes_no", voice=NOISE, verdict=Verdict.SILENCE),
        ]
    )
    assert [(row.name, row.value) for row in rows] == [
        ("state, clean: best right", 100),
        ("state, loss 1 %: best right", 50),
        ("yes_no, no answer, noise: accepted", 0),
        ("yes_no, no answer, speech: accepted", 100),
    ]
    assert rows[1].yardstick == (
        "2: 0.0 % accepted right, 50.0 % accepted wrong, 0.0 % read back, 50.0 % rejected, 0.0 % taken for silence"
    )
