"""Trunks and targets: from the database, or as last seen."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from asterisk_conf.node_config import Lines
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
