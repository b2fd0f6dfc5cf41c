"""How a process reaches PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

CONNECT_TIMEOUT_SECONDS = 3
STATEMENT_TIMEOUT_MS = 15_000
# A frozen server answers nothing, not even "timed out": the client gives up by itself a little later.
COMMAND_TIMEOUT_SECONDS = 20

_NAME = "application_name"
_SQLALCHEMY_ONLY = frozenset(
    {"async_fallback", "async_creator_fn", "prepared_statement_cache_size", "prepared_statement_name_func"}
)


def async_url(database_url: str) -> str:
    """Return `database_url` in the form that names the asyncpg driver."""
    return database_url.replace("postgresql://", "postgresql+asyncpg://", 1)


def open_engine(
    database_url: str,
    *,
    application_name: str,
    pool_size: int = 5,
    by_key: bool = False,
    patient: bool = False,
) -> AsyncEngine:
    """Return an engine for `database_url` (postgresql+asyncpg://…, or the plain postgresql:// form).

    Connections are checked before use, because PostgreSQL may restart under us at any time. `by_key` is for a process
    that asks by keys and indexes only. PostgreSQL plans the look-ups of foreign keys and triggers once a connection:
    what it planned while a table was nearly empty would read that table whole for as long as the connection lives.
    `patient` is for somebody who waits for work over years of calls: the client does not give up by itself.
    """
    arguments = _arguments(application_name, {"enable_seqscan": "off"} if by_key else {})
    return create_async_engine(
        async_url(database_url),
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=CONNECT_TIMEOUT_SECONDS,
        # What is asked by, numbers of callers among it, does not stand in the log when the database refuses.
        hide_parameters=True,
        connect_args=arguments | {"command_timeout": None} if patient else arguments,
        execution_options={_NAME: application_name},
    )


async def connect_plainly(engine: AsyncEngine) -> asyncpg.Connection:
    """Return a connection of the driver's own to where `engine` points, with the same settings; the caller closes it.

    Raises what the driver raises. Plans are made once a statement, not once a call: nothing it is for asks otherwise.
    """
    _, found = engine.dialect.create_connect_args(engine.url)
    name = engine.get_execution_options().get(_NAME, "tollbridge")
    arguments = _arguments(name, {"plan_cache_mode": "force_generic_plan"})
    ours = {key: value for key, value in found.items() if key not in _SQLALCHEMY_ONLY}
    return await asyncpg.connect(**ours, **arguments)


def _arguments(application_name: str, settings: Mapping[str, str]) -> dict[str, Any]:
    return {
        "timeout": CONNECT_TIMEOUT_SECONDS,
        "command_timeout": COMMAND_TIMEOUT_SECONDS,
        "server_settings": {
            "application_name": application_name,
            "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            "timezone": "UTC",
            **settings,
        },
    }
