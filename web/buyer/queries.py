"""What only a buyer's home needs: how many of its calls are under way, and what asks for its attention."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import distinct, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import buyers, disputes, leases, licences, targets
from web.keys import User
from web.tenancy import own_disputes, own_licences, own_targets

LICENCES_MAXIMUM = 1_000
SOON = dt.timedelta(days=30)


async def count_live(connection: AsyncConnection, user: User, now: dt.datetime) -> int:
    """Return how many calls ring or talk at the buyer's own targets."""
    mine = select(targets.c.id).where(own_targets(user))
    query = select(func.count(distinct(leases.c.call_id))).where(
        leases.c.released_at.is_(None), leases.c.expires_at > now, leases.c.target_id.in_(mine)
    )
    return int((await connection.execute(query)).scalar_one())


async def count_open_disputes(connection: AsyncConnection, user: User) -> int:
    query = select(func.count()).where(own_disputes(user), disputes.c.state == "open")
    return int((await connection.execute(query)).scalar_one())


async def read_own_licences(connection: AsyncConnection, user: User) -> Sequence[Any]:
    """Return the buyer's licences: state, product, nmls_id, officer, valid_from, valid_to, status."""
    query = (
        select(licences)
        .where(own_licences(user))
        .order_by(licences.c.state, licences.c.product, licences.c.valid_to.nulls_last(), licences.c.id)
        .limit(LICENCES_MAXIMUM)
    )
    return (await connection.execute(query)).all()


async def read_ending_licences(connection: AsyncConnection, user: User, today: dt.date) -> Sequence[Any]:
    """Return active licences that end within a month."""
    query = (
        select(licences.c.state, licences.c.product, licences.c.valid_to)
        .where(own_licences(user), licences.c.status == "active")
        .where(licences.c.valid_to >= today, licences.c.valid_to <= today + SOON)
        .order_by(licences.c.valid_to)
        .limit(20)
    )
    return (await connection.execute(query)).all()


async def read_stopped_targets(connection: AsyncConnection, user: User) -> Sequence[Any]:
    """Return the own targets that take no calls now, and who stopped them."""
    query = (
        select(targets.c.id, targets.c.name, targets.c.paused_at, targets.c.enabled)
        .where(own_targets(user), or_(targets.c.paused_at.is_not(None), ~targets.c.enabled))
        .order_by(targets.c.name)
        .limit(50)
    )
    return (await connection.execute(query)).all()


async def read_buyer(connection: AsyncConnection, buyer_id: int) -> Any:
    """Return the buyer's own row; None when there is none."""
    return (await connection.execute(select(buyers).where(buyers.c.id == buyer_id))).one_or_none()
