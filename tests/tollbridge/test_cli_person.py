"""What is held on a number, found, taken away and erased by command."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.postgres import execute
from tests.sealed import hex_of
from tollbridge.cli import cli

NUMBER = "+16145550123"


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("TOLLBRIDGE_DATABASE_URL", database_url)
    monkeypatch.setenv("TOLLBRIDGE_DATA_DIR", str(tmp_path))
    execute(
        database_url,
        "INSERT INTO no_buyer_requests (call_id, kind, caller_sealed, caller_index) VALUES"
        f" (gen_random_uuid(), 'voicemail', {hex_of(NUMBER)}), (gen_random_uuid(), 'call_back', {hex_of(NUMBER)})",
    )

    def command(*words: str, answer: str = "") -> Result:
        return CliRunner().invoke(cli, ["person", *words], input=answer)

    return command


def test_nothing_is_erased_without_a_yes_and_nothing_twice(run: Any) -> None:
    found = run("find", "+1 614 555 0123").output
    assert "voice message" in found and "not searched" in found
    assert run("erase", NUMBER, answer="n\n").exit_code == 1
    fates = [(one["kind"], one["fate"]) for one in json.loads(run("find", NUMBER, "--json").output)][:2]
    assert fates == [("voice message", "erased"), ("call-back", "masked")]
    assert "erased; 2 things" in run("erase", NUMBER, answer="y\n").output
    again = run("erase", NUMBER, "--yes").output
    assert "nothing to erase" in again and "kept" in again


def test_an_export_is_a_new_file(run: Any, tmp_path: Path) -> None:
    to = tmp_path / "person.zip"
    assert run("export", NUMBER, str(to)).exit_code == 0
    with zipfile.ZipFile(to) as packed:
        assert len(json.loads(packed.read("person.json"))["held"]) >= 2
    assert "there already" in run("export", NUMBER, str(to)).output


def test_what_is_no_number_is_told(run: Any) -> None:
    assert "is no telephone number" in run("find", "12").output
