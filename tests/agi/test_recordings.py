"""Recordings are finished and registered once, whatever happened in between, and only those that may be kept."""

from __future__ import annotations

import hashlib
import io
import os
import time
import wave
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from agi import flow_queries
from agi.cel_queries import ensure_call
from agi.recordings import QUIET_SECONDS, RATE, Recordings, finish, part_of, recording_name
from agi.voice_messages import clear_erased
from store.key_ring import key_ring
from store.sealed_columns import sealed_columns
from store.sealed_sound import SealedSound, sealed_path
from store.sound_keys import destroy_sound_key, find_sound_key, make_sound_key
from store.tables import metadata

LINKEDID = "a-1764000000.7"
SOUND = bytes(range(256)) * 250
"""16,000 frames of both sides: two seconds."""
STARTED_MS = 1_764_000_000_000


class Kept:
    """One call of a node, its folder, and what the worker makes of it."""

    def __init__(self, engine: AsyncEngine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.recordings = Recordings(engine, node="a", directory=folder)

    async def a_call(self, *, state: str = "ended", announced: bool = True) -> UUID:
        async with self.engine.begin() as connection:
            call_id = await ensure_call(connection, "a", LINKEDID, STARTED_MS)
            await connection.execute(text("UPDATE calls SET state = :state"), {"state": state})
            if announced:
                await flow_queries.recording_began(connection, call_id, 1, "a", "notice", STARTED_MS + 4_321)
        return call_id

    def a_file(self, call_id: UUID, *, sound: bytes = SOUND, age_s: float = 10) -> Path:
        raw = self.folder / f"{recording_name(call_id)}.raw"
        raw.write_bytes(sound)
        written = time.time() - age_s
        os.utime(raw, (written, written))
        return raw

    async def row(self) -> dict[str, Any]:
        async with self.engine.connect() as connection:
            return dict((await connection.execute(text("SELECT * FROM recordings"))).mappings().one())

    def files(self) -> list[str]:
        return sorted(path.suffix for path in self.folder.iterdir())

    async def key(self, call_id: UUID) -> bytes | None:
        async with self.engine.connect() as connection:
            return await find_sound_key(connection, call_id)

    async def sound(self, call_id: UUID) -> bytes:
        key = await self.key(call_id)
        assert key is not None
        sealed = SealedSound(self.folder / f"{recording_name(call_id)}.wav", key)
        try:
            return b"".join(sealed.read(0, sealed.length_bytes))
        finally:
            sealed.close()

    async def a_plain_one(self, call_id: UUID, *, sha256: str | None = None) -> bytes:
        """A recording that a version before sealing stored."""
        path = self.folder / f"{recording_name(call_id)}.wav"
        with wave.open(str(path), "wb") as sound:
            sound.setnchannels(2)
            sound.setsampwidth(2)
            sound.setframerate(RATE)
            sound.writeframes(SOUND)
        os.utime(path, (time.time() - 10, time.time() - 10))
        whole = path.read_bytes()
        digest = sha256 or hashlib.sha256(whole).hexdigest()
        finished = flow_queries.Finished(length_ms=2_000, file_bytes=len(whole), sha256=digest)
        async with self.engine.begin() as connection:
            assert await flow_queries.recording_stored(connection, call_id, 1, finished)
        return whole


@pytest.fixture
def kept(engine: AsyncEngine, tmp_path: Path) -> Kept:
    return Kept(engine, tmp_path)


async def test_a_recording_becomes_a_sealed_file_of_two_channels_and_a_row(kept: Kept) -> None:
    call_id = await kept.a_call()
    kept.a_file(call_id)
    await kept.recordings.tend()
    row, plain = await kept.row(), await kept.sound(call_id)
    assert [path.name for path in kept.folder.iterdir()] == [f"{call_id}-1.wav.sealed"]
    assert row["file"] == f"{call_id}-1.wav"
    with wave.open(io.BytesIO(plain)) as sound:
        assert (sound.getnchannels(), sound.getframerate()) == (2, RATE)
        assert sound.readframes(sound.getnframes()) == SOUND
    assert (row["state"], row["length_ms"], row["start_offset_ms"]) == ("stored", 2_000, 4_321)
    assert row["file_bytes"] == len(plain)
    assert row["sha256"] == hashlib.sha256(plain).hexdigest()


async def test_nothing_on_the_disk_or_in_the_database_opens_it_without_the_ring(kept: Kept) -> None:
    call_id = await kept.a_call()
    kept.a_file(call_id)
    await kept.recordings.tend()
    key = await kept.key(call_id)
    (path,) = kept.folder.iterdir()
    assert SOUND[:32] not in path.read_bytes()
    async with kept.engine.connect() as connection:
        stored = await connection.scalar(text("SELECT key_sealed FROM sound_keys"))
    assert key is not None and key not in stored
    assert key_ring().unseal("sound key", stored, bound_to=str(call_id).encode()) == key
    assert ("sound_keys", "key_sealed") in {
        (column.table.name, column.name) for column, _ in sealed_columns(metadata)
    }


@pytest.mark.parametrize("killed", ["half sealed", "before its row", "after its row"])
async def test_a_worker_that_was_killed_changes_nothing(kept: Kept, killed: str) -> None:
    call_id = await kept.a_call()
    raw = kept.a_file(call_id)
    async with kept.engine.begin() as connection:
        key = await make_sound_key(connection, call_id)
    assert key is not None
    finished = finish(raw, raw.with_suffix(".wav"), key)
    sealed = sealed_path(raw.with_suffix(".wav"))
    if killed == "half sealed":
        sealed.rename(sealed.with_name(f".{sealed.name}.part"))
    if killed == "after its row":
        async with kept.engine.begin() as connection:
            assert await flow_queries.recording_stored(connection, call_id, 1, finished)
    await kept.recordings.tend()
    await kept.recordings.tend()
    row = await kept.row()
    assert kept.files() == [".sealed"]
    assert (row["state"], row["sha256"]) == ("stored", finished.sha256)
    assert hashlib.sha256(await kept.sound(call_id)).hexdigest() == finished.sha256


async def test_what_was_stored_in_the_clear_is_sealed(kept: Kept) -> None:
    call_id = await kept.a_call()
    before = await kept.a_plain_one(call_id)
    row = await kept.row()
    await kept.recordings.tend()
    assert kept.files() == [".sealed"] and await kept.sound(call_id) == before
    assert await kept.row() == row


async def test_one_that_was_exchanged_in_the_clear_keeps_the_digest_of_what_was_stored(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    await kept.a_plain_one(await kept.a_call(), sha256="0" * 64)
    await kept.recordings.tend()
    assert (await kept.row())["sha256"] == "0" * 64 and "its digest is another" in caplog.text


async def test_nothing_is_kept_of_a_call_whose_key_was_destroyed(kept: Kept) -> None:
    call_id = await kept.a_call()
    async with kept.engine.begin() as connection:
        await destroy_sound_key(connection, call_id)
    kept.a_file(call_id)
    await kept.recordings.tend()
    assert kept.files() == [] and (await kept.row())["state"] == "missing"


async def test_files_go_once_their_key_is_destroyed(kept: Kept, tmp_path: Path) -> None:
    call_id = await kept.a_call()
    kept.a_file(call_id)
    await kept.recordings.tend()
    async with kept.engine.begin() as connection:
        await destroy_sound_key(connection, call_id)
    for node, left in (("b", [".sealed"]), ("a", [])):
        await clear_erased(kept.engine, node, kept.folder, tmp_path / "voicemail")
        assert kept.files() == left


async def test_what_a_caller_refused_is_not_kept(kept: Kept) -> None:
    call_id = await kept.a_call(state="in_progress")
    kept.a_file(call_id)
    async with kept.engine.begin() as connection:
        await flow_queries.recording_refused(connection, call_id)
    await kept.recordings.tend()
    assert kept.files() == [] and (await kept.row())["state"] == "refused"


async def test_a_call_that_goes_on_is_left_alone(kept: Kept) -> None:
    kept.a_file(await kept.a_call(state="in_progress"))
    await kept.recordings.tend()
    assert kept.files() == [".raw"] and (await kept.row())["state"] == "recording"


async def test_a_file_that_still_grows_is_waited_for(kept: Kept) -> None:
    kept.a_file(await kept.a_call(), age_s=QUIET_SECONDS / 2)
    await kept.recordings.tend()
    assert kept.files() == [".raw"] and (await kept.row())["state"] == "recording"
    await kept.recordings.tend(time.time() + QUIET_SECONDS)
    assert (await kept.row())["state"] == "stored"


async def test_an_announced_recording_without_a_file_is_told_missing(kept: Kept) -> None:
    await kept.a_call()
    await kept.recordings.tend()
    assert (await kept.row())["state"] == "missing"


async def test_a_file_that_no_notice_stands_for_is_not_kept(kept: Kept) -> None:
    kept.a_file(await kept.a_call(announced=False))
    await kept.recordings.tend()
    assert kept.files() == []


async def test_a_torn_last_sample_is_cut_off(kept: Kept) -> None:
    kept.a_file(await kept.a_call(), sound=SOUND + b"\1\2\3")
    await kept.recordings.tend()
    assert (await kept.row())["length_ms"] == 2_000


@pytest.mark.parametrize(
    "name", ["x.raw", "../1.raw", f"{UUID(int=1)}-1.wav.sealed", f"{UUID(int=1)}.raw", "a;b-1.raw"]
)
def test_other_names_are_no_recordings(name: str) -> None:
    assert part_of(name) is None


def test_a_name_says_nothing_but_the_call() -> None:
    assert part_of(f"{recording_name(UUID(int=7), 2)}.raw") == (UUID(int=7), 2)
