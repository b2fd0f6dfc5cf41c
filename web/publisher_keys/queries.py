"""A publisher's keys, and what its page shows at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import (
    calls,
    campaigns,
    publisher_terms,
    publishers,
    rtb_keys,
    tracking_numbers,
)

CAMPAIGNS_MAXIMUM = 1_000
KEYS_MAXIMUM = 500
SHOWN_MAXIMUM = 8
COUNTED_MAXIMUM = 10_000
"""Of a day's calls no more are counted: a glance needs no more."""


async def publisher_name(connection: AsyncConnection, publisher_id: int) -> str | None:
    return await connection.scalar(select(publishers.c.name).where(publishers.c.id == publisher_id))


async def campaign_name(connection: AsyncConnection, campaign_id: int) -> str | None:
    return await connection.scalar(select(campaigns.c.name).where(campaigns.c.id == campaign_id))


async def campaign_choices(connection: AsyncConnection) -> Mapping[int, str]:
    statement = select(campaigns.c.id, campaigns.c.name).order_by(func.lower(campaigns.c.name))
    rows = (await connection.execute(statement.limit(CAMPAIGNS_MAXIMUM))).all()
    return {row.id: row.name for row in rows}


async def keys_of(connection: AsyncConnection, publisher_id: int) -> Sequence[Mapping[str, Any]]:
    """Return a publisher's keys, those in force first, the newest of each first."""
    statement = (
        select(
            rtb_keys.c.id,
            rtb_keys.c.name,
            rtb_keys.c.campaign_id,
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
        .join(campaigns, campaigns.c.id == rtb_keys.c.campaign_id)
        .where(rtb_keys.c.publisher_id == publisher_id)
        .order_by(rtb_keys.c.enabled.desc(), rtb_keys.c.id.desc())
        .limit(KEYS_MAXIMUM)
    )
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def is_key_of(connection: AsyncConnection, publisher_id: int, key_id: int) -> bool:
    statement = select(rtb_keys.c.id).where(rtb_keys.c.id == key_id, rtb_keys.c.publisher_id == publisher_id)
    return await connection.scalar(statement) is not None


async def glance(connection: AsyncConnection, publisher_id: int) -> Mapping[str, Any]:
    """Return a publisher's numbers, keys, terms and today's calls for the panel of its page."""
    zone = ZoneInfo(
        await connection.scalar(select(publishers.c.time_zone).where(publishers.c.id == publisher_id))
        or "UTC"
    )
    midnight = datetime.now(UTC).astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    today = (
        select(calls.c.converted)
        .where(calls.c.publisher_id == publisher_id, calls.c.started_at >= midnight)
        .limit(COUNTED_MAXIMUM)
        .subquery()
    )
    count = (
        await connection.execute(
            select(func.count(), func.count().filter(today.c.converted)).select_from(today)
        )
    ).one()
    numbers = await connection.execute(
        select(tracking_numbers.c.id, tracking_numbers.c.e164, tracking_numbers.c.enabled, campaigns.c.name)
        .join(campaigns, campaigns.c.id == tracking_numbers.c.campaign_id)
        .where(tracking_numbers.c.publisher_id == publisher_id)
        .order_by(tracking_numbers.c.enabled.desc(), tracking_numbers.c.id)
        .limit(SHOWN_MAXIMUM + 1)
    )
    terms = await connection.execute(
        select(publisher_terms.c.campaign_id, campaigns.c.name)
        .join(campaigns, campaigns.c.id == publisher_terms.c.campaign_id)
        .where(publisher_terms.c.publisher_id == publisher_id)
        .distinct()
        .order_by(campaigns.c.name)
        .limit(SHOWN_MAXIMUM)
    )
    keys = await keys_of(connection, publisher_id)
    return {
        "numbers": [dict(row) for row in numbers.mappings()],
        "terms": [dict(row) for row in terms.mappings()],
        "rtb_keys": [key for key in keys if key["enabled"]],
        "calls_today": count[0],
        "converted_today": count[1],
        "counted_maximum": COUNTED_MAXIMUM,
        "shown_maximum": SHOWN_MAXIMUM,
    }
