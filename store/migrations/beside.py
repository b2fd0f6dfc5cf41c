"""What a migration does to a large table while others read and write it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alembic.operations import Operations


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
