"""Brings a database to the newest schema."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, func, make_url, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from store.faults import is_lock_timeout
from store.roles import grant_rights
from store.session import async_url

# Two nodes that start at once must not migrate at once.
_MIGRATION_LOCK = 7_042_001
LOCK_TIMEOUT_MS = 200
"""Whoever asks for a table stands behind a migration that waits for it: no longer than this, so that a call that is
being decided (it gives the database 300 ms) is decided with all that is known."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0
PATIENCE_SECONDS = 600.0

log = logging.getLogger(__name__)


class StillLocked(Exception):
    """Somebody kept a table locked for longer than a migration is tried."""


def alembic_config(connection: Connection) -> Config:
    """Return Alembic's configuration, bound to `connection`."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def upgrade(
    owner_url: str, application_url: str | None = None, tell: Callable[[str], None] = log.warning
) -> None:
    """Bring the database to the newest schema; does nothing when it is there. Blocks until done.

    Each migration is a transaction. One that meets a lock lets go of its own at once and is tried again, so that
    nobody waits behind it; `tell` hears of it. The user of `application_url` is given the application's rights; None:
    the owner is the application, too. May be called with or without a running event loop.
    Raises StillLocked, RoleMissing, and OSError or sqlalchemy.exc.DBAPIError when the database cannot be reached or
    refuses. The migrations before stay.
    """
    application = make_url(application_url) if application_url else None
    if application is not None and application.username == make_url(owner_url).username:
        application = None
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _upgrade(owner_url, application, tell)).result()


async def _upgrade(owner_url: str, application: URL | None, tell: Callable[[str], None]) -> None:
    # An engine of its own: a migration may take longer than any statement of a running node may.
    settings = {
        "lock_timeout": f"{LOCK_TIMEOUT_MS}ms",
        "application_name": "tollbridge-migrate",
        "timezone": "UTC",
    }
    engine = create_async_engine(
        async_url(owner_url),
        poolclass=NullPool,
        connect_args={"server_settings": settings},
        hide_parameters=True,
    )
    try:
        async with engine.connect() as connection:
            await _be_the_only_one(connection, tell)
            await _migrate(connection, tell)
            if application is not None:
                await connection.run_sync(grant_rights, application)
                await connection.commit()
    finally:
        await engine.dispose()


async def _be_the_only_one(connection: AsyncConnection, tell: Callable[[str], None]) -> None:
    """Wait until no other node migrates. Between two looks no transaction is open: an index that is made beside others
    waits for those. The lock ends with the connection."""
    looks = 0
    while not await connection.scalar(select(func.pg_try_advisory_lock(_MIGRATION_LOCK))):
        await connection.rollback()
        if looks % 50 == 0:
            tell("another node brings the database up to date: waiting for it")
        looks += 1
        await asyncio.sleep(0.2)
    await connection.commit()


async def _migrate(connection: AsyncConnection, tell: Callable[[str], None]) -> None:
    began, pause_seconds = time.monotonic(), FIRST_PAUSE_SECONDS
    while True:
        try:
            await connection.run_sync(lambda bound: command.upgrade(alembic_config(bound), "head"))
            await connection.commit()
            return
        except DBAPIError as error:
            await connection.rollback()
            if not is_lock_timeout(error):
                raise
            waited = await connection.run_sync(_what_waits)
            await connection.rollback()
            if time.monotonic() - began > PATIENCE_SECONDS:
                raise StillLocked(
                    f"{waited}. Tried for {PATIENCE_SECONDS:g} s: end what holds it, then start again"
                ) from error
            tell(f"{waited}: tried again in {pause_seconds:g} s")
        await asyncio.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)


def _what_waits(connection: Connection) -> str:
    """Say which migration is next and who has had a transaction open for longest."""
    context = MigrationContext.configure(connection)
    script = ScriptDirectory.from_config(alembic_config(connection))
    revisions = [
        one.revision for one in script.iterate_revisions("head", context.get_current_revision() or "base")
    ]
    oldest = connection.execute(
        text(
            "SELECT pid, application_name, round(extract(epoch FROM now() - xact_start)) AS seconds"
            " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND xact_start IS NOT NULL ORDER BY xact_start LIMIT 1"
        )
    ).one_or_none()
    next_one = revisions[-1] if revisions else "head"
    if oldest is None:
        return f"migration {next_one} waits for a lock"
    return (
        f"migration {next_one} waits for a lock; the oldest open transaction is that of"
        f" {oldest.application_name or 'a client'} (process {oldest.pid} of PostgreSQL), {oldest.seconds} s old"
    )
