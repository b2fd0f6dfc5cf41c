"""What ping-post keeps in PostgreSQL: endpoints, budgets of pings, bidders' health, and every question and answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Text, any_, bindparam, case, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from router.buyers.dialect import Endpoint
from router.domain.breaker import Health
from store.tables import cap_counters, endpoint_health, ping_endpoints, pings

_MINUTE_SECONDS = 60
_ENDPOINTS = select(ping_endpoints).order_by(ping_endpoints.c.target_id)
_HEALTH = select(endpoint_health).where(endpoint_health.c.rested_until.is_not(None))


async def read_endpoints(connection: AsyncConnection) -> list[Endpoint]:
    """Return every endpoint, those that are switched off included."""
    return [Endpoint(**row) for row in (await connection.execute(_ENDPOINTS)).mappings()]


async def write_pings(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store questions and their answers, each `entry` once however often it is written."""
    await connection.execute(insert(pings).on_conflict_do_nothing(index_elements=["entry"]), list(rows))


def _budget_statements() -> tuple[Any, Any]:
    keys, limits = bindparam("keys", type_=ARRAY(Text)), bindparam("limits", type_=ARRAY(BigInteger))
    began = bindparam("began", type_=BigInteger)
    wanted = func.unnest(keys, limits).table_valued("key", "at_most").render_derived(name="wanted")
    counters = cap_counters.c
    # Rows are locked in the order of their keys before any is changed, as everywhere: no two calls deadlock.
    locked = (
        select(counters.key)
        .where(counters.key == any_(keys))
        .order_by(counters.key)
        .with_for_update()
        .cte("locked")
    )
    older = counters.period_start < began
    take = (
        update(cap_counters)
        .where(counters.key == wanted.c.key, counters.key.in_(select(locked.c.key)))
        .where(or_(older, counters.used < wanted.c.at_most), wanted.c.at_most > 0)
        .values(used=case((older, 1), else_=counters.used + 1), period_start=began)
        .returning(counters.key)
    )
    make = insert(cap_counters).from_select(
        ["key", "used", "period_start"],
        select(func.unnest(keys).column_valued("key"), text("0"), text("0")).order_by("key"),
    )
    return make.on_conflict_do_nothing(), take


_MAKE, _TAKE = _budget_statements()


def budget_key(target_id: int) -> str:
    """Return the name of the counter of a bidder's pings."""
    return f"target:{target_id}:pings"


async def take_pings(connection: AsyncConnection, limits: Mapping[int, int], *, minute: int) -> set[int]:
    """Count one ping for each target that has one left in this minute (since 1970). Returns those targets."""
    by_key = {budget_key(target_id): target_id for target_id in limits}
    values = {
        "keys": list(by_key),
        "limits": [limits[target_id] for target_id in by_key.values()],
        "began": minute * _MINUTE_SECONDS,
    }
    taken = [row.key for row in await connection.execute(_TAKE, values)]
    missing = [key for key in by_key if key not in taken]
    if missing:
        # Seldom: a budget that is used up, or one that was never counted.
        await connection.execute(_MAKE, {"keys": missing})
        limits_left = [limits[by_key[key]] for key in missing]
        again = await connection.execute(_TAKE, {**values, "keys": missing, "limits": limits_left})
        taken += [row.key for row in again]
    return {by_key[key] for key in taken}


async def read_health(connection: AsyncConnection) -> dict[int, Health]:
    """Return the bidders that any node has rested."""
    return {row.target_id: _health(row) for row in await connection.execute(_HEALTH)}


async def write_health(connection: AsyncConnection, healths: Mapping[int, Health]) -> None:
    """Store what this node knows of these bidders. One that was removed meanwhile is left out."""
    for target_id in sorted(healths):
        values = _health_values(healths[target_id])
        statement = insert(endpoint_health).from_select(
            ["target_id", *values],
            select(
                ping_endpoints.c.target_id,
                *(
                    bindparam(name, value, type_=endpoint_health.c[name].type)
                    for name, value in values.items()
                ),
            ).where(ping_endpoints.c.target_id == target_id),
        )
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=["target_id"], set_={**values, "changed_at": func.now()}
            )
        )


def _health_values(health: Health) -> dict[str, Any]:
    return {
        "window_started_at": _instant(health.window_started_ms),
        "asked": health.asked,
        "failed": health.failed,
        "rested_until": None if health.rested_until_ms is None else _instant(health.rested_until_ms),
        "probing": health.probed_ms is not None,
        "detail": {"rests": health.rests},
    }


def _health(row: Any) -> Health:
    return Health(
        window_started_ms=_epoch_ms(row.window_started_at),
        asked=row.asked,
        failed=row.failed,
        rested_until_ms=_epoch_ms(row.rested_until),
        rests=int(row.detail.get("rests", 1)),
    )


def _instant(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)


def _epoch_ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)
