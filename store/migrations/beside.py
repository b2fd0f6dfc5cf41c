"""What a migration does to a large table while others read and write it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from alembic.operations import Operations
from sqlalchemy import text

from store.migrate import LOCK_TIMEOUT_MS

BATCH_ROWS = 200
"""Rows that are changed at once: whoever wants one of them waits for so many."""


def lock_first(op: Operations, changed: Sequence[str], given_triggers: Sequence[str] = ()) -> None:
    """Lock what the migration alters, and what it gives a trigger or a foreign key points to, the busiest last.

    All of them together wait no longer than one lock may: nobody stands for longer behind the first.
    """
    until = time.monotonic() + LOCK_TIMEOUT_MS / 1000
    for tables, mode in ((changed, "ACCESS EXCLUSIVE"), (given_triggers, "SHARE ROW EXCLUSIVE")):
        for table in tables:
            left_ms = max(int((until - time.monotonic()) * 1000), 10)
            op.execute(f"SET LOCAL lock_timeout = {left_ms}")
            op.execute(f"LOCK TABLE {table} IN {mode} MODE")


def fill_beside(op: Operations, table: str, statement: str) -> None:
    """Execute `statement` for all rows of a table, a batch of their `:ids` at a time, each in its own transaction.

    It is no part of the migration's transaction and is begun again once it met a lock: it must leave alone what it
    has filled. What is written meanwhile may be left out.
    """
    following, last = "", dict[str, Any]()
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        while True:
            query = f"SELECT id FROM {table} {following} ORDER BY id LIMIT {BATCH_ROWS}"  # noqa: S608 (constants)
            ids = list(connection.scalars(text(query), last))
            if not ids:
                return
            connection.execute(text(statement), {"ids": ids})
            following, last = "WHERE id > :last", {"last": ids[-1]}


def create_index_beside(op: Operations, name: str, table: str, columns: Sequence[str], **more: Any) -> None:
    """Create an index and hold up nobody. `more` is as of alembic's create_index.

    It is no part of the migration's transaction: a migration that does this does nothing else. Once it failed it is
    begun again; what the failure left is dropped.
    """
    with op.get_context().autocommit_block():
        # It waits for transactions that are older, for as long as they last; nobody waits for it.
        op.execute("SET lock_timeout = 0")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.create_index(name, table, list(columns), postgresql_concurrently=True, **more)
        op.execute("RESET lock_timeout")
