"""Seals the plain numbers of tables in batches, each its own transaction, while others read and write them.

The node's keys are needed where there is anything to seal: migrations run with the settings of the node.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from alembic.operations import Operations
from sqlalchemy import Connection, text

from store.key_ring import key_ring
from store.migrations.beside import BATCH_ROWS
from store.sealed_columns import CALLER, area_of


@dataclass(frozen=True, kw_only=True)
class PlainNumbers:
    """Where a table keeps plain numbers: in `column` of the rows where `where` holds, told apart by `keys`."""

    table: str
    column: str = "caller"
    keys: tuple[str, ...] = ("id",)
    where: str = "true"
    has_index: bool = True
    has_area: bool = False
    sealed_keys: tuple[str, ...] = ()
    """What its rows are told apart by once numbers are sealed, where that is another."""

    @property
    def condition(self) -> str:
        return " AND ".join(f"{key} = :{key}" for key in self.keys)

    @property
    def unsealed(self) -> str:
        return f"{self.column} IS NOT NULL AND caller_sealed IS NULL AND ({self.where})"


def seal_beside(op: Operations, of: PlainNumbers) -> None:
    """Seal every number that is not sealed yet. It is begun again once it met a lock; what is written meanwhile may be
    left out.
    """
    with op.get_context().autocommit_block():
        connection, after = op.get_bind(), None
        while rows := _next_rows(connection, of, after):
            after = rows[-1]
            _seal(connection, of, [row for row in rows if row["unsealed"]])


def seal_rest(op: Operations, of: PlainNumbers) -> None:
    """Seal what is left, within the migration's transaction, which has locked the table."""
    names = ", ".join((*of.keys, f"{of.column} AS plain"))
    left = op.get_bind().execute(text(f"SELECT {names} FROM {of.table} WHERE {of.unsealed}"))  # noqa: S608 (constants)
    _seal(op.get_bind(), of, [dict(row) for row in left.mappings()])


def open_beside(op: Operations, of: PlainNumbers) -> None:
    """Write the plain numbers again: the way back."""
    of = replace(of, keys=of.sealed_keys or of.keys)
    statement = text(f"UPDATE {of.table} SET {of.column} = :plain WHERE {of.condition}")  # noqa: S608 (constants)
    with op.get_context().autocommit_block():
        connection, after = op.get_bind(), None
        while rows := _next_rows(connection, of, after):
            after = rows[-1]
            sealed = [row for row in rows if row["caller_sealed"] is not None]
            opened = [{**_keys(of, row), "plain": _opened(row["caller_sealed"])} for row in sealed]
            if opened:
                connection.execute(statement, opened)


def _next_rows(
    connection: Connection, of: PlainNumbers, after: dict[str, Any] | None
) -> list[dict[str, Any]]:
    names = ", ".join(of.keys)
    place = f"WHERE ({names}) > ({', '.join(f':{key}' for key in of.keys)})" if after else ""
    query = (
        f"SELECT {names}, {of.column} AS plain, caller_sealed, {of.unsealed} AS unsealed"  # noqa: S608 (constants)
        f" FROM {of.table} {place} ORDER BY {names} LIMIT {BATCH_ROWS}"
    )
    values = _keys(of, after) if after else {}
    return [dict(row) for row in connection.execute(text(query), values).mappings()]


def _seal(connection: Connection, of: PlainNumbers, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    also = ", caller_index = :index" * of.has_index + ", caller_area = CAST(:area AS text)" * of.has_area
    statement = text(
        f"UPDATE {of.table} SET caller_sealed = :sealed{also}"  # noqa: S608 (constants)
        f" WHERE {of.condition} AND caller_sealed IS NULL"
    )
    connection.execute(statement, [{**_keys(of, row), **_sealed(of, row["plain"])} for row in rows])


def _sealed(of: PlainNumbers, number: str) -> dict[str, Any]:
    values: dict[str, Any] = {"sealed": key_ring().seal_text(CALLER, number)}
    if of.has_index:
        values["index"] = key_ring().blind(CALLER, number)
    if of.has_area:
        values["area"] = area_of(number)
    return values


def _opened(sealed: bytes) -> str:
    return key_ring().unseal_text(CALLER, sealed)


def _keys(of: PlainNumbers, row: dict[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in of.keys}


CALLS = PlainNumbers(table="calls", has_area=True)
RESERVATIONS = PlainNumbers(table="rtb_reservations")
SUPPRESSIONS = PlainNumbers(
    table="buyer_suppressions",
    keys=("buyer_id", "caller"),
    sealed_keys=("buyer_id", "caller_index"),
    has_area=True,
)
REQUESTS = PlainNumbers(table="no_buyer_requests")
BLOCKED = PlainNumbers(table="blocked_callers", column="value", where="kind = 'number'")
TEST_CALLS = PlainNumbers(table="test_calls", has_index=False)
DIAL_CODES = PlainNumbers(table="dial_codes", has_index=False)
EVERYWHERE = (BLOCKED, TEST_CALLS, DIAL_CODES, REQUESTS, SUPPRESSIONS, RESERVATIONS, CALLS)


def write_anew(op: Operations, table: str, keys: tuple[str, ...], column: str) -> None:
    """Write every row again as it is, beside others: what dropped columns held is in none of them any more."""
    names = ", ".join(keys)
    condition = " AND ".join(f"{key} = :{key}" for key in keys)
    statement = text(f"UPDATE {table} SET {column} = {column} WHERE {condition}")  # noqa: S608 (constants)
    with op.get_context().autocommit_block():
        connection, after = op.get_bind(), None
        while True:
            place = f"WHERE ({names}) > ({', '.join(f':{key}' for key in keys)})" if after else ""
            query = f"SELECT {names} FROM {table} {place} ORDER BY {names} LIMIT {BATCH_ROWS}"  # noqa: S608 (constants)
            rows = [dict(row) for row in connection.execute(text(query), after or {}).mappings()]
            if not rows:
                return
            connection.execute(statement, rows)
            after = rows[-1]
