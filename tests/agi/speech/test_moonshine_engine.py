"""The embedded engine on piper's voice through a telephone line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agi.speech.engine_choice import choose_engine
from agi.speech.moonshine_engine import MAXIMUM_AUTOMATA, MoonshineEngine
from agi.speech.moonshine_model import DecoderState
from agi.speech.pronunciation import Pronunciation, sound_distance
from agi.speech.recogniser import Utterance, Verdict
from ivr_flows.grammars import GRAMMARS
from tests.agi.speech.conftest import Speak
from tests.agi.speech.telephone import on_the_line, utterance_in


@pytest.mark.parametrize(
    ("grammar", "sentence", "value"),
    [
        ("loan_type", "refinance", "refinance"),
        ("loan_type", "I want to buy a house", "purchase"),
        ("state", "california", "CA"),
        ("state", "I live in West Virginia", "WV"),
        ("state", "Texas", "TX"),
        ("yes_no", "yes", "yes"),
        ("yes_no", "no", "no"),
        ("credit_band", "excellent", "excellent"),
        ("timeline", "three to six months", "3_to_6_months"),
        ("age", "sixty two", "62"),
    ],
)
def test_an_answer_is_accepted(
    moonshine: MoonshineEngine, say: Speak, grammar: str, sentence: str, value: str
) -> None:
    recognition = moonshine.recognise(utterance_in(on_the_line(say(sentence))), grammar)
    assert (recognition.verdict, recognition.value) == (Verdict.ACCEPTED, value)
    assert recognition.confidence is not None and recognition.confidence > 0.8
    assert recognition.alternatives[0].value == value
    assert recognition.text and recognition.engine == "moonshine-tiny-en"
    assert recognition.started_seconds == 0.3 and (recognition.ended_seconds or 0) > 0.5


@pytest.mark.parametrize(
    ("grammar", "sentence", "value"),
    [
        ("money", "three hundred thousand dollars", "300000"),
        ("zip", "nine, one, seven, zero, two", "91702"),
        ("number", "twenty five", "25"),
        ("date", "October tenth, nineteen eighty eight", "1988-10-10"),
    ],
)
def test_what_one_misheard_figure_changes_is_always_read_back(
    moonshine: MoonshineEngine, say: Speak, grammar: str, sentence: str, value: str
) -> None:
    recognition = moonshine.recognise(utterance_in(on_the_line(say(sentence))), grammar, final=False)
    assert (recognition.verdict, recognition.value) == (Verdict.UNSURE, value)
    assert recognition.alternatives[0].value == value


def test_an_answer_that_the_search_lost_is_found_when_it_is_asked_for(
    moonshine: MoonshineEngine, say: Speak
) -> None:
    automaton = moonshine._automaton("state", {})
    sound = moonshine.hear(utterance_in(on_the_line(say("california"))), "state")
    (found,) = sound.answers.values()
    lost = next(code for code in automaton.ways if code not in found)
    asked_for = moonshine._search.answers(sound.start, automaton.held_to([lost]))
    assert set(asked_for) == {lost}
    assert asked_for[lost].log_probability < found["CA"].log_probability


def test_searching_beside_another_search_finds_what_it_finds_alone(
    moonshine: MoonshineEngine, say: Speak
) -> None:
    """But for the network's rounding, which depends on what else is in a step."""
    for sentence, name in (
        ("I live in West Virginia", "state"),
        ("no", "yes_no"),
        ("nine, one, seven, zero, two", "zip"),
    ):
        sound = moonshine.hear(utterance_in(on_the_line(say(sentence))), name)
        search, automaton = moonshine._search, moonshine._automaton(name, {})
        free, alone = search.free_text(sound.start), search.answers(sound.start, automaton)
        assert sound.free.text.rstrip(".,") == free.text.rstrip(".,")
        assert sound.free.log_probability == pytest.approx(free.log_probability, abs=0.5)
        (beside,) = sound.answers.values()
        best = max(alone, key=lambda value: alone[value].log_probability)
        assert best == max(beside, key=lambda value: beside[value].log_probability)
        assert beside[best].log_probability == pytest.approx(alone[best].log_probability, abs=0.5)


def test_an_answer_that_may_go_on_does_not_end_the_turn(moonshine: MoonshineEngine, say: Speak) -> None:
    recognition = moonshine.recognise(utterance_in(on_the_line(say("Washington"))), "state", final=False)
    assert (recognition.verdict, recognition.value) == (Verdict.ACCEPTED, "WA")
    assert not recognition.sure and not recognition.complete
    texas = moonshine.recognise(utterance_in(on_the_line(say("Texas"))), "state", final=False)
    assert texas.sure and texas.complete


@pytest.mark.parametrize("grammar", ["yes_no", "money", "state"])
def test_a_command_is_heard_at_every_question(moonshine: MoonshineEngine, say: Speak, grammar: str) -> None:
    recognition = moonshine.recognise(utterance_in(on_the_line(say("remove my number"))), grammar)
    assert (recognition.verdict, recognition.value) == (Verdict.ACCEPTED, "stop_calling")
    assert recognition.sure


