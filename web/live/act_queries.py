"""What acts on calls read and write."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from router.caller_list_queries import rule_columns
from store.tables import blocked_callers, call_commands, calls

COMMANDS = "tollbridge_commands"
"""NOTIFY channel: something is to be done on the node that the payload names."""


@dataclass(frozen=True, kw_only=True)
class CallToActOn:
    id: UUID
    node: str
    caller: str | None
    in_progress: bool


async def call_to_act_on(connection: AsyncConnection, call_id: UUID) -> CallToActOn | None:
    query = select(
        calls.c.id,
        calls.c.node,
        calls.c.caller_sealed.label("caller"),
        (calls.c.state == "in_progress").label("in_progress"),
    ).where(calls.c.id == call_id)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else CallToActOn(**row._mapping)


async def order(
    connection: AsyncConnection, call: CallToActOn, kind: str, user_id: int | None, asked_by: str
) -> tuple[int, bool]:
    """Write what is to be done and wake the call's node; return the order's id and whether it is a new one."""
    waiting = select(call_commands.c.id).where(
        call_commands.c.call_id == call.id,
        call_commands.c.kind == kind,
        call_commands.c.done_at.is_(None),
        call_commands.c.asked_at > func.now() - func.make_interval(0, 0, 0, 0, 0, 0, 5),
    )
    known = (await connection.execute(waiting.limit(1))).scalar_one_or_none()
    if known is not None:
        return int(known), False
    values = {"node": call.node, "call_id": call.id, "kind": kind, "user_id": user_id, "asked_by": asked_by}
    made = await connection.execute(insert(call_commands).values(values).returning(call_commands.c.id))
    await connection.execute(select(func.pg_notify(COMMANDS, call.node)))
    return int(made.scalar_one()), True


async def block(connection: AsyncConnection, number: str, reason: str) -> int | None:
    """Block a number in every campaign; return the rule's id, None when there was one."""
    query = insert(blocked_callers).values(**rule_columns("number", number), campaign_id=None, reason=reason)
    made = await connection.execute(query.on_conflict_do_nothing().returning(blocked_callers.c.id))
    rule_id = made.scalar_one_or_none()
    return None if rule_id is None else int(rule_id)
