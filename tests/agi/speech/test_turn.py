"""One question and its answer, without a clock, a socket or an engine."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agi.speech.question import Ending, Heard, Outcome, Question, heard_from_json, question_from_json
from agi.speech.recogniser import Hypothesis, Recognition, Verdict
from agi.speech.turn import Decode, Turn
from tests.agi.speech.conftest import Speak
from tests.agi.speech.telephone import Samples, frames, on_the_line, quiet_line

QUESTION = Question(
    grammar="yes_no",
    prompts=(Path("prompt.wav"),),
    silence_seconds=2,
    keys_maximum=2,
    key_gap_seconds=1,
    maximum_seconds=20,
)
YES = Recognition(
    verdict=Verdict.ACCEPTED,
    value="yes",
    text="Yes.",
    confidence=0.98,
    alternatives=(Hypothesis(value="yes", confidence=0.99),),
    engine="test",
)


@dataclass
class Talk:
    """Drives a turn in steps of 20 ms and keeps the decodes it asked for."""

    question: Question = QUESTION
    prompt_ms: int = 1000
    now_ms: int = 0
    decodes: list[Decode] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.turn = Turn(self.question, "test")

    def hear(self, audio: Samples, answer: Recognition | None = None, *, idle: bool = False) -> Heard | None:
        """Let the caller's audio pass; each decode is answered at once with `answer` if there is one."""
        for frame in frames(audio):
            self.now_ms += 20
            if self.turn.prompt_playing and self.now_ms >= self.prompt_ms:
                self.turn.prompt_ended(self.now_ms)
            for decode in (self.turn.on_audio(frame, self.now_ms), self.turn.on_tick(self.now_ms)):
                self._decode(decode, answer, idle=idle)
            if self.turn.heard:
                break
        return self.turn.heard

    def _decode(self, decode: Decode | None, answer: Recognition | None, *, idle: bool) -> None:
        if decode is not None:
            self.decodes.append(decode)
        if decode is not None and answer is not None:
            ahead = self.turn.on_recognition(decode, answer, self.now_ms, idle=idle)
            self._decode(ahead, answer, idle=idle)

    def wait(self, seconds: float) -> Heard | None:
        return self.hear(quiet_line(seconds))

    def wait_without_audio(self, seconds: float) -> Heard | None:
        for _ in range(int(seconds * 50)):
            self.now_ms += 20
            decode = self.turn.on_tick(self.now_ms)
            if decode is not None:
                self.decodes.append(decode)
        return self.turn.heard

    def press(self, keys: str) -> Heard | None:
        for key in keys:
            self.turn.on_key(key, self.now_ms)
        return self.turn.heard


def test_silence_counts_from_the_end_of_the_prompt() -> None:
    heard = Talk(prompt_ms=1000).wait(10)
    assert heard is not None and heard.outcome is Outcome.SILENCE
    assert 3000 <= heard.result_ms <= 3040


def test_a_sure_answer_ends_the_turn_at_the_first_pause(say: Speak) -> None:
    word = say("yes")
    talk = Talk(prompt_ms=200)
    heard = talk.hear(on_the_line(word), replace(YES, sure=True))
    assert heard is not None and (heard.outcome, heard.value) == (Outcome.ACCEPTED, "yes")
    assert heard.speech_ended_ms is not None and heard.result_ms - heard.speech_ended_ms <= 240
    assert heard.ended is Ending.SURE and [decode.final for decode in talk.decodes] == [False]


def test_an_answer_read_back_anyway_ends_the_turn_as_soon_as_it_is_complete(say: Speak) -> None:
    heard = Talk(prompt_ms=200).hear(on_the_line(say("yes")), replace(YES, verdict=Verdict.UNSURE, sure=True))
    assert heard is not None and (heard.outcome, heard.ended) == (Outcome.UNSURE, Ending.SURE)


def test_an_accepted_answer_that_is_not_sure_waits_until_the_caller_has_settled(say: Speak) -> None:
    talk = Talk(prompt_ms=200)
    heard = talk.hear(on_the_line(say("yes")), YES)
    assert heard is not None and heard.speech_ended_ms is not None
    assert 380 <= heard.result_ms - heard.speech_ended_ms <= 440
    assert heard.ended is Ending.END_OF_SPEECH and [decode.final for decode in talk.decodes] == [False, True]
    trial, settled = talk.decodes
    assert settled.utterance is trial.utterance, "an engine need not hear the same speech twice"


def test_a_whole_answer_is_taken_when_the_caller_has_settled_even_one_that_is_asked_back(say: Speak) -> None:
    for verdict in (Verdict.ACCEPTED, Verdict.UNSURE):
        whole = replace(YES, verdict=verdict, complete=True)
        heard = Talk(prompt_ms=200).hear(on_the_line(say("yes")), whole, idle=True)
        assert heard is not None and heard.speech_ended_ms is not None and heard.outcome == verdict
        assert 280 <= heard.result_ms - heard.speech_ended_ms <= 340


