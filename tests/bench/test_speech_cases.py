"""What was heard is kept only as long as nothing on a sound's way has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import speech_cases
from tests.bench.speech_cases import heard_by


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


def test_every_file_on_the_way_exists() -> None:
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
