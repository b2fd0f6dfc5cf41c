"""What the panels and checks of the buyers' side look up beside the row itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from router.domain.market import ACTIVE
from store.tables import buyer_terms, campaigns, endpoint_health, licences, ping_endpoints, targets

TARGETS_SHOWN = 50


async def same_licence(connection: AsyncConnection, form: Any, row_id: int | None) -> int | None:
    """Return the id of another licence of the same licensee, state, loan and first day."""
    query = select(licences.c.id).where(
        licences.c.buyer_id == form.buyer_id,
        licences.c.state == form.state,
        licences.c.product == form.product,
        licences.c.nmls_id == form.nmls_id,
        licences.c.officer_nmls_id.is_not_distinct_from(form.officer_nmls_id),
        licences.c.valid_from == form.valid_from,
        licences.c.id.is_distinct_from(row_id),
    )
    found: int | None = await connection.scalar(query.limit(1))
    return found


async def rested_until(connection: AsyncConnection, target_ids: Sequence[int]) -> dict[int, datetime]:
    """Return until when bidders rest, by target; only those that do."""
    health = endpoint_health.c
    query = select(health.target_id, health.rested_until).where(
        health.target_id.in_(list(target_ids)), health.rested_until.is_not(None)
    )
    return {row.target_id: row.rested_until for row in await connection.execute(query)}


async def targets_of(connection: AsyncConnection, buyer_id: int) -> list[dict[str, Any]]:
    """Return a buyer's first targets by name, each with whether it is asked for bids."""
    query = (
        select(targets, ping_endpoints.c.target_id.is_not(None).label("is_asked"))
        .outerjoin(ping_endpoints, ping_endpoints.c.target_id == targets.c.id)
        .where(targets.c.buyer_id == buyer_id)
        .order_by(func.lower(targets.c.name), targets.c.id)
        .limit(TARGETS_SHOWN)
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def target_of(connection: AsyncConnection, target_id: int) -> dict[str, Any]:
    query = (
        select(targets, ping_endpoints.c.target_id.is_not(None).label("is_asked"))
        .outerjoin(ping_endpoints, ping_endpoints.c.target_id == targets.c.id)
        .where(targets.c.id == target_id)
    )
    return dict((await connection.execute(query)).mappings().one())


async def licence_days(connection: AsyncConnection, buyer_id: int) -> list[dict[str, Any]]:
    """Return a buyer's active licences of the company: product, state, first and last day."""
    query = select(licences.c.product, licences.c.state, licences.c.valid_from, licences.c.valid_to).where(
        licences.c.buyer_id == buyer_id,
        licences.c.status == ACTIVE,
        licences.c.officer_nmls_id.is_(None),
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def campaigns_with_terms(connection: AsyncConnection, buyer_id: int) -> list[tuple[int, str]]:
    """Return the campaigns in which a buyer has terms, by name: id, name; the first fifty."""
    query = (
        select(campaigns.c.id, campaigns.c.name)
        .where(
            campaigns.c.id.in_(select(buyer_terms.c.campaign_id).where(buyer_terms.c.buyer_id == buyer_id))
        )
        .order_by(func.lower(campaigns.c.name))
        .limit(TARGETS_SHOWN)
    )
    return [(row.id, row.name) for row in await connection.execute(query)]
