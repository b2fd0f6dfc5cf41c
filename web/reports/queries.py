"""The reports that somebody has kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import saved_views
from web.keys import User

PAGE = "reports"
VIEWS_MAXIMUM = 50


async def read_views(connection: AsyncConnection, user: User) -> Sequence[Any]:
    """Return id, name and query of the reports that this person has kept."""
    mine = (saved_views.c.user_id == user.user_id) & (saved_views.c.page == PAGE)
    query = select(saved_views.c.id, saved_views.c.name, saved_views.c.query).where(mine)
    return (await connection.execute(query.order_by(saved_views.c.name).limit(VIEWS_MAXIMUM))).all()


async def write_view(connection: AsyncConnection, user: User, name: str, query: str) -> int | None:
    """Keep a report under a name, in place of the one that had it; return its id, or None when there are too many."""
    mine = (saved_views.c.user_id == user.user_id) & (saved_views.c.page == PAGE)
    others = select(func.count()).select_from(saved_views).where(mine, saved_views.c.name != name)
    if int((await connection.execute(others)).scalar_one()) >= VIEWS_MAXIMUM:
        return None
    said = {"user_id": user.user_id, "page": PAGE, "name": name, "query": query}
    statement = insert(saved_views).values(said)
    made = await connection.execute(
        statement.on_conflict_do_update(
            index_elements=[saved_views.c.user_id, saved_views.c.page, saved_views.c.name],
            set_={"query": query},
        ).returning(saved_views.c.id)
    )
    return int(made.scalar_one())


async def delete_view(connection: AsyncConnection, user: User, view_id: int) -> bool:
    """Forget a report that this person has kept; False when they have none of that id."""
    mine = (saved_views.c.user_id == user.user_id) & (saved_views.c.page == PAGE)
    gone = await connection.execute(delete(saved_views).where(mine, saved_views.c.id == view_id))
    return bool(gone.rowcount)