def test_what_is_no_answer_gets_all_the_time_there_is(say: Speak) -> None:
    heard = Talk(prompt_ms=200).hear(
        on_the_line(say("yes")), replace(YES, verdict=Verdict.REJECTED, complete=True), idle=True
    )
    assert heard is not None and heard.speech_ended_ms is not None and heard.outcome is Outcome.REJECTED
    assert 580 <= heard.result_ms - heard.speech_ended_ms <= 640


def test_an_answer_that_comes_late_is_judged_by_the_silence_of_then(say: Speak) -> None:
    """The engine was busy; by the time it answers, an answer that may go on has waited long enough, or has not."""
    for further_ms, taken in ((40, False), (140, True)):
        talk = Talk(prompt_ms=200)
        for frame in frames(on_the_line(say("yes"))):
            talk.hear(frame)
            if talk.decodes and talk.decodes[-1].final:
                break
        talk.wait(further_ms / 1000)
        talk.turn.on_recognition(talk.decodes[-1], YES, talk.now_ms)
        assert (talk.turn.heard is not None) is taken


def test_an_idle_engine_works_ahead_and_the_caller_still_may_go_on(say: Speak) -> None:
    talk = Talk(prompt_ms=200)
    heard = talk.hear(on_the_line(say("yes")), YES, idle=True)
    assert heard is not None and heard.speech_ended_ms is not None
    assert 380 <= heard.result_ms - heard.speech_ended_ms <= 440
    trial, ahead = talk.decodes
    assert (trial.final, ahead.final, heard.ended) == (False, True, Ending.END_OF_SPEECH)


def test_what_was_decoded_ahead_of_further_words_is_passed_over(say: Speak) -> None:
    loud = [np.flatnonzero(np.abs(say(word)) > 300) for word in ("yes", "no")]
    first, second = (say(word)[where[0] : where[-1]] for word, where in zip(("yes", "no"), loud, strict=True))
    pause = np.concatenate([on_the_line(first, trail_seconds=0.3), on_the_line(second, lead_seconds=0.0)])
    talk = Talk(prompt_ms=200)
    heard = talk.hear(pause, YES, idle=True)
    assert heard is not None and heard.result_ms > 1000
    assert [decode.final for decode in talk.decodes] == [False, True, False, True]
    assert talk.decodes[-1].utterance.speech_seconds > talk.decodes[1].utterance.speech_seconds


def test_a_doubtful_answer_waits_for_the_end_and_is_not_decoded_again(say: Speak) -> None:
    talk = Talk(prompt_ms=200)
    unsure = replace(YES, verdict=Verdict.UNSURE)
    heard = talk.hear(on_the_line(say("yes")), unsure)
    assert heard is not None and heard.speech_ended_ms is not None and heard.outcome is Outcome.UNSURE
    assert 580 <= heard.result_ms - heard.speech_ended_ms <= 640
    assert [decode.final for decode in talk.decodes] == [False, True]


def test_an_engine_behind_its_work_is_waited_for(say: Speak) -> None:
    talk = Talk(prompt_ms=200)
    assert talk.hear(on_the_line(say("yes"))) is None
    settled = talk.decodes[-1]
    assert talk.turn.wants(settled) and not talk.turn.wants(talk.decodes[0])
    talk.turn.on_recognition(settled, YES, talk.now_ms)
    assert talk.turn.heard is not None and talk.turn.heard.outcome is Outcome.ACCEPTED


def test_what_may_become_speech_holds_the_prompt_and_lets_it_go_on(say: Speak) -> None:
    talk = Talk(prompt_ms=60_000)
    for frame in frames(on_the_line(say("california"))):
        talk.hear(frame)
        if talk.turn.prompt_held:
            break
    assert talk.turn.prompt_held and talk.turn.prompt_playing
    talk.wait(0.4)
    assert not talk.turn.prompt_held and talk.turn.prompt_playing


def test_a_trial_overtaken_by_more_speech_is_passed_over(say: Speak) -> None:
    talk = Talk(prompt_ms=200)
    pause = np.zeros(int(0.3 * 8000), np.int16)
    line = on_the_line(np.concatenate([say("yes"), pause, say("california")]))
    cut = int((0.5 + 0.3) * 8000) + len(say("yes")) + 3200
    talk.hear(line[:cut])
    assert talk.decodes
    for decode in talk.decodes:
        assert not talk.turn.wants(decode)
        talk.turn.on_recognition(decode, replace(YES, sure=True), talk.now_ms)
    assert talk.turn.heard is None


def test_speech_stops_the_prompt_and_is_answered(say: Speak) -> None:
    talk = Talk(prompt_ms=60_000)
    heard = talk.hear(on_the_line(say("california")), YES)
    assert not talk.turn.prompt_playing
    assert heard is not None and heard.outcome is Outcome.ACCEPTED
    assert heard.speech_started_ms is not None and 400 <= heard.speech_started_ms <= 700