@pytest.mark.parametrize("grammar", ["commands", "state"])
@pytest.mark.parametrize("sentence", ["stop calling me", "put me on your do not call list"])
def test_a_command_that_the_model_writes_wrongly_is_heard(
    moonshine: MoonshineEngine, say: Speak, grammar: str, sentence: str
) -> None:
    recognition = moonshine.recognise(utterance_in(on_the_line(say(sentence))), grammar)
    assert (recognition.verdict, recognition.value) == (Verdict.ACCEPTED, "stop_calling")


def test_a_question_of_keys_hears_commands_only(moonshine: MoonshineEngine, say: Speak) -> None:
    recognition = moonshine.recognise(utterance_in(on_the_line(say("california"))), "commands")
    assert (recognition.verdict, recognition.value) == (Verdict.REJECTED, None)


def test_a_flows_own_phrase_is_an_answer_of_that_flow_only(moonshine: MoonshineEngine, say: Speak) -> None:
    utterance = utterance_in(on_the_line(say("rate and term")))
    own = moonshine.recognise(utterance, "loan_type", {"refinance": ("rate and term",)})
    assert (own.verdict, own.value) == (Verdict.ACCEPTED, "refinance")
    assert moonshine.recognise(utterance, "loan_type").verdict is not Verdict.ACCEPTED
    with pytest.raises(ValueError, match="no value 'boat'"):
        moonshine.prepare("loan_type", {"boat": ("boat",)})
    with pytest.raises(ValueError, match="English only"):
        moonshine.prepare("yes_no", {"yes": ("네",)})


def test_what_was_prepared_for_flows_is_bounded(moonshine: MoonshineEngine) -> None:
    for number in range(MAXIMUM_AUTOMATA + 30):
        moonshine.prepare("yes_no", {"yes": (f"phrase {number}",)})
    assert moonshine.prepared <= MAXIMUM_AUTOMATA + len(GRAMMARS)
    assert set(GRAMMARS) == moonshine.grammars


@pytest.mark.parametrize("grammar", ["yes_no", "loan_type", "state"])
@pytest.mark.parametrize(
    "sentence", ["my dog is sleeping on the sofa", "what time does the pharmacy close today"]
)
def test_unrelated_speech_is_rejected(
    moonshine: MoonshineEngine, say: Speak, grammar: str, sentence: str
) -> None:
    recognition = moonshine.recognise(utterance_in(on_the_line(say(sentence))), grammar)
    assert (recognition.verdict, recognition.value) == (Verdict.REJECTED, None)


@pytest.mark.parametrize(
    ("sentence", "again"),
    [("what time does the pharmacy close today", False), ("no", True), ("refinance", True)],
)
def test_much_that_is_no_answer_is_heard_once_and_little_again(
    moonshine: MoonshineEngine, say: Speak, sentence: str, again: bool
) -> None:
    sound = moonshine.hear(utterance_in(on_the_line(say(sentence))), "state")
    heard_again = list[bool]()

    def hear() -> DecoderState:
        heard_again.append(True)
        return sound.start

    moonshine.find(replace(sound, again=(hear,)), "state")
    assert heard_again == [True] * again


def test_the_answer_to_another_question_is_not_accepted(moonshine: MoonshineEngine, say: Speak) -> None:
    utterance = utterance_in(on_the_line(say("california")))
    assert moonshine.recognise(utterance, "yes_no").verdict is Verdict.REJECTED


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.1, 0.3, 8.0])
@pytest.mark.parametrize("level", [0.0, 300.0, 20000.0])
def test_noise_of_any_length_is_not_accepted(
    moonshine: MoonshineEngine, seconds: float, level: float
) -> None:
    noise = np.random.default_rng(5).standard_normal(int(seconds * 8000)) * level
    utterance = Utterance(
        samples=noise.clip(-32768, 32767).astype(np.int16), speech_seconds=max(0.0, seconds - 0.7)
    )
    assert moonshine.recognise(utterance, "yes_no").verdict is not Verdict.ACCEPTED


def test_it_listens_for_every_grammar(moonshine: MoonshineEngine) -> None:
    assert moonshine.grammars == frozenset(GRAMMARS)


def test_words_that_sound_alike_are_near() -> None:
    pronunciation = Pronunciation()

    def distance(one: str, other: str) -> float:
        return sound_distance(pronunciation.phones(one), pronunciation.phones(other))

    assert pronunciation.phones("Yes.") == ["Y", "EH", "S"]
    assert pronunciation.phones("$40") == pronunciation.phones("forty")
    assert pronunciation.phones("") == []
    assert distance("fifty", "fifty") == 0
    assert distance("Marilyn", "Maryland") < 0.3 < distance("Ohio", "refinance")


def test_an_engine_that_cannot_be_had_is_said_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="auto, moonshine, vosk"):
        choose_engine("whisper", None)
    with pytest.raises(FileNotFoundError, match="speech install"):
        choose_engine("vosk", None)
