"""What people at a page want done to calls, and what may be heard of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agi import cel_queries
from store.tables import call_commands, calls

CHANNEL = "tollbridge_commands"
"""NOTIFY channel: something is to be done; the payload is the node's name."""
ANSWERED_WITHIN = timedelta(seconds=60)
"""Nobody waits longer for a command, so an older one is not carried out any more."""
AT_ONCE = 50


@dataclass(frozen=True, kw_only=True)
class Command:
    """Something to be done to a call of this node."""

    id: int
    call_id: UUID
    kind: str
    asked_by: str
    linkedid: str


async def open_commands(connection: AsyncConnection, node: str) -> Sequence[Command]:
    """Return what is to be done on a node, locked: no other process does it meanwhile."""
    query = (
        select(
            call_commands.c.id,
            call_commands.c.call_id,
            call_commands.c.kind,
            call_commands.c.asked_by,
            calls.c.linkedid,
        )
        .join(calls, calls.c.id == call_commands.c.call_id)
        .where(call_commands.c.node == node, call_commands.c.done_at.is_(None))
        .where(call_commands.c.asked_at > func.now() - ANSWERED_WITHIN)
        .order_by(call_commands.c.id)
        .limit(AT_ONCE)
        .with_for_update(of=call_commands, skip_locked=True)
    )
    return [Command(**row._mapping) for row in await connection.execute(query)]


async def command_done(connection: AsyncConnection, command: Command, problem: str) -> None:
    """Mark a command done, or why it could not be, and tell who watches the call."""
    await connection.execute(
        update(call_commands)
        .where(call_commands.c.id == command.id)
        .values(done_at=func.now(), problem=problem)
    )
    await cel_queries.tell(connection, [command.call_id])


@dataclass(frozen=True, kw_only=True)
class Hearable:
    """The channels of a call that is going on, by Asterisk's unique ids."""

    caller: str
    buyer: str | None
    """The leg of the buyer that talks now; None while nobody does."""


_HEARABLE = text(
    """
    SELECT c.linkedid AS caller, (
        SELECT r.uniqueid FROM cel_rows r
        WHERE r.linkedid = c.linkedid AND r.event = 'BRIDGE_ENTER' AND r.channel LIKE 'PJSIP/target-%'
            AND NOT EXISTS (
                SELECT FROM cel_rows e WHERE e.linkedid = c.linkedid AND e.uniqueid = r.uniqueid
                    AND e.event IN ('HANGUP', 'BRIDGE_EXIT') AND e.id > r.id
            )
        ORDER BY r.id DESC LIMIT 1
    ) AS buyer
    FROM calls c WHERE c.id = :call_id AND c.state = 'in_progress'
    """
)


async def hearable(connection: AsyncConnection, call_id: UUID) -> Hearable | None:
    """Return what may be heard of a call; None when it is over or is not known."""
    row = (await connection.execute(_HEARABLE, {"call_id": call_id})).one_or_none()
    return None if row is None else Hearable(caller=row.caller, buyer=row.buyer)
