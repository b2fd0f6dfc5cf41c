"""A buyer's targets with what the house set of them, and their change in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import bid_limits, buyer_terms, campaigns, caps, target_limits, targets
from web.buyer.limits import OwnTarget, Settings
from web.buyer.only_when import rules_of
from web.keys import User
from web.tenancy import own_targets, party_id_of

TARGETS_MAXIMUM = 500


def _targets(user: User) -> Select[Any]:
    kept = target_limits.c
    return (
        select(
            targets,
            kept.house_schedule,
            kept.house_concurrency_cap,
            kept.house_filters,
            kept.own_schedule,
            kept.own_concurrency_cap,
            kept.own_filters,
            kept.dropped_states,
            kept.own_rules,
            caps.c.at_most.label("calls_a_day"),
        )
        .select_from(
            targets.outerjoin(target_limits, kept.target_id == targets.c.id).outerjoin(
                caps, caps.c.id == kept.day_cap_id
            )
        )
        .where(own_targets(user))
    )


def _own_target(row: Any) -> OwnTarget:
    """What the house changed after the buyer did is the house's again."""
    hours_are_own = row.own_schedule is not None and row.schedule == row.own_schedule
    cap_is_own = row.own_concurrency_cap is not None and row.concurrency_cap == row.own_concurrency_cap
    filters_are_own = bool(row.dropped_states or row.own_rules) and row.filters == row.own_filters
    return OwnTarget(
        id=row.id,
        name=row.name,
        enabled=row.enabled,
        paused_at=row.paused_at,
        schedule=row.schedule,
        concurrency_cap=row.concurrency_cap,
        filters=row.filters,
        house_schedule=row.house_schedule if hours_are_own else row.schedule,
        house_concurrency_cap=row.house_concurrency_cap if cap_is_own else row.concurrency_cap,
        house_filters=row.house_filters if filters_are_own else row.filters,
        dropped_states=tuple(row.dropped_states) if filters_are_own else (),
        calls_a_day=row.calls_a_day,
        rules=rules_of(row.own_rules) if filters_are_own else (),
    )


async def read_targets(connection: AsyncConnection, user: User) -> list[OwnTarget]:
    query = _targets(user).order_by(targets.c.name, targets.c.id).limit(TARGETS_MAXIMUM)
    return [_own_target(row) for row in await connection.execute(query)]


async def read_target(
    connection: AsyncConnection, user: User, target_id: int, *, lock: bool = False
) -> OwnTarget | None:
    """Return one target, its row locked if it is to be changed; None when it is none of theirs."""
    query = _targets(user).where(targets.c.id == target_id)
    if lock:
        query = query.with_for_update(of=targets)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _own_target(row)


async def set_paused(connection: AsyncConnection, target_id: int, paused_at: datetime | None) -> None:
    await connection.execute(update(targets).where(targets.c.id == target_id).values(paused_at=paused_at))


async def write_settings(connection: AsyncConnection, target: OwnTarget, wanted: Settings) -> None:
    """Change the target, and keep beside it what the house had set."""
    said = {
        "schedule": wanted.schedule,
        "concurrency_cap": wanted.concurrency_cap,
        "filters": wanted.filters,
    }
    await connection.execute(update(targets).where(targets.c.id == target.id).values(**said))
    kept = {
        "house_schedule": target.house_schedule,
        "house_concurrency_cap": target.house_concurrency_cap,
        "house_filters": target.house_filters,
        "own_schedule": wanted.schedule,
        "own_concurrency_cap": wanted.concurrency_cap,
        "own_filters": wanted.filters,
        "dropped_states": list(wanted.dropped_states),
        "own_rules": [asdict(rule) for rule in wanted.rules],
    }
    statement = upsert(target_limits).values(target_id=target.id, **kept)
    await connection.execute(
        statement.on_conflict_do_update(index_elements=[target_limits.c.target_id], set_=kept)
    )
    if wanted.calls_a_day != target.calls_a_day:
        await _set_day_cap(connection, target.id, wanted.calls_a_day)