def test_a_prompt_that_must_be_heard_is_not_stopped(say: Speak) -> None:
    talk = Talk(question=replace(QUESTION, interruptible=False), prompt_ms=5000)
    assert talk.hear(on_the_line(say("california")), YES) is None
    assert talk.press("1") is None
    assert talk.turn.prompt_playing and not talk.decodes


def test_keys_end_with_their_number_their_end_key_or_a_gap() -> None:
    full, ended, gap = Talk(), Talk(), Talk()
    heard = full.press("64")
    assert heard is not None and (heard.outcome, heard.digits) == (Outcome.KEYS, "64")
    heard = ended.press("1#")
    assert heard is not None and (heard.outcome, heard.digits) == (Outcome.KEYS, "1")
    assert gap.press("6") is None and not gap.turn.prompt_playing
    heard = gap.wait(3)
    assert heard is not None and (heard.outcome, heard.digits) == (Outcome.KEYS, "6")
    assert [each.turn.heard.ended for each in (full, ended, gap) if each.turn.heard] == [
        Ending.KEYS_COMPLETE,
        Ending.KEYS_END,
        Ending.KEYS_TIMEOUT,
    ]
    assert 1000 <= heard.result_ms <= 1040


def test_an_instant_key_is_an_answer_when_it_is_the_first() -> None:
    question = replace(QUESTION, instant_keys="0*", keys_maximum=5)
    heard = Talk(question=question).press("0")
    assert heard is not None and (heard.digits, heard.ended) == ("0", Ending.KEYS_COMPLETE)
    later = Talk(question=question)
    assert later.press("40") is None
    heard = later.press("#")
    assert heard is not None and heard.digits == "40"


def test_keys_win_over_speech(say: Speak) -> None:
    talk = Talk(prompt_ms=0)
    talk.hear(on_the_line(say("yes"), trail_seconds=0.7))
    assert talk.decodes and talk.press("2") is None
    talk.turn.on_recognition(talk.decodes[-1], YES, talk.now_ms)
    heard = talk.wait(2)
    assert heard is not None and (heard.outcome, heard.digits) == (Outcome.KEYS, "2")


def test_a_caller_whose_audio_stops_in_mid_word_is_silent_not_stuck(say: Speak) -> None:
    talk = Talk(prompt_ms=0)
    talk.hear(on_the_line(say("california"), trail_seconds=0))
    talk.wait_without_audio(1.5)
    assert [decode.final for decode in talk.decodes] == [False, True]


def test_an_engine_that_never_answers_does_not_hold_the_caller(say: Speak) -> None:
    talk = Talk(prompt_ms=0)
    talk.hear(on_the_line(say("yes")))
    heard = talk.wait(8)
    assert heard is not None and heard.outcome is Outcome.REJECTED


def test_the_whole_turn_is_bounded(say: Speak) -> None:
    talk = Talk(question=replace(QUESTION, maximum_seconds=3, silence_seconds=30), prompt_ms=0)
    heard = talk.wait(10)
    assert heard is not None and heard.outcome is Outcome.SILENCE and heard.result_ms == 3000
    talking = Talk(question=replace(QUESTION, maximum_seconds=3, silence_seconds=30), prompt_ms=0)
    heard = talking.hear(on_the_line(np.concatenate([say("I want to buy a house")] * 4)), YES)
    assert heard is not None and heard.outcome is Outcome.ACCEPTED and heard.result_ms <= 3020


def test_a_hangup_ends_it_once() -> None:
    talk = Talk()
    talk.turn.on_hangup(500)
    talk.turn.on_key("1", 600)
    assert talk.turn.heard == Heard(outcome=Outcome.HANGUP, ended=Ending.HANGUP, engine="test", result_ms=500)


steps = st.lists(
    st.one_of(
        st.sampled_from("0123456789*#"),
        st.sampled_from([0.02, 0.4, 2.5]),
        st.sampled_from(["word", "hangup", "dropout"]),
    ),
    max_size=8,
)


@settings(deadline=None)
@given(steps, st.booleans(), st.integers(0, 3))
def test_every_turn_ends_whatever_happens(
    say_steps: list[str | float], interruptible: bool, keys: int
) -> None:
    question = replace(QUESTION, interruptible=interruptible, keys_maximum=keys, maximum_seconds=9)
    talk = Talk(question=question, prompt_ms=300)
    noise = (np.random.default_rng(1).standard_normal(6400) * 3000).astype(np.int16)
    for step in say_steps:
        if step == "word":
            talk.hear(noise)
        elif step == "hangup":
            talk.turn.on_hangup(talk.now_ms)
        elif step == "dropout":
            talk.wait_without_audio(0.3)
        elif isinstance(step, str):
            talk.press(step)
        else:
            talk.wait(step)
    heard = talk.wait(20)
    assert heard is not None
    assert len(heard.digits) <= keys
    assert heard_from_json(heard.to_json()) == heard


def test_a_question_survives_its_json() -> None:
    asked = replace(QUESTION, synonyms={"yes": ("you bet", "aye")}, instant_keys="0")
    for question in (QUESTION, asked):
        assert question_from_json(json.loads(json.dumps(question.to_json()))) == question
