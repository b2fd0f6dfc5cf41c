"""Groups of the directory and their roles, for machines: read only. What opens a way in is given on the page."""

from __future__ import annotations

from pydantic import BaseModel, Field

from web.api.operation import Answered, Asked, Operation, Page, Problem
from web.directory_groups import queries
from web.keys import Role


class DirectoryGroupItem(BaseModel):
    """A group of the directory, and who its people are here."""

    id: int
    name: str = Field(description="As the directory spells it")
    role: Role
    buyer_id: int | None
    publisher_id: int | None


async def list_groups(asked: Asked) -> Answered | Problem:
    async with asked.engine.connect() as connection:
        groups = await queries.read_groups(connection)
    items = [
        DirectoryGroupItem(
            id=group.group_id,
            name=group.name,
            role=group.belonging.role,
            buyer_id=group.belonging.buyer_id,
            publisher_id=group.belonging.publisher_id,
        )
        for group in groups
    ]
    return Answered(content=Page[DirectoryGroupItem](items=items))


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET",
        path="/directory-groups",
        name="list_directory_groups",
        summary="List the directory's groups that have a role here",
        tag="users",
        roles=frozenset({Role.ADMIN}),
        handler=list_groups,
        answer=Page[DirectoryGroupItem],
    ),
)