async def _set_day_cap(connection: AsyncConnection, target_id: int, at_most: int | None) -> None:
    query = select(target_limits.c.day_cap_id).where(target_limits.c.target_id == target_id)
    cap_id = await connection.scalar(query)
    if cap_id is not None and at_most is not None:
        await connection.execute(update(caps).where(caps.c.id == cap_id).values(at_most=at_most))
        return
    if cap_id is None:
        said = {
            "owner": "target",
            "owner_id": target_id,
            "kind": "connections",
            "period": "day",
            "at_most": at_most,
        }
        made = await connection.execute(insert(caps).values(**said).returning(caps.c.id))
        await _note_day_cap(connection, target_id, int(made.scalar_one()))
        return
    await _note_day_cap(connection, target_id, None)
    await connection.execute(delete(caps).where(caps.c.id == cap_id))


async def _note_day_cap(connection: AsyncConnection, target_id: int, cap_id: int | None) -> None:
    await connection.execute(
        update(target_limits).where(target_limits.c.target_id == target_id).values(day_cap_id=cap_id)
    )


# --- prices --------------------------------------------------------------------------------------------------


async def read_prices(connection: AsyncConnection, user: User, now: datetime) -> Sequence[Any]:
    """Return what the buyer pays by campaign, in force at `now`, and between what it may set it itself.

    campaign_id, campaign, price_micros, minimum_connected_ms, document; floor_micros and ceiling_micros, if it may;
    next_price_micros and next_from, if a price that it set is not in force yet.
    """
    newest = (
        select(buyer_terms)
        .ext(distinct_on(buyer_terms.c.campaign_id))
        .where(buyer_terms.c.buyer_id == party_id_of(user), buyer_terms.c.goes_live_at <= now)
        .order_by(buyer_terms.c.campaign_id, buyer_terms.c.goes_live_at.desc(), buyer_terms.c.id.desc())
        .subquery("newest")
    )
    # Terms without a document that are to come: nobody but the buyer makes them.
    coming = (
        select(buyer_terms)
        .ext(distinct_on(buyer_terms.c.campaign_id))
        .where(
            buyer_terms.c.buyer_id == party_id_of(user),
            buyer_terms.c.goes_live_at > now,
            buyer_terms.c.document.is_(None),
        )
        .order_by(buyer_terms.c.campaign_id, buyer_terms.c.goes_live_at.desc())
        .subquery("coming")
    )
    query = (
        select(
            newest.c.campaign_id,
            campaigns.c.name.label("campaign"),
            newest.c.price_micros,
            newest.c.minimum_connected_ms,
            newest.c.document,
            bid_limits.c.floor_micros,
            bid_limits.c.ceiling_micros,
            coming.c.price_micros.label("next_price_micros"),
            coming.c.goes_live_at.label("next_from"),
        )
        .select_from(
            newest.join(campaigns, campaigns.c.id == newest.c.campaign_id)
            .outerjoin(
                bid_limits,
                (bid_limits.c.buyer_id == newest.c.buyer_id)
                & (bid_limits.c.campaign_id == newest.c.campaign_id),
            )
            .outerjoin(coming, coming.c.campaign_id == newest.c.campaign_id)
        )
        .order_by(campaigns.c.name)
        .limit(TARGETS_MAXIMUM)
    )
    return (await connection.execute(query)).all()


async def insert_price(
    connection: AsyncConnection,
    *,
    buyer_id: int,
    campaign_id: int,
    price_micros: int,
    minimum_connected_ms: int,
    goes_live_at: datetime,
) -> None:
    """Write a new version of the buyer's plain terms; of two for one moment the later one written holds."""
    query = upsert(buyer_terms).values(
        buyer_id=buyer_id,
        campaign_id=campaign_id,
        goes_live_at=goes_live_at,
        price_micros=price_micros,
        minimum_connected_ms=minimum_connected_ms,
    )
    await connection.execute(
        query.on_conflict_do_update(
            index_elements=["buyer_id", "campaign_id", "goes_live_at"], set_={"price_micros": price_micros}
        )
    )
