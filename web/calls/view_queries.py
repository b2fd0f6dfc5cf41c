"""Filters that somebody keeps under a name, each person their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import saved_views
from web.calls.listing import Filter

PAGE = "calls"
VIEWS_MAXIMUM = 30
NAME_MAXIMUM = 60


@dataclass(frozen=True, kw_only=True)
class SavedView:
    id: int
    name: str
    query: str


async def read_views(connection: AsyncConnection, user_id: int) -> Sequence[SavedView]:
    fields = (saved_views.c[name] for name in ("id", "name", "query"))
    statement = select(*fields).where(saved_views.c.user_id == user_id, saved_views.c.page == PAGE)
    rows = await connection.execute(statement.order_by(saved_views.c.name).limit(VIEWS_MAXIMUM))
    return [SavedView(**row._mapping) for row in rows]


async def keep_view(connection: AsyncConnection, user_id: int, name: str, wanted: Filter) -> SavedView | str:
    """Keep a view, over one of the same name; or return why not, for people. The caller is left out: it is personal."""
    query = replace(wanted, caller="").query().removeprefix("?")
    if wanted.caller and not query:
        return "A view keeps no caller: filter by something else as well."
    shown = " ".join(name.split())
    if not shown or len(shown) > NAME_MAXIMUM or not shown.isprintable():
        return f"Give the view a name of at most {NAME_MAXIMUM} characters."
    mine = (saved_views.c.user_id == user_id) & (saved_views.c.page == PAGE)
    others = select(func.count()).select_from(saved_views).where(mine, saved_views.c.name != shown)
    if (await connection.execute(others)).scalar_one() >= VIEWS_MAXIMUM:
        return f"You keep {VIEWS_MAXIMUM} views already: forget one first."
    statement = (
        insert(saved_views)
        .values(user_id=user_id, page=PAGE, name=shown, query=query)
        .on_conflict_do_update(index_elements=["user_id", "page", "name"], set_={"query": query})
        .returning(saved_views.c.id)
    )
    view_id = (await connection.execute(statement)).scalar_one()
    return SavedView(id=int(view_id), name=shown, query=query)


async def forget_view(connection: AsyncConnection, user_id: int, view_id: int) -> bool:
    """Forget a view of this user; False when they have none of that id."""
    mine = (saved_views.c.user_id == user_id) & (saved_views.c.page == PAGE)
    gone = await connection.execute(delete(saved_views).where(mine, saved_views.c.id == view_id))
    return bool(gone.rowcount)
