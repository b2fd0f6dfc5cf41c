"""A schema is brought up while calls are sold and settled: nobody waits for a migration that waits for somebody."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from store import migrate
from store.migrate import StillLocked, upgrade
from tests.billing.test_settle_call import a_call, settled
from tests.market import make_market
from tests.postgres import as_owner, owner_of

_MIGRATION = """
from alembic import op
from store.migrations.beside import create_index_beside


revision, down_revision, branch_labels, depends_on = {name!r}, {before!r}, None, None


def upgrade():
    {work}
"""


class Ahead:
    """Migrations of a release to come, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names = [ScriptDirectory(str(Path(migrate.__file__).parent / "migrations")).get_current_head()]

    def add(self, name: str, work: str) -> None:
        source = _MIGRATION.format(name=name, before=self.names[-1], work=work)
        (self.folder / f"{name}.py").write_text(source)
        self.names.append(name)


@pytest.fixture
def ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ahead:
    ours = migrate.alembic_config

    def config(connection: Connection) -> Config:
        made = ours(connection)
        versions = Path(migrate.__file__).parent / "migrations" / "versions"
        made.set_main_option("version_locations", f"{versions}:{tmp_path}")
        made.set_main_option("path_separator", "os")
        return made

    monkeypatch.setattr(migrate, "alembic_config", config)
    return Ahead(tmp_path)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "PATIENCE_SECONDS", 1.0)


async def revision_of(engine: AsyncEngine) -> str | None:
    async with engine.connect() as connection:
        found: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
        return found


async def test_others_go_on_while_a_migration_waits_for_a_reader(
    engine: AsyncEngine, database_url: str, ahead: Ahead
) -> None:
    market = await make_market(engine)
    ahead.add("x1", 'op.execute("ALTER TABLE publishers ADD COLUMN x1 integer")')
    ahead.add("x2", 'op.execute("ALTER TABLE calls ADD COLUMN x2 integer")')
    ahead.add("x3", 'op.execute("ALTER TABLE buyers ADD COLUMN x3 integer")')
    told: list[str] = []
    waits = asyncio.Event()
    loop = asyncio.get_running_loop()

    def tell(line: str) -> None:
        told.append(line)
        loop.call_soon_threadsafe(waits.set)

    async with engine.connect() as reader:
        await reader.execute(text("SELECT count(*) FROM calls"))
        upgrading = asyncio.create_task(asyncio.to_thread(upgrade, owner_of(database_url), None, tell))
        async with asyncio.timeout(60):
            await waits.wait()
            # What was brought before is there, and its tables are free; what comes after is not begun.
            assert await revision_of(engine) == "x1"
            async with engine.begin() as connection:
                await connection.execute(text("INSERT INTO publishers (name) VALUES ('new')"))
                await connection.execute(text("UPDATE buyers SET name = name || '!'"))
            await settled(engine, a_call(market))
        assert not upgrading.done()
        await reader.commit()
    async with asyncio.timeout(60):
        await upgrading
    assert await revision_of(engine) == "x3"
    assert "x2" in told[0] and "tried again" in told[0]


@pytest.mark.usefixtures("impatient")
async def test_a_reader_that_never_ends_leaves_a_database_that_works(
    engine: AsyncEngine, database_url: str, ahead: Ahead
) -> None:
    market = await make_market(engine)
    ahead.add("x1", 'op.execute("ALTER TABLE calls ADD COLUMN x1 integer")')
    async with engine.connect() as reader:
        await reader.execute(text("SELECT count(*) FROM calls"))
        with pytest.raises(
            StillLocked,
            match=r"x1 waits for a lock; the oldest open transaction is that of test \(process",
        ):
            await asyncio.to_thread(upgrade, owner_of(database_url))
    assert await revision_of(engine) == ahead.names[0]
    await settled(engine, a_call(market))
    await asyncio.to_thread(upgrade, owner_of(database_url))
    assert await revision_of(engine) == "x1"


async def test_a_migration_that_fails_leaves_those_before_it(
    engine: AsyncEngine, database_url: str, ahead: Ahead
) -> None:
    market = await make_market(engine)
    ahead.add("x1", 'op.execute("ALTER TABLE calls ADD COLUMN x1 integer")')
    ahead.add("x2", 'op.execute("ALTER TABLE calls ADD COLUMN x2 integer"); op.execute("SELECT 1 / 0")')
    with pytest.raises(Exception, match="division by zero"):
        await asyncio.to_thread(upgrade, owner_of(database_url))
    assert await revision_of(engine) == "x1"
    await settled(engine, a_call(market))
    async with engine.connect() as connection:
        columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'calls' AND column_name = 'x2'"
        assert await connection.scalar(text(columns)) == 0


async def test_an_index_is_made_beside_whoever_writes_and_made_again_after_a_failure(
    engine: AsyncEngine, database_url: str, ahead: Ahead
) -> None:
    """A writer that is open before it began is waited for; nobody waits for the index."""
    market = await make_market(engine)
    async with as_owner(engine) as connection:
        await connection.execute(text("CREATE INDEX ix_calls_x ON calls (ended_at)"))
        await connection.execute(
            text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_calls_x'::regclass")
        )
    ahead.add("x1", 'create_index_beside(op, "ix_calls_x", "calls", ["node", "ended_at"])')
    ahead.add("x2", 'op.execute("ALTER TABLE buyers ADD COLUMN x2 integer")')
    async with engine.connect() as writer:
        await writer.execute(text("UPDATE calls SET node = node"))
        upgrading = asyncio.create_task(asyncio.to_thread(upgrade, owner_of(database_url)))
        async with asyncio.timeout(60):
            await asyncio.sleep(1)
            await settled(engine, a_call(market))
        assert not upgrading.done()
        await writer.commit()
    async with asyncio.timeout(60):
        await upgrading
    query = "SELECT indisvalid AND pg_get_indexdef(indexrelid) LIKE '%(node, ended_at)' FROM pg_index"
    async with engine.connect() as connection:
        assert await connection.scalar(text(f"{query} WHERE indexrelid = 'ix_calls_x'::regclass"))
    assert await revision_of(engine) == "x2"


async def test_two_nodes_that_start_at_once_bring_it_once(
    engine: AsyncEngine, database_url: str, ahead: Ahead
) -> None:
    ahead.add(
        "x1", 'op.execute("ALTER TABLE buyers ADD COLUMN x1 integer"); op.execute("SELECT pg_sleep(0.3)")'
    )
    faults: list[BaseException] = []

    def bring() -> None:
        try:
            upgrade(owner_of(database_url), database_url)
        except BaseException as fault:
            faults.append(fault)

    nodes = [threading.Thread(target=bring) for _ in range(3)]
    for node in nodes:
        node.start()
    for node in nodes:
        await asyncio.to_thread(node.join)
    assert faults == []
    assert await revision_of(engine) == "x1"
