"""The statements of the lists that callers stand on: blocked ones, and buyers' books of business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import LargeBinary, Text, cast, delete, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.key_ring import key_ring
from store.sealed_columns import CALLER, area_of
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
    rule = insert(blocked_callers).values(**rule_columns(kind, value), campaign_id=campaign_id, reason=reason)
    key = ["kind", "value", "caller_index", "campaign_id"]
    await connection.execute(rule.on_conflict_do_update(index_elements=key, set_={"reason": reason}))


def rule_columns(kind: str, value: str) -> dict[str, str | None]:
    """Return how a rule is stored: a number sealed, how numbers begin as it is."""
    is_number = kind == "number"
    number = value if is_number else None
    return {
        "kind": kind,
        "value": "" if is_number else value,
        "caller_sealed": number,
        "caller_index": number,
    }


async def block_unless_known(connection: AsyncConnection, number: str, reason: str) -> None:
    """Block a number (E.164) in every campaign; a rule that is there keeps the reason a person gave."""
    rule = insert(blocked_callers).values(**rule_columns("number", number), campaign_id=None, reason=reason)
    await connection.execute(rule.on_conflict_do_nothing())


async def unblock(connection: AsyncConnection, rule_id: int) -> bool:
    """Return whether there was such a rule."""
    done = await connection.execute(delete(blocked_callers).where(blocked_callers.c.id == rule_id))
    return done.rowcount > 0


async def blocked(connection: AsyncConnection) -> list[dict[str, Any]]:
    """Return id, kind, value, campaign (None: every one) and reason of every rule."""
    rules = blocked_callers.c
    query = select(
        rules.id,
        rules.kind,
        rules.value,
        rules.caller_sealed,
        campaigns.c.name.label("campaign"),
        rules.reason,
    )
    query = query.select_from(blocked_callers.outerjoin(campaigns)).order_by(rules.id)
    return [with_number(row) for row in (await connection.execute(query)).mappings()]


def with_number(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a rule whose `value` is the number, too, where it is one."""
    rule = {name: value for name, value in row.items() if name not in ("caller_sealed", "caller_index")}
    return rule if row["caller_sealed"] is None else {**rule, "value": row["caller_sealed"]}


async def suppress(connection: AsyncConnection, buyer_id: int, callers: Sequence[str], reason: str) -> int:
    """Put callers (E.164) on a buyer's list; return how many were not on it."""
    added = 0
    for start in range(0, len(callers), 5_000):
        # Arrays: a statement with a value for each row takes the process longer than PostgreSQL.
        ring, some = key_ring(), callers[start : start + 5_000]
        indexes = cast([ring.blind(CALLER, one) for one in some], ARRAY(LargeBinary))
        sealed = cast([ring.seal_text(CALLER, one) for one in some], ARRAY(LargeBinary))
        areas = cast([area_of(one) for one in some], ARRAY(Text))
        numbers = (func.unnest(indexes), func.unnest(sealed), func.unnest(areas))
        rows = select(literal(buyer_id), *numbers, literal(reason))
        columns = ["buyer_id", "caller_index", "caller_sealed", "caller_area", "reason"]
        new = insert(buyer_suppressions).from_select(columns, rows)
        added += (await connection.execute(new.on_conflict_do_nothing())).rowcount
    return added
