"""Publishers' keys in PostgreSQL, and how often each was used in this minute."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from router.domain.inbound_bid import RESERVATION_SECONDS, PublisherKey
from store.tables import campaigns, counters, publishers, rtb_keys

COUNTER_NODE = "web"
"""Pings count for all nodes together."""
COUNTER_PREFIX = "rtb_pings"
WINDOW = timedelta(minutes=1)


async def key_of_digest(connection: AsyncConnection, digest: bytes) -> PublisherKey | None:
    """Return the key in force, or None when it is unknown, revoked or its publisher is switched off."""
    statement = (
        select(rtb_keys)
        .join(publishers, publishers.c.id == rtb_keys.c.publisher_id)
        .where(rtb_keys.c.key_digest == digest, rtb_keys.c.enabled, publishers.c.enabled)
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    return PublisherKey(
        id=row.id,
        publisher_id=row.publisher_id,
        campaign_id=row.campaign_id,
        dialect=row.dialect,
        rate_per_minute=row.rate_per_minute,
        share_ppm=row.settings.get("share_ppm"),
        reservation_seconds=row.settings.get("reservation_seconds", RESERVATION_SECONDS),
    )


async def count_ping(connection: AsyncConnection, key: PublisherKey, now: datetime) -> int:
    """Count one ping and return how many there were in this key's minute, at most one above its limit."""
    over = counters.c.last_at <= now - WINDOW
    statement = insert(counters).values(
        node=COUNTER_NODE, name=f"{COUNTER_PREFIX}:{key.id}", value=1, last_at=now
    )
    upsert = statement.on_conflict_do_update(
        index_elements=[counters.c.node, counters.c.name],
        set_={
            "value": case((over, 1), else_=func.least(counters.c.value + 1, key.rate_per_minute + 1)),
            # When the minute began: many pings do not make it longer.
            "last_at": case((over, now), else_=counters.c.last_at),
        },
    ).returning(counters.c.value)
    return int((await connection.execute(upsert)).scalar_one())


async def insert_key(
    connection: AsyncConnection,
    *,
    name: str,
    digest: bytes,
    publisher: str,
    campaign: str,
    dialect: str,
    rate_per_minute: int,
    settings: dict[str, int],
) -> int | None:
    """Return the new key's id, or None when there is no such publisher or campaign."""
    publisher_id = await connection.scalar(select(publishers.c.id).where(publishers.c.name == publisher))
    campaign_id = await connection.scalar(select(campaigns.c.id).where(campaigns.c.name == campaign))
    if publisher_id is None or campaign_id is None:
        return None
    statement = (
        insert(rtb_keys)
        .values(
            name=name,
            key_digest=digest,
            publisher_id=publisher_id,
            campaign_id=campaign_id,
            dialect=dialect,
            rate_per_minute=rate_per_minute,
            settings=settings,
        )
        .returning(rtb_keys.c.id)
    )
    return int((await connection.execute(statement)).scalar_one())


async def list_keys(connection: AsyncConnection) -> list[dict[str, Any]]:
    """Return every key with the names of its publisher and campaign, oldest first."""
    statement = (
        select(
            rtb_keys.c.id,
            rtb_keys.c.name,
            publishers.c.name.label("publisher"),
            campaigns.c.name.label("campaign"),
            rtb_keys.c.dialect,
            rtb_keys.c.rate_per_minute,
            rtb_keys.c.settings,
            rtb_keys.c.created_at,
            rtb_keys.c.enabled,
        )
        .join(publishers, publishers.c.id == rtb_keys.c.publisher_id)
        .join(campaigns, campaigns.c.id == rtb_keys.c.campaign_id)
        .order_by(rtb_keys.c.id)
    )
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def revoke_key(connection: AsyncConnection, key_id: int) -> bool:
    """Switch a key off for good. False when it is unknown or off already."""
    statement = update(rtb_keys).where(rtb_keys.c.id == key_id, rtb_keys.c.enabled).values(enabled=False)
    return (await connection.execute(statement)).rowcount > 0
