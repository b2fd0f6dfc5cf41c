"""What callers left whom nobody took, as an admin sees to it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from agi.cel import LeftBehind
from agi.cel_queries import ensure_call
from agi.queries import insert_request
from store.sealed_sound import seal_sound, sealed_path
from store.session import open_engine
from store.sound_keys import make_sound_key
from tests.postgres import execute
from tests.sealed import hex_of
from tollbridge.cli import cli
from tollbridge.node_config import layout_of
from tollbridge.settings import read_settings


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


def test_that_they_were_listed_is_noted(run: Any, database_url: str) -> None:
    execute(database_url, left())
    run("list")

    async def noted() -> list[tuple[Any, ...]]:
        query = text("SELECT actor, via, action, kind, after FROM audit_log")
        engine = open_engine(database_url, application_name="test")
        async with engine.connect() as connection:
            rows = [tuple(row) for row in await connection.execute(query)]
        await engine.dispose()
        return rows

    assert asyncio.run(noted()) == [
        ("tollbridge requests list", "command", "export", "requests", {"rows": 2})
    ]


def test_one_that_is_not_open_is_refused(run: Any) -> None:
    refused = run("done", "999")
    assert refused.exit_code == 1
    assert "there is no open request 999" in refused.output


SOUND = b"RIFF" + bytes(range(256)) * 600


@pytest.fixture
def message(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sealed message of the node, request 1; its plain name."""
    monkeypatch.setenv("TOLLBRIDGE_DATA_DIR", str(tmp_path))
    folder = layout_of(read_settings()).voicemail_dir
    folder.mkdir(parents=True)
    plain = folder / "a-1764000000.7.wav"

    async def leave() -> None:
        engine = open_engine(database_url, application_name="test")
        async with engine.begin() as connection:
            call_id = await ensure_call(connection, "a", plain.stem, 1_764_000_000_000)
            left = LeftBehind(kind="voicemail", recording=plain.name, detail={})
            await insert_request(connection, call_id, "a", 1_764_000_000_000, left)
            key = await make_sound_key(connection, call_id)
        assert key is not None
        seal_sound((SOUND,), plain, key)
        await engine.dispose()

    asyncio.run(leave())
    return plain


async def hearings(database_url: str) -> list[tuple[str, str]]:
    engine = open_engine(database_url, application_name="test")
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT actor, ref FROM audit_log WHERE action = 'hear'"))
        found = [(row.actor, row.ref) for row in rows]
    await engine.dispose()
    return found


def test_a_message_is_heard_from_a_new_file_and_noted(
    run: Any, message: Path, tmp_path: Path, database_url: str
) -> None:
    to = tmp_path / "message.wav"
    assert run("hear", "1", str(to)).exit_code == 0
    assert to.read_bytes() == SOUND and to.stat().st_mode & 0o777 == 0o600
    assert "File exists" in run("hear", "1", str(to)).output
    assert "no voice message" in run("hear", "9", str(tmp_path / "other.wav")).output
    sealed_path(message).write_bytes(b"TBS1")
    assert "does not open" in run("hear", "1", str(tmp_path / "other.wav")).output
    sealed_path(message).unlink()
    assert "not on this node" in run("hear", "1", str(tmp_path / "other.wav")).output
    assert asyncio.run(hearings(database_url)) == [("tollbridge requests hear", "1")] * 2
