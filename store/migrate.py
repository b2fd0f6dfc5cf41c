"""Brings a database to the newest schema."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from store.roles import grant_rights
from store.session import async_url

# Two nodes that start at once must not migrate at once.
_MIGRATION_LOCK = 7_042_001


def alembic_config(connection: Connection) -> Config:
    """Return Alembic's configuration, bound to `connection`."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def upgrade(owner_url: str, application_url: str | None = None) -> None:
    """Bring the database to the newest schema; does nothing when it is there. Blocks until done.

    The user of `application_url` is given the application's rights; None: the owner is the application, too.
    May be called with or without a running event loop. Raises RoleMissing, and OSError or sqlalchemy.exc.DBAPIError
    when the database cannot be reached or refuses.
    """
    application = make_url(application_url) if application_url else None
    if application is not None and application.username == make_url(owner_url).username:
        application = None
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _upgrade(owner_url, application)).result()


async def _upgrade(database_url: str, application: URL | None) -> None:
    # An engine of its own: a migration may take longer than any statement of a running node may.
    engine = create_async_engine(async_url(database_url), poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            await connection.run_sync(lambda bound: command.upgrade(alembic_config(bound), "head"))
            if application is not None:
                await connection.run_sync(grant_rights, application)
    finally:
        await engine.dispose()
