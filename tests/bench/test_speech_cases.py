"""What is heard, and that it is kept only as long as nothing on a sound's way has changed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agi.speech.moonshine_engine import MoonshineEngine
from agi.speech.moonshine_model import DecoderState
from agi.speech.question import Question
from agi.speech.recogniser import FRAME_SAMPLES, SAMPLE_RATE, Samples
from agi.speech.turn import Turn
from tests.bench import speech_cases
from tests.bench.speech_cases import heard_by, unprejudiced_engine, utterance_of


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A house of the same files, to change."""
    for pattern in speech_cases.ON_THE_WAY:
        for file in Path(speech_cases.ROOT).glob(pattern):
            there = tmp_path / file.relative_to(speech_cases.ROOT)
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(file.read_bytes())
    monkeypatch.setattr(speech_cases, "ROOT", tmp_path)
    return tmp_path


KEYS_OF_BENCHES = {"store/key_ring.py", "tests/bench/__init__.py", "tests/keys.py", "tollbridge/settings.py"}
"""Loaded with every bench, for those that use a database: what is heard does not go by them."""


def test_every_module_the_engine_imports_is_on_the_way() -> None:
    """Only what decision_rule.py measures is: a change of its weights needs no new hearing."""
    imported = _imported_with(
        "agi.speech.moonshine_engine", "agi.speech.endpointer", "tests.bench.speech_line"
    )
    listed = _listed_modules() | KEYS_OF_BENCHES
    assert not {name for name in imported - listed if not _is_bare(name)} - {"agi/speech/decision_rule.py"}
    assert not {name for name in listed - imported if name.startswith("agi/")}


def test_everything_listed_exists() -> None:
    assert all(list(speech_cases.ROOT.glob(pattern)) for pattern in speech_cases.ON_THE_WAY)


@pytest.mark.parametrize(
    "file",
    ["agi/speech/endpointer.py", "ivr_flows/grammar_files/yes_no.json", "tests/bench/speech_line.py"],
)
def test_a_change_on_the_way_means_hearing_again(copy: Path, file: str) -> None:
    before = heard_by()
    assert heard_by() == before
    (copy / file).write_bytes((copy / file).read_bytes() + b" ")
    assert heard_by() != before


def test_a_change_of_the_rule_does_not(copy: Path) -> None:
    before = heard_by()
    (copy / "agi/speech/data").mkdir(exist_ok=True)
    (copy / "agi/speech/data/decision_rule.json").write_text("{}", "utf8")
    assert heard_by() == before


@pytest.mark.parametrize(("engine", "times"), [(MoonshineEngine, 0), (unprejudiced_engine, 2)])
def test_the_rule_that_is_fitted_does_not_say_how_often_something_is_heard(
    engine: Callable[[], MoonshineEngine], times: int
) -> None:
    utterance, heard = utterance_of(_voice_on_the_line(seconds=4)), list[int]()
    assert utterance is not None
    hearing = engine()
    sound = hearing.hear(utterance, "state")

    def again() -> DecoderState:
        heard.append(1)
        return sound.start

    hearing.find(replace(sound, again=(again, again)), "state")
    assert len(heard) == times


def test_what_is_heard_here_is_what_a_call_decodes() -> None:
    line = _voice_on_the_line(seconds=0.6)
    turn = Turn(Question(grammar="yes_no", prompts=()), "none")
    decodes = [
        decode
        for number, at in enumerate(range(0, len(line) - FRAME_SAMPLES + 1, FRAME_SAMPLES))
        if (decode := turn.on_audio(line[at : at + FRAME_SAMPLES], 20 * number))
    ]
    here = utterance_of(line)
    assert here is not None and decodes[-1].final
    assert np.array_equal(here.samples, decodes[-1].utterance.samples)
    assert here.speech_seconds == decodes[-1].utterance.speech_seconds


def _voice_on_the_line(seconds: float) -> Samples:
    """A vowel of 120 Hz with a quiet line around it."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    formants = [np.exp(-(((120 * n - 700) / 300) ** 2)) for n in range(1, 25)]
    vowel = sum(share * np.sin(2 * np.pi * 120 * n * time) for n, share in enumerate(formants, 1))
    quiet = np.random.default_rng(1).standard_normal(SAMPLE_RATE) * 10
    return np.concatenate([quiet, 4000 * vowel, quiet]).astype(np.int16)


def _imported_with(*modules: str) -> set[str]:
    """Files of ours that a Python of its own has loaded after importing these."""
    script = (
        f"import sys, {', '.join(modules)}\n"
        "print(*(module.__file__ for module in sys.modules.values() if getattr(module, '__file__', None)), sep='\\n')"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=speech_cases.ROOT
    ).stdout.splitlines()
    here = [Path(file) for file in loaded if Path(file).is_relative_to(speech_cases.ROOT)]
    ours = (file.relative_to(speech_cases.ROOT) for file in here)
    return {str(file) for file in ours if not file.parts[0].startswith(".")}


def _listed_modules() -> set[str]:
    files = (file for pattern in speech_cases.ON_THE_WAY for file in speech_cases.ROOT.glob(pattern))
    return {str(file.relative_to(speech_cases.ROOT)) for file in files if file.suffix == ".py"}


def _is_bare(name: str) -> bool:
    """A package's __init__.py in which nothing is but words about it."""
    body = ast.parse((speech_cases.ROOT / name).read_text("utf8")).body
    return all(isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) for part in body)
