"""Rows of any resource in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, delete, func, insert, literal, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import audit_log
from web.resources.fields import Kind
from web.resources.resource import Resource

BY_KEY = "id"
"""A resource sorted by this is listed in the order of its keys."""


def _dict(result: Any) -> dict[str, Any] | None:
    row = result.mappings().one_or_none()
    return None if row is None else dict(row)


def _matches(resource: Resource, text: str) -> ColumnElement[bool]:
    pattern = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    numbers = {one.name for one in resource.fields if one.shown.kind == Kind.TELEPHONE}
    digits = "".join(character for character in text if character.isdigit())
    return or_(
        *(
            resource.table.c[name].ilike(f"%{digits if name in numbers and digits else pattern}%")
            for name in resource.search
        ),
        *(() if resource.find is None else resource.find(text)),
    )


async def list_rows(
    connection: AsyncConnection,
    resource: Resource,
    *,
    search: str = "",
    after: tuple[str, int] | None = None,
    where: Mapping[str, int | str] | None = None,
    limit: int,
) -> Sequence[Mapping[str, Any]]:
    """Return up to `limit` rows in the list's order, after the row of this sort text and id."""
    table, key = resource.table, resource.table.c[resource.key]
    if resource.sort == BY_KEY:
        order: ColumnElement[str] = literal("")
        statement = select(table, order.label("sort_text")).order_by(key)
    else:
        order = func.lower(table.c[resource.sort].cast(Text))
        statement = select(table, order.label("sort_text")).order_by(order, key)
    if search and resource.search:
        statement = statement.where(_matches(resource, search))
    if after is not None:
        by_key = resource.sort == BY_KEY
        statement = statement.where(key > after[1] if by_key else tuple_(order, key) > after)
    for name, value in (where or {}).items():
        statement = statement.where(*_narrowed(resource, name, value))
    rows = (await connection.execute(statement.limit(limit))).mappings().all()
    return await _whole(connection, resource, [{**row, "id": row[resource.key]} for row in rows])


def _narrowed(resource: Resource, name: str, value: int | str) -> Sequence[ColumnElement[bool]]:
    return [resource.table.c[name] == value] if resource.narrow is None else resource.narrow(name, value)


async def _whole(
    connection: AsyncConnection, resource: Resource, rows: Sequence[Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]]:
    return rows if resource.load is None or not rows else await resource.load(connection, rows)


async def row_of(
    connection: AsyncConnection, resource: Resource, row_id: int, *, lock: bool = False
) -> Mapping[str, Any] | None:
    statement = select(resource.table).where(resource.table.c[resource.key] == row_id)
    if lock:
        statement = statement.with_for_update()
    row = _dict(await connection.execute(statement))
    return None if row is None else (await _whole(connection, resource, [{**row, "id": row_id}]))[0]


async def insert_row(connection: AsyncConnection, resource: Resource, values: Mapping[str, Any]) -> int:
    statement = insert(resource.table).values(dict(values)).returning(resource.table.c[resource.key])
    return int((await connection.execute(statement)).scalar_one())


async def update_row(
    connection: AsyncConnection, resource: Resource, row_id: int, values: Mapping[str, Any]
) -> None:
    if values:
        key = resource.table.c[resource.key]
        await connection.execute(update(resource.table).where(key == row_id).values(dict(values)))


async def delete_row(connection: AsyncConnection, resource: Resource, row_id: int) -> None:
    await connection.execute(delete(resource.table).where(resource.table.c[resource.key] == row_id))


def _label(resource: Resource) -> ColumnElement[str]:
    """Return what a row is called: its name, and whose it is where names are not enough."""
    own = resource.table.c[resource.label].cast(Text)
    if resource.within is None:
        return own
    other = resource.within.table
    whose = select(other.c[resource.within.label]).where(
        other.c.id == resource.table.c[resource.within.column]
    )
    return func.concat(own, ", ", whose.scalar_subquery())


async def labels_of(connection: AsyncConnection, resource: Resource, ids: Iterable[int]) -> Mapping[int, str]:
    """Return what rows are called, by id."""
    key = resource.table.c[resource.key]
    statement = select(key, _label(resource)).where(key.in_(sorted(set(ids))))
    return {row[0]: str(row[1]) for row in (await connection.execute(statement)).all()}


async def options_of(
    connection: AsyncConnection, resource: Resource, *, search: str = "", limit: int
) -> Mapping[int, str]:
    """Return what may be chosen: the first rows by name, of those that contain a text."""
    label = func.lower(resource.table.c[resource.label].cast(Text))
    statement = select(resource.table.c[resource.key], _label(resource)).order_by(label).limit(limit)
    if search:
        statement = statement.where(_matches(resource, search))
    return {row[0]: str(row[1]) for row in (await connection.execute(statement)).all()}


async def ids_named(connection: AsyncConnection, resource: Resource, text: str) -> Sequence[int]:
    """Return the ids of up to two rows of exactly this name, whatever the case."""
    label = func.lower(_label(resource))
    own = func.lower(resource.table.c[resource.label].cast(Text))
    statement = select(resource.table.c[resource.key]).where(or_(own == text.lower(), label == text.lower()))
    return list((await connection.execute(statement.limit(2))).scalars())


async def audit_of(connection: AsyncConnection, audit_id: int) -> Mapping[str, Any] | None:
    statement = select(audit_log).where(audit_log.c.id == audit_id)
    return _dict(await connection.execute(statement))


async def history_of(
    connection: AsyncConnection, resource: Resource, row_id: int, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Return the newest changes of a row."""
    statement = (
        select(audit_log)
        .where(audit_log.c.kind == resource.name, audit_log.c.ref == str(row_id))
        .order_by(audit_log.c.id.desc())
        .limit(limit)
    )
    return [dict(row) for row in (await connection.execute(statement)).mappings()]
