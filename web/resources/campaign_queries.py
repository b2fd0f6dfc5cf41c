"""What a campaign's page asks PostgreSQL beside its row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import (
    buyer_terms,
    campaigns,
    flows,
    plan_entries,
    plan_stages,
    publisher_terms,
    tracking_numbers,
)


async def published_flows(connection: AsyncConnection) -> list[str]:
    """Return the names of the flows of which a version is published."""
    statement = (
        select(flows.c.name).where(flows.c.published_at.is_not(None)).distinct().order_by(flows.c.name)
    )
    return list((await connection.execute(statement)).scalars())


async def choices(connection: AsyncConnection) -> Mapping[str, Mapping[str, str]]:
    return {"flow_name": {name: name for name in await published_flows(connection)}}


async def flow_of(connection: AsyncConnection, campaign_id: int) -> str | None:
    return await connection.scalar(select(campaigns.c.flow_name).where(campaigns.c.id == campaign_id))


async def readiness(connection: AsyncConnection, campaign_id: int) -> Mapping[str, Any]:
    """Return what of a campaign is there already: each must be before a call can be sold."""
    entries = (
        select(plan_entries.c.target_id)
        .join(plan_stages, plan_stages.c.id == plan_entries.c.stage_id)
        .where(plan_stages.c.campaign_id == campaign_id)
        .distinct()
        .subquery()
    )
    row = (
        await connection.execute(
            select(
                select(func.count())
                .select_from(tracking_numbers)
                .where(tracking_numbers.c.campaign_id == campaign_id, tracking_numbers.c.enabled)
                .scalar_subquery()
                .label("numbers"),
                select(func.count())
                .select_from(plan_stages)
                .where(plan_stages.c.campaign_id == campaign_id)
                .scalar_subquery()
                .label("stages"),
                select(func.count()).select_from(entries).scalar_subquery().label("targets"),
                select(exists().where(buyer_terms.c.campaign_id == campaign_id))
                .scalar_subquery()
                .label("has_buyer_terms"),
                select(exists().where(publisher_terms.c.campaign_id == campaign_id))
                .scalar_subquery()
                .label("has_publisher_terms"),
            )
        )
    ).one()
    return dict(row._mapping)
