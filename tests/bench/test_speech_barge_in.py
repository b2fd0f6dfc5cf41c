"""What counts as a prompt that gives way: it stops, soon, and not before there is a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agi.speech.question import Heard
from agi.speech.question import Outcome as Verdict
from tests.bench.speech_barge_in import barge_in_bars, stopped_after_ms
from tests.bench.speech_station import Outcome

SPOKE = Outcome(
    heard=Heard(outcome=Verdict.ACCEPTED, value="yes", speech_started_ms=1000),
    speech_started_ms=5000.0, last_sound_ms=5090.0,
)  # fmt: skip
PRESSED = Outcome(heard=Heard(outcome=Verdict.KEYS, digits="1"), key_sent_ms=5000.0, last_sound_ms=5010.0)


def fallen(voice: list[float | None], keys: list[float | None]) -> dict[str, float]:
    return {bar.name: bar.value for bar in barge_in_bars(voice, keys) if not bar.holds}


def test_a_prompt_goes_on_until_its_last_packet() -> None:
    assert stopped_after_ms(SPOKE, voice=True) == 90
    assert stopped_after_ms(PRESSED, voice=False) == 10


def test_a_prompt_that_stopped_before_the_caller_spoke_is_not_fast() -> None:
    assert stopped_after_ms(replace(SPOKE, last_sound_ms=4000.0), voice=True) == -1000
    assert stopped_after_ms(replace(SPOKE, speech_started_ms=None), voice=True) == float("-inf")


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(heard=None, problem="busy"),
        replace(SPOKE, last_sound_ms=None),
        replace(SPOKE, heard=Heard(outcome=Verdict.SILENCE)),
    ],
)
def test_a_prompt_is_not_stopped_when_no_voice_was_heard(outcome: Outcome) -> None:
    assert stopped_after_ms(outcome, voice=True) is None


def test_a_prompt_that_a_voice_stopped_is_not_stopped_by_a_key() -> None:
    assert stopped_after_ms(replace(PRESSED, heard=SPOKE.heard), voice=False) is None


def test_prompts_that_give_way_in_time_hold_every_bar() -> None:
    assert not fallen([90.0, 100.0, -15.0], [10.0, 20.0, -60.0])


def test_stopping_early_is_a_fault_and_makes_nothing_faster() -> None:
    assert fallen([-21.0, -500.0, 160.0, float("-inf")], [-121.0, 10.0]) == {
        "prompt stops after speech starts, median": 160.0,
        "prompts stopped before the caller spoke": 3.0,
        "prompts stopped before a key was pressed": 1.0,
    }


def test_two_in_a_hundred_may_be_missed() -> None:
    assert not fallen([90.0] * 98 + [None] * 2, [10.0] * 98 + [None] * 2)
    assert fallen([90.0] * 97 + [None] * 3, [10.0] * 97 + [None] * 3) == {
        "prompt not stopped by speech": 3.0,
        "prompt not stopped by a key": 3.0,
    }


def test_when_none_stops_the_bars_fall_and_the_bench_does_not() -> None:
    assert set(fallen([None], [None])) == {
        "prompt stops after speech starts, median",
        "prompt not stopped by speech",
        "prompt stops after a key, p95",
        "prompt not stopped by a key",
    }
    assert len(fallen([], [])) == 4
