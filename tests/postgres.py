"""One embedded PostgreSQL for a test session, a migrated template in it, and a clone of that for each test."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import asyncpg
import psutil
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from store.migrate import upgrade
from store.roles import application_url
from store.session import open_engine
from tollbridge.postgres import start_embedded_postgres, stop_embedded_postgres

_PREFIX = "tbpg-"
_TEMPLATE = "tollbridge_template"
# Nothing here must outlive a power cut, and what lies in memory must stay small.
_FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "32MB",
    "max_wal_size": "96MB",
}
AS_A_NODE_BUT_FAST = {
    name: value for name, value in _FAST.items() if name not in ("shared_buffers", "max_wal_size")
}
"""Quick to fill, and with the memory of a node's own server: for benchmarks that read."""
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 1 << 30


@contextmanager
def server_for_tests(settings: Mapping[str, str] = _FAST, *, in_memory: bool = False) -> Iterator[str]:
    """Run a server with a migrated template database; yield the URL of its `postgres` database.

    With no `settings` it is set as a node sets it: what is committed is on the disk. `in_memory` is for many small
    databases: a clone is 700 files, and making those on a disk takes ten times the processor.
    """
    _stop_left_over_servers()
    parent = _parent_in_memory() if in_memory else None
    data_dir = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    try:
        server_url = start_embedded_postgres(data_dir, settings)
        execute(server_url, f"CREATE DATABASE {_TEMPLATE}")
        migrated(database_of(server_url, _TEMPLATE))
        yield server_url
    finally:
        stop_embedded_postgres(data_dir)
        shutil.rmtree(data_dir, ignore_errors=True)


@contextmanager
def cloned_database(server_url: str) -> Iterator[str]:
    """Clone the template; yield the URL by which a node's processes use it; drop it afterwards, whoever uses it still.

    `owner_of` makes it the owner's.
    """
    name = f"test_{uuid.uuid4().hex[:12]}"
    # Copied files are a third of the work in memory and several times as much on a disk, for their checkpoints.
    in_memory = str(make_url(server_url).query.get("host", "")).startswith(str(_MEMORY))
    strategy = "FILE_COPY" if in_memory else "WAL_LOG"
    execute(server_url, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY {strategy}")
    try:
        yield application_url(database_of(server_url, name))
    finally:
        execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def database_of(server_url: str, name: str) -> str:
    """Return the URL of database `name` on the same server."""
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


def migrated(owner_url: str) -> str:
    """Bring a database to the newest schema; return the URL by which a node's processes use it. Blocks."""
    url = application_url(owner_url)
    upgrade(owner_url, url)
    return url


def owner_of(database_url: str) -> str:
    """Return the URL of the same database as its owner, who may do everything."""
    return make_url(database_url).set(username="postgres").render_as_string(hide_password=False)


@asynccontextmanager
async def as_owner(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Begin a transaction of the owner on the engine's database: for what a process of a node may not do."""
    owner = open_engine(
        owner_of(engine.url.render_as_string(hide_password=False)), application_name="owner", pool_size=1
    )
    try:
        async with owner.begin() as connection:
            yield connection
    finally:
        await owner.dispose()


def execute(database_url: str, statement: str) -> None:
    """Run one statement as the owner, on a connection of its own, outside any transaction. Blocks."""

    async def run() -> None:
        connection = await asyncpg.connect(owner_of(database_url), timeout=10)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    _in_a_thread(run())


def _in_a_thread(work: Coroutine[Any, Any, None]) -> None:
    # Fixtures may run while the test's event loop is there: a loop in a thread of its own disturbs nobody.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


def _parent_in_memory() -> Path | None:
    """Return a folder in memory that has room; None, the usual folder, where there is none (a small container)."""
    try:
        return _MEMORY if shutil.disk_usage(_MEMORY).free > _ROOM_BYTES else None
    except OSError:
        return None


def _stop_left_over_servers() -> None:
    """Stop the servers of test sessions that were killed before they could."""
    parents = (Path(tempfile.gettempdir()), _MEMORY)
    for data_dir in chain.from_iterable(parent.glob(f"{_PREFIX}*-*") for parent in parents):
        owner = data_dir.name.removeprefix(_PREFIX).split("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            stop_embedded_postgres(data_dir)
            shutil.rmtree(data_dir, ignore_errors=True)
