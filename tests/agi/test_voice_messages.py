"""What callers leave is sealed once their call has ended, no matter who wrote its row, or when."""

from __future__ import annotations

import os
import time
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from agi.cel import LeftBehind
from agi.cel_queries import ensure_call
from agi.queries import insert_request
from agi.voice_messages import VoiceMessages, clear_erased
from store.sealed_sound import SealedSound
from store.sound_keys import destroy_sound_key, find_sound_key

LINKEDID, OTHER_CHANNEL = "a-1764000000.7", "a-1764000000.9"
STARTED_MS = 1_764_000_000_000
MESSAGE = b"RIFF" + bytes(range(256)) * 1_000


def a_message(folder: Path, channel: str) -> Path:
    path = folder / f"{channel}.wav"
    path.write_bytes(MESSAGE)
    os.utime(path, (time.time() - 10, time.time() - 10))
    return path


async def a_call(engine: AsyncEngine, *, state: str, channel: str = "") -> UUID:
    async with engine.begin() as connection:
        call_id = await ensure_call(connection, "a", LINKEDID, STARTED_MS)
        await connection.execute(text("UPDATE calls SET state = :state"), {"state": state})
        if channel:
            left = LeftBehind(kind="voicemail", recording=f"{channel}.wav", detail={})
            await insert_request(connection, call_id, "a", STARTED_MS, left)
    return call_id


async def heard(engine: AsyncEngine, call_id: UUID, path: Path) -> bytes:
    async with engine.connect() as connection:
        key = await find_sound_key(connection, call_id)
    assert key is not None
    sound = SealedSound(path, key)
    try:
        return b"".join(sound.read(0, sound.length_bytes))
    finally:
        sound.close()


@pytest.mark.parametrize(("channel", "row"), [(LINKEDID, True), (LINKEDID, False), (OTHER_CHANNEL, True)])
async def test_a_message_of_an_ended_call_is_sealed(
    engine: AsyncEngine, tmp_path: Path, channel: str, row: bool
) -> None:
    call_id, path = (
        await a_call(engine, state="ended", channel=channel if row else ""),
        a_message(tmp_path, channel),
    )
    await VoiceMessages(engine, node="a", directory=tmp_path).tend()
    assert [found.name for found in tmp_path.iterdir()] == [f"{channel}.wav.sealed"]
    assert await heard(engine, call_id, path) == MESSAGE


async def test_a_message_that_is_being_left_is_waited_for(engine: AsyncEngine, tmp_path: Path) -> None:
    await a_call(engine, state="in_progress", channel=LINKEDID)
    path = a_message(tmp_path, LINKEDID)
    await VoiceMessages(engine, node="a", directory=tmp_path).tend()
    assert list(tmp_path.iterdir()) == [path]


async def test_a_message_of_no_call_we_know_is_left_and_told_once(
    engine: AsyncEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = a_message(tmp_path, LINKEDID)
    messages = VoiceMessages(engine, node="a", directory=tmp_path)
    for _ in range(3):
        await messages.tend(time.time() + 25 * 3600)
    assert list(tmp_path.iterdir()) == [path] and caplog.text.count("no ended call") == 1


async def test_messages_go_once_the_key_of_their_call_is_destroyed(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    call_id = await a_call(engine, state="ended", channel=LINKEDID)
    a_message(tmp_path, LINKEDID)
    messages = VoiceMessages(engine, node="a", directory=tmp_path)
    await messages.tend()
    async with engine.begin() as connection:
        await destroy_sound_key(connection, call_id)
    await clear_erased(engine, "a", tmp_path / "recordings", tmp_path)
    assert list(tmp_path.iterdir()) == []
    a_message(tmp_path, LINKEDID)
    await messages.tend()
    assert list(tmp_path.iterdir()) == []
