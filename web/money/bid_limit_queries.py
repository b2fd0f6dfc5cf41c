"""Between what buyers may set their standing prices themselves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, select, true, tuple_
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import bid_limits, buyer_terms, buyers, campaigns


async def read_limits(
    connection: AsyncConnection, now: dt.datetime, *, search: str, after: tuple[str, str] | None, limit: int
) -> Sequence[Any]:
    """Return terms in force with their floor and ceiling, by buyer and campaign; `after` names the pair before them."""
    query = _limits(now).order_by(buyers.c.name, campaigns.c.name).limit(limit)
    if search:
        query = query.where(buyers.c.name.icontains(search, autoescape=True))
    if after is not None:
        query = query.where(tuple_(buyers.c.name, campaigns.c.name) > after)
    found: Sequence[Any] = (await connection.execute(query)).all()
    return found


async def read_limit(
    connection: AsyncConnection, now: dt.datetime, buyer_id: int, campaign_id: int
) -> Any | None:
    """Return the same of one buyer and campaign, None without terms in force."""
    mine = (buyer_terms.c.buyer_id == buyer_id) & (buyer_terms.c.campaign_id == campaign_id)
    return (await connection.execute(_limits(now, mine))).one_or_none()


def _limits(now: dt.datetime, of: ColumnElement[bool] | None = None) -> Select[Any]:
    """Buyer, campaign, price_micros, document, floor_micros and ceiling_micros of terms in force."""
    newest = (
        select(buyer_terms)
        .ext(distinct_on(buyer_terms.c.buyer_id, buyer_terms.c.campaign_id))
        .where(buyer_terms.c.goes_live_at <= now, true() if of is None else of)
        .order_by(
            buyer_terms.c.buyer_id,
            buyer_terms.c.campaign_id,
            buyer_terms.c.goes_live_at.desc(),
            buyer_terms.c.id.desc(),
        )
        .subquery("newest")
    )
    limits = (bid_limits.c.buyer_id == newest.c.buyer_id) & (bid_limits.c.campaign_id == newest.c.campaign_id)
    return select(
        newest.c.buyer_id,
        newest.c.campaign_id,
        buyers.c.name.label("buyer"),
        campaigns.c.name.label("campaign"),
        newest.c.price_micros,
        newest.c.document,
        bid_limits.c.floor_micros,
        bid_limits.c.ceiling_micros,
    ).select_from(
        newest.join(buyers, buyers.c.id == newest.c.buyer_id)
        .join(campaigns, campaigns.c.id == newest.c.campaign_id)
        .outerjoin(bid_limits, limits)
    )


async def write_limit(
    connection: AsyncConnection, buyer_id: int, campaign_id: int, limits: tuple[int, int] | None
) -> None:
    """Set floor and ceiling in micros; None: only the house sets the price."""
    if limits is None:
        mine = (bid_limits.c.buyer_id == buyer_id) & (bid_limits.c.campaign_id == campaign_id)
        await connection.execute(delete(bid_limits).where(mine))
        return
    said = {"floor_micros": limits[0], "ceiling_micros": limits[1]}
    statement = insert(bid_limits).values(buyer_id=buyer_id, campaign_id=campaign_id, **said)
    keys = [bid_limits.c.buyer_id, bid_limits.c.campaign_id]
    await connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=said))
