"""The statements of the lists that callers stand on: blocked ones, and buyers' books of business."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Text, cast, delete, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import blocked_callers, buyer_suppressions, buyers, campaigns


async def buyer_named(connection: AsyncConnection, name: str) -> int | None:
    found: int | None = await connection.scalar(select(buyers.c.id).where(buyers.c.name == name))
    return found


async def campaign_named(connection: AsyncConnection, name: str) -> int | None:
    found: int | None = await connection.scalar(select(campaigns.c.id).where(campaigns.c.name == name))
    return found


async def block(
    connection: AsyncConnection, kind: str, value: str, campaign_id: int | None, reason: str
) -> None:
    """Store a rule; the same one again gets the new reason."""
    rule = insert(blocked_callers).values(kind=kind, value=value, campaign_id=campaign_id, reason=reason)
    key = ["kind", "value", "campaign_id"]
    await connection.execute(rule.on_conflict_do_update(index_elements=key, set_={"reason": reason}))


async def block_unless_known(connection: AsyncConnection, number: str, reason: str) -> None:
    """Block a number (E.164) in every campaign; a rule that is there keeps the reason a person gave."""
    rule = insert(blocked_callers).values(kind="number", value=number, campaign_id=None, reason=reason)
    await connection.execute(rule.on_conflict_do_nothing())


async def unblock(connection: AsyncConnection, rule_id: int) -> bool:
    """Return whether there was such a rule."""
    done = await connection.execute(delete(blocked_callers).where(blocked_callers.c.id == rule_id))
    return done.rowcount > 0


async def blocked(connection: AsyncConnection) -> list[dict[str, Any]]:
    """Return id, kind, value, campaign (None: every one) and reason of every rule."""
    rules = blocked_callers.c
    query = select(rules.id, rules.kind, rules.value, campaigns.c.name.label("campaign"), rules.reason)
    query = query.select_from(blocked_callers.outerjoin(campaigns)).order_by(rules.id)
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def suppress(connection: AsyncConnection, buyer_id: int, callers: Sequence[str], reason: str) -> int:
    """Put callers (E.164) on a buyer's list; return how many were not on it."""
    added = 0
    for start in range(0, len(callers), 5_000):
        # One array: a statement with a value for each row takes the process longer than PostgreSQL.
        some = cast(list(callers[start : start + 5_000]), ARRAY(Text))
        rows = select(literal(buyer_id), func.unnest(some), literal(reason))
        new = insert(buyer_suppressions).from_select(["buyer_id", "caller", "reason"], rows)
        added += (await connection.execute(new.on_conflict_do_nothing())).rowcount
    return added
