"""The real Vosk with the one real model that a package carries: Korean, yes and no, 8 kHz."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from agi.speech.engine_choice import choose_engine
from agi.speech.recogniser import Verdict
from agi.speech.vosk_engine import VoskEngine, read_value, shares_of
from agi.speech.vosk_phrases import MAXIMUM_PHRASES, grammars_of_folder
from ivr_flows.grammars import GRAMMARS, spoken_texts
from tests.agi.speech.korean import BETWEEN, COMMANDS, EIGHT, NO, YES, say_korean
from tests.agi.speech.telephone import on_the_line, utterance_in


@pytest.fixture(scope="module")
def korean(korean_model: Path) -> VoskEngine:
    engine = choose_engine("auto", korean_model)
    assert isinstance(engine, VoskEngine)
    return engine


@pytest.mark.parametrize(("text", "value"), [(YES, "yes"), (NO, "no")])
def test_yes_and_no_are_heard(korean: VoskEngine, text: str, value: str) -> None:
    recognition = korean.recognise(utterance_in(on_the_line(say_korean(text))), "yes_no")
    assert recognition.value == value
    assert recognition.verdict in (Verdict.ACCEPTED, Verdict.UNSURE)
    assert recognition.text == text and recognition.engine == "vosk"
    assert recognition.confidence is not None and recognition.confidence >= 0.5
    assert recognition.started_seconds is not None and recognition.ended_seconds is not None
    assert 0.1 < recognition.started_seconds < recognition.ended_seconds


def test_two_answers_in_one_breath_are_none(korean: VoskEngine) -> None:
    both = np.concatenate([say_korean(YES), say_korean(NO)])
    recognition = korean.recognise(utterance_in(on_the_line(both)), "yes_no")
    assert recognition.verdict is Verdict.REJECTED and recognition.value is None


@pytest.mark.parametrize("grammar", ["yes_no", "commands"])
@pytest.mark.parametrize(("command", "phrase"), COMMANDS.items())
def test_a_command_is_heard_at_every_question(
    korean: VoskEngine, grammar: str, command: str, phrase: str
) -> None:
    heard = korean.recognise(utterance_in(on_the_line(say_korean(phrase, "ko+f2"))), grammar)
    assert (heard.verdict, heard.value, heard.text) == (Verdict.ACCEPTED, command, phrase)


def test_a_command_counts_more_than_the_answer_before_it(korean: VoskEngine) -> None:
    both = f"{YES} {COMMANDS['stop_calling']}"
    heard = korean.recognise(utterance_in(on_the_line(say_korean(both, "ko+f2"))), "yes_no")
    assert heard.value == "stop_calling"


@pytest.mark.parametrize(
    ("text", "value"),
    [("네", "yes"), ("네 네", "yes"), ("네 마세요", None), ("네 아니요", None), ("반복", "repeat"),
     ("반복 마세요", None), ("네 전화 하지 마세요", "stop_calling"), ("네 연결 하지 마세요", None), ("", None)],
)  # fmt: skip
def test_without_unknown_words_nothing_else_may_stand_beside_an_answer_or_a_short_command(
    korean_model: Path, text: str, value: str | None
) -> None:
    grammars = grammars_of_folder(korean_model)
    assert grammars is not None and grammars[0].name == "yes_no"
    assert read_value(grammars[0], text, rejects=False) == value


@pytest.mark.parametrize(
    ("grammar", "text", "value"),
    [("money", "so stop calling me okay", "stop_calling"), ("money", "[unk] three hundred thousand", "300000"),
     ("date", "take me off your list", "stop_calling"), ("money", "operator", "operator"),
     ("yes_no", "[unk] yes", "yes"), ("yes_no", "yes stop calling me", "stop_calling"), ("yes_no", "yes no", None),
     ("yes_no", "operator please", "operator"), ("yes_no", "[unk] [unk] operator", None)],
)  # fmt: skip
def test_a_command_is_read_before_an_answer(grammar: str, text: str, value: str | None) -> None:
    assert read_value(GRAMMARS[grammar], text, rejects=True) == value


def test_an_unsure_answer_comes_with_the_next_best(korean: VoskEngine) -> None:
    utterance = utterance_in(on_the_line(say_korean(BETWEEN)))
    heard = korean.recognise(utterance, "count")
    assert heard.verdict is Verdict.UNSURE
    first, second = heard.alternatives
    assert first.value == heard.value and first.confidence == heard.confidence
    assert {first.value, second.value} == {"8", "6"}
    assert 0 < second.confidence < first.confidence and first.confidence + second.confidence <= 1
    trial = korean.recognise(utterance, "count", final=False)
    assert trial.verdict is Verdict.UNSURE and len(trial.alternatives) == 1


def test_a_clear_answer_has_no_other(korean: VoskEngine) -> None:
    heard = korean.recognise(utterance_in(on_the_line(say_korean(EIGHT))), "count")
    assert heard.verdict is Verdict.ACCEPTED and [each.value for each in heard.alternatives] == ["8"]


def test_a_value_said_in_two_ways_is_as_likely_as_both_and_no_answer_takes_its_share() -> None:
    likely = {"three hundred thousand": 80.0, "three hundred thousand dollars": 80.0, "": 80.0, "three": 79.0}
    ways = [{"text": text, "confidence": each} for text, each in likely.items()]
    shares = shares_of(GRAMMARS["money"], ways, rejects=True)
    assert max(shares, key=shares.__getitem__) == "300000"
    assert shares["300000"] == pytest.approx(2 / (3 + math.exp(-1)))
    assert sum(shares.values()) < 1
    assert shares_of(GRAMMARS["money"], [], rejects=True) == {}


def test_it_listens_for_the_grammars_whose_phrases_it_was_given(korean: VoskEngine) -> None:
    assert korean.grammars == {"yes_no", "count", "commands"}


def test_a_flows_own_phrase_is_heard_in_the_models_language(korean: VoskEngine) -> None:
    utterance = utterance_in(on_the_line(say_korean(YES)))
    own = korean.recognise(utterance, "yes_no", {"no": (NO,), "yes": (YES,)}, final=False)
    assert own.value == "yes"
    with pytest.raises(ValueError, match="already means no"):
        korean.prepare("yes_no", {"yes": (NO,)})


def test_the_word_list_of_a_question_is_bounded() -> None:
    for grammar in GRAMMARS.values():
        if grammar.is_open:
            assert spoken_texts(grammar, 10) == () and 20 < len(grammar.spoken_graph.words()) < 200
        else:
            assert 0 < len(spoken_texts(grammar, MAXIMUM_PHRASES)) <= MAXIMUM_PHRASES


def test_a_value_of_which_the_model_knows_no_phrase_is_refused(korean_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ko"
    shutil.copytree(korean_model, folder, symlinks=True, ignore=shutil.ignore_patterns("phrases.json"))
    commands = {"operator": ["그만"], "repeat": ["쀍쀍쀍", "쀍쀍 반복"]}
    (folder / "phrases.json").write_text(json.dumps({"yes_no": {"yes": [YES]}, "commands": commands}))
    with pytest.raises(ValueError, match=r"phrases.json: yes_no: the model knows no phrase of 'repeat' \(쀍"):
        VoskEngine(folder)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no Vosk model"):
        VoskEngine(tmp_path)
