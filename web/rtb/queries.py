"""Publishers' keys in PostgreSQL, and how often each was used in this minute."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from router.domain.inbound_bid import RESERVATION_SECONDS, PublisherKey
from router.domain.ping_limits import PingLimits, PingRecord
from store.tables import campaigns, publishers, rtb_keys
from web.rate_queries import count_in_minute

COUNTER_PREFIX = "rtb_pings"


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
        limits=PingLimits.of_settings(row.settings),
        record=PingRecord(won=row.pings_won, called=row.pings_called, warned_at=row.warned_at),
    )


async def digests_in_force(engine: AsyncEngine) -> frozenset[bytes]:
    """Return the digests of all keys that are not revoked. Raises what the database raises."""
    async with engine.connect() as connection:
        rows = await connection.execute(select(rtb_keys.c.key_digest).where(rtb_keys.c.enabled))
        return frozenset(rows.scalars())


async def count_ping(connection: AsyncConnection, key: PublisherKey, now: datetime) -> int:
    """Count one ping and return how many there were in this key's minute, at most one above its limit."""
    return await count_in_minute(connection, f"{COUNTER_PREFIX}:{key.id}", key.rate_per_minute, now)


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
            rtb_keys.c.pings_won,
            rtb_keys.c.pings_called,
            rtb_keys.c.warned_at,
            rtb_keys.c.created_at,
            rtb_keys.c.enabled,
        )
        .join(publishers, publishers.c.id == rtb_keys.c.publisher_id)
        .join(campaigns, campaigns.c.id == rtb_keys.c.campaign_id)
        .order_by(rtb_keys.c.id)
    )
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def read_limits(connection: AsyncConnection, key_id: int) -> PingLimits:
    """Return what a key may hold, the key locked. Raises NoResultFound when there is none of that id."""
    statement = select(rtb_keys.c.settings).where(rtb_keys.c.id == key_id).with_for_update()
    return PingLimits.of_settings((await connection.execute(statement)).scalar_one())


async def write_limits(connection: AsyncConnection, key_id: int, limits: PingLimits) -> None:
    settings = rtb_keys.c.settings.op("||")(asdict(limits))
    await connection.execute(update(rtb_keys).where(rtb_keys.c.id == key_id).values(settings=settings))


async def revoke_key(connection: AsyncConnection, key_id: int) -> bool:
    """Switch a key off for good. False when it is unknown or off already."""
    statement = update(rtb_keys).where(rtb_keys.c.id == key_id, rtb_keys.c.enabled).values(enabled=False)
    return (await connection.execute(statement)).rowcount > 0
