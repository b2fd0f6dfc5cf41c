"""What groups of the directory may do here, in PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import buyers, directory_groups, publishers
from web.keys import Role
from web.users.people import Belonging


@dataclass(frozen=True, kw_only=True)
class DirectoryGroup:
    """A group of the directory, and who its people are here."""

    group_id: int
    name: str
    belonging: Belonging
    belongs_to: str
    """The buyer's or publisher's name; empty for the house."""


async def read_groups(connection: AsyncConnection) -> list[DirectoryGroup]:
    """Return all groups that have a role, by name."""
    statement = (
        select(directory_groups, func.coalesce(buyers.c.name, publishers.c.name, "").label("belongs_to"))
        .outerjoin(buyers, buyers.c.id == directory_groups.c.buyer_id)
        .outerjoin(publishers, publishers.c.id == directory_groups.c.publisher_id)
        .order_by(directory_groups.c.name)
    )
    return [
        DirectoryGroup(
            group_id=row.id,
            name=row.name,
            belonging=Belonging(role=Role(row.role), buyer_id=row.buyer_id, publisher_id=row.publisher_id),
            belongs_to=row.belongs_to,
        )
        for row in await connection.execute(statement)
    ]


async def count_groups(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(func.count()).select_from(directory_groups))).scalar_one())


async def insert_group(connection: AsyncConnection, name: str, belonging: Belonging) -> int | None:
    """Return the new row's id, or None when the group has a role already."""
    statement = (
        insert(directory_groups)
        .values(
            name=name,
            role=belonging.role.value,
            buyer_id=belonging.buyer_id,
            publisher_id=belonging.publisher_id,
        )
        .on_conflict_do_nothing(index_elements=[directory_groups.c.name])
        .returning(directory_groups.c.id)
    )
    group_id: int | None = (await connection.execute(statement)).scalar_one_or_none()
    return group_id


async def lock_group(connection: AsyncConnection, group_id: int) -> DirectoryGroup | None:
    """Return a group that nobody else can take the role of until this transaction ends."""
    statement = select(directory_groups).where(directory_groups.c.id == group_id).with_for_update()
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    belonging = Belonging(role=Role(row.role), buyer_id=row.buyer_id, publisher_id=row.publisher_id)
    return DirectoryGroup(group_id=row.id, name=row.name, belonging=belonging, belongs_to="")


async def delete_group(connection: AsyncConnection, group_id: int) -> None:
    await connection.execute(delete(directory_groups).where(directory_groups.c.id == group_id))
