"""The room and money of those who were to ring together, after some of them would not have the call."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from router.reservations import release_leases
from router.wallet_holds import release_holds

_FORGET = (
    text("DELETE FROM leases WHERE call_id = :call_id AND attempt = :attempt AND released_at IS NOT NULL"),
    text(
        "DELETE FROM wallet_holds WHERE call_id = :call_id AND attempt = :attempt AND released_at IS NOT NULL"
    ),
)
_MOVE = (
    text("UPDATE leases SET attempt = :to WHERE call_id = :call_id AND attempt = :attempt"),
    text("UPDATE wallet_holds SET attempt = :to WHERE call_id = :call_id AND attempt = :attempt"),
)


async def close_ranks(engine: AsyncEngine, call_id: UUID, first: int, stays: Sequence[bool]) -> None:
    """Give back what those hold who do not stay, and move up the others: a leg finds its room by its attempt.

    `stays`: of the attempts from `first` on. What was counted of those who go (attempts, seconds between calls) stays
    counted; that they were asked is told by the table `pings`. Raises what the database raises.
    """
    async with engine.begin() as connection:
        number = first
        for attempt, stay in enumerate(stays, first):
            values = {"call_id": call_id, "attempt": attempt}
            if not stay:
                await release_leases(connection, call_id, attempt)
                await release_holds(connection, call_id, attempt)
                for forget in _FORGET:
                    await connection.execute(forget, values)
                continue
            if number != attempt:
                for move in _MOVE:
                    await connection.execute(move, {**values, "to": number})
            number += 1
