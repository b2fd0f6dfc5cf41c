"""Trunks and targets: from the database, or as last seen."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from asterisk_conf.node_config import Lines
from store.key_ring import KeyRing, key_ring
from store.session import open_engine
from store.tables import buyers, targets, trunks
from tollbridge.lines_source import LinesSource

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


async def _fill(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(buyers).values(id=1, name="Acme"))
        await connection.execute(
            insert(trunks).values(name="demo", carrier_name="c", addresses=["192.0.2.1"])
        )
        for name, uri in (("good", "sip:a@192.0.2.2"), ("bad", "sip:a@b;x")):
            await connection.execute(
                insert(targets).values(buyer_id=1, name=name, sip_uri=uri, loan_types=[], schedule={})
            )


async def test_a_change_is_seen_once(engine: AsyncEngine, tmp_path: Path) -> None:
    await _fill(engine)
    source = LinesSource(engine, tmp_path / "lines.json")
    lines = await source.load()
    assert [trunk.name for trunk in lines.trunks] == ["demo"]
    assert len(lines.targets) == len(lines.refused) == 1
    assert await source.changed() is None
    async with engine.begin() as connection:
        await connection.execute(update(trunks).values(enabled=False))
    changed = await source.changed()
    assert changed is not None and changed.trunks == ()
    assert await source.changed() is None


REGISTERED = {
    "name": "carrier",
    "carrier_name": "c",
    "addresses": [],
    "registrar_uri": "sip:sip.example.com",
    "username": "me",
    "password": "canary-of-a-trunk",
}


async def test_no_password_is_bare_in_the_file_and_it_is_there_when_the_database_is_not(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(trunks).values(REGISTERED))
    file = tmp_path / "lines.json"
    lines = await LinesSource(engine, file).load()
    assert b"canary" not in file.read_bytes()
    away = open_engine(NOWHERE, application_name="test")
    (trunk,) = (await LinesSource(away, file).load()).trunks
    assert trunk == lines.trunks[0] and trunk.password == "canary-of-a-trunk"
    # Sealed by keys that are gone, a trunk is left out; the others are served.
    rows = json.loads(file.read_text())
    rows["trunks"][0]["sealed_password"] = base64.b64encode(KeyRing.made().seal("x", b"x")).decode()
    file.write_text(json.dumps(rows))
    assert (await LinesSource(away, file).load()).trunks == ()
    await away.dispose()


async def test_a_file_of_an_older_version_is_read_and_sealed_at_the_next_look(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(trunks).values(REGISTERED))
    file = tmp_path / "lines.json"
    row = {"id": 1, **{name: value for name, value in REGISTERED.items() if name != "carrier_name"}}
    file.write_text(json.dumps({"trunks": [row], "targets": []}))
    away = open_engine(NOWHERE, application_name="test")
    assert (await LinesSource(away, file).load()).trunks[0].password == "canary-of-a-trunk"
    await away.dispose()
    await LinesSource(engine, file).load()
    assert b"canary" not in file.read_bytes()


async def test_after_a_rotation_the_file_is_sealed_by_the_newer_key(
    engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(trunks).values(REGISTERED))
    file = tmp_path / "lines.json"
    source = LinesSource(engine, file)
    lines = await source.load()
    newer = key_ring().with_newer_key()
    with monkeypatch.context() as patch:
        patch.setattr("store.sealed_columns.key_ring", lambda: newer)
        patch.setattr("tollbridge.lines_source.key_ring", lambda: newer)
        assert await source.changed() == lines and await source.changed() is None
    sealed = base64.b64decode(json.loads(file.read_text())["trunks"][0]["sealed_password"])
    assert newer.is_newest(sealed)


async def test_without_a_database_the_last_ones_are_used(engine: AsyncEngine, tmp_path: Path) -> None:
    await _fill(engine)
    file = tmp_path / "lines.json"
    lines = await LinesSource(engine, file).load()
    assert file.stat().st_mode & 0o777 == 0o600
    away = open_engine(NOWHERE, application_name="test")
    assert await LinesSource(away, file).load() == lines
    assert await LinesSource(away, tmp_path / "none.json").load() == Lines()
    assert await LinesSource(away, file).changed() is None
    await away.dispose()
