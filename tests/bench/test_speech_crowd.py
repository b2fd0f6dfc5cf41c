"""What forty callers at once have to hold: they were all there, and all of them were served."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.bench.report import Bar
from tests.bench.speech_crowd import TALKING_AT_ONCE, CallUp, Crowd, crowd_bars

TO_THE_END = [CallUp(from_seconds=number / 10, to_seconds=21.0) for number in range(TALKING_AT_ONCE)]
SERVED = Crowd(
    answered=3, waited_ms=(200.0, 300.0, 400.0), problems=(), calls=TO_THE_END, ended_seconds=20.0,
    frames=10_000, late_frames=1, worst_late_ms=6.0,
)  # fmt: skip


def fallen(seen: Crowd) -> list[str]:
    return [bar.name for bar in crowd_bars(seen) if not bar.holds]


def calls_bar(calls: Sequence[CallUp]) -> Bar:
    return crowd_bars(replace(SERVED, calls=calls))[0]


def test_forty_who_are_answered_in_time_hold_every_bar() -> None:
    assert not fallen(SERVED)
    assert calls_bar(TO_THE_END).value == 40
    assert calls_bar(TO_THE_END).yardstick == "together for 16.1 s; 0 cut off, 0 never got through"


def test_one_question_refused_is_too_many() -> None:
    assert fallen(replace(SERVED, problems=["busy"])) == ["questions of 40 callers refused or lost"]


def test_who_is_never_answered_is_not_answered_fast() -> None:
    nobody = replace(SERVED, answered=0, waited_ms=(), problems=["busy"] * 9)
    assert fallen(nobody) == ["slowest answer", "questions of 40 callers refused or lost"]


def test_a_caller_who_is_cut_off_is_missed() -> None:
    bar = calls_bar([*TO_THE_END[1:], CallUp(from_seconds=0.0, to_seconds=12.0)])
    assert (bar.value, bar.holds) == (39, False)
    assert "1 cut off, 0 never" in bar.yardstick


def test_a_caller_who_never_gets_through_or_comes_too_late_is_missed() -> None:
    assert "0 cut off, 1 never" in calls_bar(TO_THE_END[1:]).yardstick
    late = calls_bar([*TO_THE_END[1:], CallUp(from_seconds=20.5, to_seconds=21.0)])
    assert (late.value, late.holds) == (39, False)


def test_nobody_at_all_is_no_crowd() -> None:
    assert calls_bar([]).value == 0 and not calls_bar([]).holds
