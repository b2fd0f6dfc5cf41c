"""What callers left whom nobody took, as an admin sees to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.postgres import execute
from tests.sealed import hex_of
from tollbridge.cli import cli


def left() -> str:
    return f"""
    INSERT INTO no_buyer_requests (call_id, kind, caller_sealed, caller_index, recording, node, created_at) VALUES
    (gen_random_uuid(), 'voicemail', {hex_of("+16145550123")}, 'voicemail/1.wav', 'node-a', '2026-03-02 15:00+00'),
    (gen_random_uuid(), 'call_back', {hex_of("+16145550124")}, NULL, 'node-a', '2026-03-02 14:00+00')
"""


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TOLLBRIDGE_DATABASE_URL", database_url)

    def command(*words: str) -> Result:
        return CliRunner().invoke(cli, ["requests", *words])

    return command


def test_requests_are_listed_oldest_first_until_somebody_has_seen_to_them(
    run: Any, database_url: str
) -> None:
    assert run("list").output == "no requests\n"
    execute(database_url, left())
    back, message = json.loads(run("list", "--json").output)
    assert (back["kind"], message["recording"]) == ("call_back", "voicemail/1.wav")
    assert "node-a:voicemail/1.wav" in run("list").output
    assert run("done", str(back["id"])).output == "done\n"
    assert [one["kind"] for one in json.loads(run("list", "--json").output)] == ["voicemail"]
    assert len(json.loads(run("list", "--all", "--json").output)) == 2


def test_one_that_is_not_open_is_refused(run: Any) -> None:
    refused = run("done", "999")
    assert refused.exit_code == 1
    assert "there is no open request 999" in refused.output
