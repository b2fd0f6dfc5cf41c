"""What only a publisher's pages need: its numbers, and the keys with which its machines ask us."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import campaigns, publishers, rtb_keys, tracking_numbers
from web.keys import User
from web.tenancy import own_keys, own_numbers

ROWS_MAXIMUM = 1_000


async def read_publisher(connection: AsyncConnection, publisher_id: int) -> Any:
    """Return the publisher's own row; None when there is none."""
    return (await connection.execute(select(publishers).where(publishers.c.id == publisher_id))).one_or_none()


async def read_numbers(connection: AsyncConnection, user: User) -> Sequence[Any]:
    """Return id, e164, campaign and enabled of the numbers a publisher shows."""
    query = (
        select(
            tracking_numbers.c.id,
            tracking_numbers.c.e164,
            campaigns.c.name.label("campaign"),
            (tracking_numbers.c.enabled & campaigns.c.enabled).label("enabled"),
        )
        .join(campaigns, campaigns.c.id == tracking_numbers.c.campaign_id)
        .where(own_numbers(user))
        .order_by(tracking_numbers.c.e164)
        .limit(ROWS_MAXIMUM)
    )
    return (await connection.execute(query)).all()


async def read_keys(connection: AsyncConnection, user: User) -> Sequence[Any]:
    """Return name, campaign, dialect, rate, limits and record of a publisher's keys, never a key."""
    query = (
        select(
            rtb_keys.c.id,
            rtb_keys.c.name,
            campaigns.c.name.label("campaign"),
            rtb_keys.c.dialect,
            rtb_keys.c.rate_per_minute,
            rtb_keys.c.settings,
            rtb_keys.c.pings_won,
            rtb_keys.c.pings_called,
            rtb_keys.c.warned_at,
            rtb_keys.c.enabled,
            rtb_keys.c.created_at,
        )
        .join(campaigns, campaigns.c.id == rtb_keys.c.campaign_id)
        .where(own_keys(user))
        .order_by(rtb_keys.c.id)
        .limit(ROWS_MAXIMUM)
    )
    return (await connection.execute(query)).all()
