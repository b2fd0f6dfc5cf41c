"""Brings a database to the newest schema."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from store.session import async_url

# Two nodes that start at once must not migrate at once.
_MIGRATION_LOCK = 7_042_001


def alembic_config(connection: Connection) -> Config:
    """Return Alembic's configuration, bound to `connection`."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def upgrade(database_url: str) -> None:
    """Bring the database to the newest schema; does nothing when it is there. Blocks until done.

    May be called with or without a running event loop. Raises OSError or sqlalchemy.exc.DBAPIError when the
    database cannot be reached or refuses.
    """
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _upgrade(database_url)).result()


async def _upgrade(database_url: str) -> None:
    # An engine of its own: a migration may take longer than any statement of a running node may.
    engine = create_async_engine(async_url(database_url), poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            await connection.run_sync(lambda bound: command.upgrade(alembic_config(bound), "head"))
    finally:
        await engine.dispose()
