"""A database and the keys that seal it belong together: no node works on it with others, or makes new ones for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from store.key_ring import KeyRing, spelled
from store.session import open_engine
from tollbridge.faults import CannotRun
from tollbridge.sealed_database import keys_for, leave_mark, note_newest, read_mark
from tollbridge.sealing_keys import sealing_keys_of, write_sealing_keys
from tollbridge.settings import Settings

AWAY = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", sealing_keys_file=tmp_path / "keys")


async def marked(engine: AsyncEngine, settings: Settings) -> KeyRing:
    """Start a node for the first time."""
    ring = await keys_for(engine, settings)
    async with engine.begin() as connection:
        await leave_mark(connection, ring, settings)
    return ring


async def test_a_new_database_gets_keys_and_the_next_start_finds_them(
    engine: AsyncEngine, settings: Settings, tmp_path: Path
) -> None:
    async with engine.connect() as connection:
        assert await read_mark(connection) is None
    ring = await marked(engine, settings)
    assert ring == sealing_keys_of(settings) == await marked(engine, settings)
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600


async def test_keys_that_are_missing_are_never_made_anew_for_what_is_sealed(
    engine: AsyncEngine, settings: Settings, tmp_path: Path
) -> None:
    await marked(engine, settings)
    (tmp_path / "keys").unlink()
    with pytest.raises(CannotRun, match="Put the file back from your backup"):
        await keys_for(engine, settings)
    assert not (tmp_path / "keys").exists()


async def test_keys_of_another_database_are_refused(
    engine: AsyncEngine, settings: Settings, tmp_path: Path
) -> None:
    await marked(engine, settings)
    (tmp_path / "keys").write_text(spelled(KeyRing.made()))
    with pytest.raises(CannotRun, match="not those that seal this database"):
        await keys_for(engine, settings)


async def test_of_two_nodes_that_start_at_once_with_keys_of_their_own_the_second_is_refused(
    engine: AsyncEngine, settings: Settings, tmp_path: Path
) -> None:
    other = settings.model_copy(update={"sealing_keys_file": tmp_path / "other"})
    first, second = await keys_for(engine, settings), await keys_for(engine, other)
    async with engine.begin() as connection:
        await leave_mark(connection, first, settings)
    with pytest.raises(CannotRun, match="not those that seal this database"):
        async with engine.begin() as connection:
            await leave_mark(connection, second, other)


async def test_a_node_that_slept_through_a_rotation_is_refused_until_it_has_the_newer_file(
    engine: AsyncEngine, settings: Settings
) -> None:
    before = await marked(engine, settings)
    newer = before.with_newer_key()
    async with engine.begin() as connection:
        await note_newest(connection, newer)
    with pytest.raises(CannotRun, match="older than what they should open"):
        await keys_for(engine, settings)
    write_sealing_keys(settings, newer.newest_only())
    assert await keys_for(engine, settings) == newer.newest_only()


async def test_with_the_database_away_keys_have_to_be_there(settings: Settings, tmp_path: Path) -> None:
    away = open_engine(AWAY, application_name="test")
    with pytest.raises(CannotRun):
        await keys_for(away, settings)
    assert not (tmp_path / "keys").exists()
    (tmp_path / "keys").write_text(spelled(KeyRing.made()))
    assert await keys_for(away, settings) == sealing_keys_of(settings)
    await away.dispose()


@pytest.mark.parametrize("text", ["", "no keys at all", "\x00\xff"])
async def test_a_damaged_file_is_said_and_left_as_it_is(
    engine: AsyncEngine, settings: Settings, tmp_path: Path, text: str
) -> None:
    (tmp_path / "keys").write_text(text)
    with pytest.raises(CannotRun, match="Put back the file"):
        await keys_for(engine, settings)
    assert (tmp_path / "keys").read_text() == text
