"""Goes through every sealed column of the database: to seal it by the newest key, or to see whether it opens.

Columns are found by their type (store.sealed_columns). Rows are read in batches by their primary key, so that no
statement takes long however large a table is, and only rows that change are locked, for one batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, LargeBinary, Table, bindparam, select, text, tuple_, type_coerce, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from store.faults import is_lock_timeout
from store.key_ring import KeyRing, NotSealedByUs
from store.sealed_columns import Sealed, sealed_columns
from store.tables import metadata

BATCH_ROWS = 200
LOCK_TIMEOUT_MS = 200
"""Anyone who holds a row keeps it: the batch is tried again in the next round."""
ROUNDS, PAUSE_SECONDS = 5, 1.0
SHOWN_ROWS = 20

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class SealedColumn:
    """A column whose values are sealed."""

    column: Column[Any]
    sealed: Sealed

    @property
    def name(self) -> str:
        return f"{self.table.name}.{self.column.name}"

    @property
    def table(self) -> Table:
        return self.column.table

    @property
    def raw(self) -> Any:
        """The column as it is stored."""
        return type_coerce(self.column, LargeBinary)

    def bound_to(self, row: Any) -> bytes:
        return self.sealed.bound_to(row.bound)


@dataclass(kw_only=True)
class Count:
    """What was found in a column. `sealed`: anew, by the newest key; `left`: by older keys still."""

    column: str
    values: int = 0
    sealed: int = 0
    left: int = 0
    lost: list[str] = field(default_factory=list)
    """Rows whose value does not open, by their primary key; SHOWN_ROWS at most."""
    lost_count: int = 0

    def add_lost(self, key: Sequence[Any]) -> None:
        self.lost_count += 1
        if len(self.lost) < SHOWN_ROWS:
            self.lost.append(", ".join(map(str, key)))


def columns_of_database() -> list[SealedColumn]:
    return [SealedColumn(column=column, sealed=sealed) for column, sealed in sealed_columns(metadata)]


async def check_all(engine: AsyncEngine, ring: KeyRing, progress: Progress) -> list[Count]:
    """Open every sealed value. Takes a minute for a few million."""
    counts = []
    for column in columns_of_database():
        count = Count(column=column.name)
        async for rows in _batches(engine, column):
            for row in rows:
                count.values += 1
                count.left += not ring.is_newest(row.value)
                if _opened(ring, column, row) is None:
                    count.add_lost(_key_of(column, row))
            progress(f"{column.name}: {count.values} looked at")
        counts.append(count)
    return counts


async def seal_all_anew(engine: AsyncEngine, ring: KeyRing, progress: Progress) -> list[Count]:
    """Seal by the newest key what is sealed by older ones. Interrupted, it goes on where nothing is done yet."""
    return [await _seal_column(engine, ring, column, progress) for column in columns_of_database()]


async def _seal_column(engine: AsyncEngine, ring: KeyRing, column: SealedColumn, progress: Progress) -> Count:
    sealed = 0
    for _ in range(ROUNDS):
        count = Count(column=column.name, sealed=sealed)
        async for rows in _batches(engine, column):
            count.values += len(rows)
            older = [row for row in rows if not ring.is_newest(row.value)]
            changed = await _seal_rows(engine, ring, column, older, count)
            count.sealed += changed
            count.left += len(older) - changed
            progress(f"{column.name}: {count.values} looked at, {count.sealed} sealed again")
        sealed = count.sealed
        if count.left == count.lost_count:
            break
        await asyncio.sleep(PAUSE_SECONDS)
    return count


async def _seal_rows(
    engine: AsyncEngine, ring: KeyRing, column: SealedColumn, rows: Sequence[Any], count: Count
) -> int:
    """Seal a batch anew, each value unless it has changed meanwhile; return how many were."""
    changes = []
    for row in rows:
        plain = _opened(ring, column, row)
        if plain is None:
            count.add_lost(_key_of(column, row))
            continue
        sealed = ring.seal(column.sealed.purpose, plain, bound_to=column.bound_to(row))
        key = {f"key_{n}": part for n, part in enumerate(_key_of(column, row))}
        changes.append({"before": row.value, "after": sealed, **key})
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
            return sum([await _replace(connection, column, change) for change in changes])
    except DBAPIError as error:
        if is_lock_timeout(error):
            return 0
        raise


async def _replace(connection: AsyncConnection, column: SealedColumn, change: dict[str, Any]) -> int:
    statement = update(column.table).values({column.column.name: bindparam("after", type_=LargeBinary)})
    statement = statement.where(column.raw == bindparam("before", type_=LargeBinary))
    for n, part in enumerate(column.table.primary_key.columns):
        statement = statement.where(part == bindparam(f"key_{n}", type_=part.type))
    return (await connection.execute(statement, change)).rowcount


async def _batches(engine: AsyncEngine, column: SealedColumn) -> AsyncIterator[Sequence[Any]]:
    """Yield all values of a column with their rows' keys, in the order of these."""
    key = list(column.table.primary_key.columns)
    bound = column.table.c[column.sealed.bound_by] if column.sealed.bound_by else key[0]
    query = select(*(part.label(f"key_{n}") for n, part in enumerate(key)), bound.label("bound"))
    query = query.add_columns(column.raw.label("value")).order_by(*key).limit(BATCH_ROWS)
    last: tuple[Any, ...] | None = None
    while True:
        following = query if last is None else query.where(tuple_(*key) > tuple_(*last))
        async with engine.connect() as connection:
            rows = (await connection.execute(following)).all()
        if not rows:
            return
        last = tuple(_key_of(column, rows[-1]))
        yield [row for row in rows if row.value is not None]


def _key_of(column: SealedColumn, row: Any) -> Sequence[Any]:
    return tuple(row)[: len(column.table.primary_key.columns)]


def _opened(ring: KeyRing, column: SealedColumn, row: Any) -> bytes | None:
    try:
        return ring.unseal(column.sealed.purpose, row.value, bound_to=column.bound_to(row))
    except NotSealedByUs:
        return None
