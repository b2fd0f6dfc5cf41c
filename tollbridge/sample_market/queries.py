"""Puts a sample market into the database. Doing it again changes only what differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from store import tables as t
from tollbridge.sample_market.market import (
    LONG_AGO,
    SampleBuyer,
    SampleMarket,
    SampleTarget,
    SeededMarket,
)

_LOCK = "select pg_advisory_xact_lock(hashtext('tollbridge sample market'))"


async def seed_market(engine: AsyncEngine, market: SampleMarket) -> SeededMarket:
    """Make or mend the market in one transaction. Terms once made stay as they are: they are history."""
    async with engine.begin() as connection:
        await connection.execute(text(_LOCK))
        campaign_id = await _campaign(connection, market)
        publisher_id = await _named(connection, t.publishers, {"name": market.publisher}, {"enabled": True})
        number_id = await _number(connection, market, campaign_id, publisher_id)
        await _publisher_terms(connection, market, campaign_id, publisher_id)
        await _trunk(connection, market)
        stage_id = await _stage(connection, campaign_id, market)
        buyer_ids: dict[str, int] = {}
        target_ids: dict[str, int] = {}
        for buyer in market.buyers:
            buyer_id = await _buyer(connection, buyer, campaign_id)
            buyer_ids[buyer.name] = buyer_id
            for target in buyer.targets:
                target_ids[target.name] = await _target(connection, target, buyer_id, stage_id)
    return SeededMarket(
        campaign_id=campaign_id,
        publisher_id=publisher_id,
        tracking_number_id=number_id,
        buyer_ids=buyer_ids,
        target_ids=target_ids,
    )


async def _named(
    connection: AsyncConnection, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]
) -> int:
    """Return the id of the row with `key`, made or brought to `values`; an equal row is not touched."""
    where = [table.c[name] == value for name, value in key.items()]
    row = (await connection.execute(select(table).where(*where))).mappings().first()
    if row is None:
        statement = insert(table).values({**key, **values}).returning(table.c.id)
        return int((await connection.execute(statement)).scalar_one())
    if any(row[name] != value for name, value in values.items()):
        await connection.execute(update(table).where(*where).values(dict(values)))
    return int(row["id"])


async def _campaign(connection: AsyncConnection, market: SampleMarket) -> int:
    await seed_flow(connection, market.flow_name, market.flow)
    values = {
        "flow_name": market.flow_name,
        "duplicate_window_seconds": market.duplicate_window_seconds,
        "maximum_attempts": market.maximum_attempts,
        "no_buyer": dict(market.no_buyer),
        "enabled": True,
    }
    return await _named(connection, t.campaigns, {"name": market.campaign}, values)


async def seed_flow(connection: AsyncConnection, name: str, definition: Mapping[str, Any]) -> None:
    """Publish a flow's definition as its next version, unless the newest is the same."""
    newest = (
        select(t.flows.c.version, t.flows.c.definition)
        .where(t.flows.c.name == name)
        .order_by(t.flows.c.version.desc())
        .limit(1)
    )
    row = (await connection.execute(newest)).first()
    if row is not None and row.definition == definition:
        return
    version = 1 if row is None else row.version + 1
    values = {"name": name, "version": version, "definition": definition, "published_at": func.now()}
    await connection.execute(insert(t.flows).values(values))


async def _number(
    connection: AsyncConnection, market: SampleMarket, campaign_id: int, publisher_id: int
) -> int:
    values = {"campaign_id": campaign_id, "publisher_id": publisher_id, "enabled": True}
    return await _named(connection, t.tracking_numbers, {"e164": market.number}, values)


async def _publisher_terms(
    connection: AsyncConnection, market: SampleMarket, campaign_id: int, publisher_id: int
) -> None:
    values = {
        "publisher_id": publisher_id,
        "campaign_id": campaign_id,
        "goes_live_at": LONG_AGO,
        "payout_micros": market.payout_micros,
    }
    await connection.execute(insert(t.publisher_terms).values(values).on_conflict_do_nothing())


async def _trunk(connection: AsyncConnection, market: SampleMarket) -> None:
    values = {
        "carrier_name": market.trunk.carrier_name,
        "addresses": list(market.trunk.addresses),
        "cost_per_minute_micros": market.trunk.cost_per_minute_micros,
        "enabled": True,
    }
    await _named(connection, t.trunks, {"name": market.trunk.name}, values)


async def _stage(connection: AsyncConnection, campaign_id: int, market: SampleMarket) -> int:
    values = {"method": "priority", "simultaneous": market.simultaneous}
    return await _named(connection, t.plan_stages, {"campaign_id": campaign_id, "position": 1}, values)


async def _buyer(connection: AsyncConnection, buyer: SampleBuyer, campaign_id: int) -> int:
    buyer_id = await _named(connection, t.buyers, {"name": buyer.name}, {"enabled": True})
    terms = {
        "buyer_id": buyer_id,
        "campaign_id": campaign_id,
        "goes_live_at": LONG_AGO,
        "minimum_connected_ms": buyer.minimum_connected_ms,
        "price_micros": buyer.price_micros,
    }
    await connection.execute(insert(t.buyer_terms).values(terms).on_conflict_do_nothing())
    await _licences(connection, buyer, buyer_id)
    return buyer_id


async def _licences(connection: AsyncConnection, buyer: SampleBuyer, buyer_id: int) -> None:
    """Add the licences that are not there; those that are stay as they are."""
    columns = t.licences.c
    known = await connection.execute(
        select(columns.nmls_id, columns.state, columns.product).where(columns.buyer_id == buyer_id)
    )
    held = {(row.nmls_id, row.state, row.product) for row in known}
    missing = [
        {
            "buyer_id": buyer_id,
            "nmls_id": buyer.nmls_id,
            "state": state,
            "product": product,
            "valid_from": buyer.licensed_from,
            "valid_to": buyer.licensed_to,
            "status": "active",
        }
        for state in buyer.states
        for product in buyer.products
        if (buyer.nmls_id, state, product) not in held
    ]
    if missing:
        await connection.execute(insert(t.licences).values(missing))


async def _target(connection: AsyncConnection, target: SampleTarget, buyer_id: int, stage_id: int) -> int:
    values = {
        "sip_uri": target.sip_uri,
        "loan_types": list(target.loan_types),
        "schedule": dict(target.schedule),
        "concurrency_cap": target.concurrency_cap,
        "ring_timeout_seconds": target.ring_timeout_seconds,
        "enabled": target.enabled,
        "press_to_accept": target.press_to_accept,
        "whisper_text": target.whisper_text,
        "recovery_seconds": target.recovery_seconds,
    }
    target_id = await _named(connection, t.targets, {"buyer_id": buyer_id, "name": target.name}, values)
    entry = {"stage_id": stage_id, "target_id": target_id, "priority": target.priority}
    statement = insert(t.plan_entries).values(entry)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["stage_id", "target_id"],
            set_={"priority": target.priority},
            where=t.plan_entries.c.priority != target.priority,
        )
    )
    return target_id
