"""The prompts commands as an admin types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.agi.speech.telephone import write_wav
from tollbridge.cli import cli


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TOLLBRIDGE_DATABASE_URL", database_url)
    monkeypatch.setenv("TOLLBRIDGE_DATA_DIR", str(tmp_path / "data"))

    def command(*words: str) -> Result:
        return CliRunner().invoke(cli, ["prompts", *words])

    return command


def test_what_is_missing_is_named_rendered_and_listed(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tollbridge.prompts.system_prompts", lambda: {"bye": "Good bye."})
    missing = run("check")
    assert missing.exit_code == 1 and "not rendered: Good bye." in missing.output
    assert "`tollbridge prompts render` makes them" in missing.output
    assert "1 texts rendered" in run("render").output
    assert run("check").output == "all 1 prompts are there\n"
    (one,) = json.loads(run("list", "--json").output)
    assert one["prompt"] == "Good bye." and len(one["digest"]) == 64 and 0.3 < one["seconds"] < 2


def test_a_sound_of_ones_own_is_added_and_a_bad_one_refused(
    run: Any, tmp_path: Path, spoken_bye: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tollbridge.prompts.system_prompts", dict)
    assert "`upload:bye`" in run("add", str(spoken_bye), "--name", "bye").output
    assert "upload:bye" in run("list").output
    broken = tmp_path / "broken.mp3"
    broken.write_text("hello")
    refused = run("add", str(broken))
    assert refused.exit_code == 1
    assert "broken.mp3 is no sound we can read" in str(refused.exception)


def test_an_upload_a_flow_plays_and_nobody_added_is_named(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tollbridge.prompts.system_prompts", lambda: {"jingle": "upload:jingle"})
    found = run("check")
    assert found.exit_code == 1
    assert (
        "upload:jingle is played by a flow and missing: tollbridge prompts add FILE --name jingle"
        in found.output
    )


@pytest.fixture
def spoken_bye(tmp_path: Path) -> Path:
    tone = np.sin(np.arange(8000) / 3) * 9000
    return write_wav(tmp_path / "bye.wav", tone.astype(np.int16))
