"""What is known of a trunk beside its row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.money_tables import trunk_rates
from store.tables import calls, tracking_numbers, trunk_states, trunks

LOOKED_BACK = timedelta(days=1)
STATES_MAXIMUM = 1_000
RATES_SHOWN = 20
LOOKED_AT_MAXIMUM = 5_000
"""Calls looked at for a trunk's newest: nothing orders calls by trunk."""


async def password_of(connection: AsyncConnection, trunk_id: int) -> str | None:
    return await connection.scalar(select(trunks.c.password).where(trunks.c.id == trunk_id))


async def states(connection: AsyncConnection, trunk_ids: Sequence[int] | None) -> Sequence[Mapping[str, Any]]:
    """Return what nodes say of enabled trunks, STATES_MAXIMUM at most; of all without ids."""
    query = (
        select(trunk_states, trunks.c.name.label("trunk"))
        .join(trunks, trunks.c.id == trunk_states.c.trunk_id)
        .where(trunks.c.enabled)
        .order_by(trunk_states.c.trunk_id, trunk_states.c.node, trunk_states.c.peer)
        .limit(STATES_MAXIMUM)
    )
    if trunk_ids is not None:
        query = query.where(trunk_states.c.trunk_id.in_(trunk_ids))
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def health(connection: AsyncConnection, trunk_id: int) -> Mapping[str, Any]:
    """Return when a call last came over the trunk, of the newest calls of a day, and a number to try it by."""
    trunk = (
        await connection.execute(
            select(trunks.c.name, trunks.c.carrier_name, trunks.c.registrar_uri).where(
                trunks.c.id == trunk_id
            )
        )
    ).one_or_none()
    if trunk is None:
        return {}
    newest = (
        select(calls.c.trunk_name, calls.c.started_at)
        .where(calls.c.started_at > datetime.now(UTC) - LOOKED_BACK)
        .order_by(calls.c.started_at.desc())
        .limit(LOOKED_AT_MAXIMUM)
        .subquery()
    )
    seen = (
        await connection.execute(
            select(func.count(), func.max(newest.c.started_at)).where(newest.c.trunk_name == trunk.name)
        )
    ).one()
    number = await connection.scalar(
        select(tracking_numbers.c.e164)
        .where(tracking_numbers.c.enabled)
        .order_by(
            (tracking_numbers.c.carrier_name == trunk.carrier_name).desc().nulls_last(), tracking_numbers.c.id
        )
        .limit(1)
    )
    return {
        "registers": trunk.registrar_uri is not None,
        "calls": seen[0],
        "last_call_at": seen[1],
        "number": number,
    }


async def rates(connection: AsyncConnection, trunk_id: int) -> Sequence[Mapping[str, Any]]:
    """Return what the trunk has cost, the newest version first; `first`: it held from the beginning."""
    query = (
        select(trunk_rates, (trunk_rates.c.goes_live_at == func.to_timestamp(0)).label("first"))
        .where(trunk_rates.c.trunk_id == trunk_id)
        .order_by(trunk_rates.c.goes_live_at.desc())
        .limit(RATES_SHOWN)
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]
