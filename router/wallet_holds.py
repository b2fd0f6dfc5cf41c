"""Holds on wallets: what a call may cost is set aside before the buyer is rung, and given back when it is over.

A hold is taken in the transaction that takes the attempt's caps, by one conditional UPDATE of the wallet's row. At
hang-up the settlement posts what is owed and gives the hold back in one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from router import wallet_hold_queries as queries
from router.reservations import Attempt, take_leases

_ANY_ATTEMPT = (0, 2**31 - 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """What one attempt may cost a buyer that has a limit."""

    buyer_id: int
    campaign_id: int
    amount_micros: int
    """At least; the most that the buyer's terms can ask is held."""


def wallet_key(buyer_id: int) -> str:
    """What `take_leases_with_hold` answers when a wallet does not cover the call."""
    return f"wallet:{buyer_id}"


class _NoRoom(Exception):
    """Takes the transaction back."""


async def take_leases_with_hold(connection: asyncpg.Connection, attempt: Attempt, hold: Hold | None) -> str:
    """Take the attempt's caps and set aside what it may cost: both or neither. Answers as `take_leases` does.

    Both are committed at once, unless the caller has a transaction open. Raises what the driver raises.
    """
    if hold is None:
        return await take_leases(connection, attempt)
    full = ""
    try:
        async with connection.transaction():
            full = await take_leases(connection, attempt)
            if not full and not await take_hold(
                connection, attempt.call_id, attempt.attempt, hold, attempt.expires_at
            ):
                full = wallet_key(hold.buyer_id)
            if full:
                raise _NoRoom
    except _NoRoom:
        return full
    return ""


async def take_hold(
    connection: asyncpg.Connection, call_id: UUID | str, attempt: int, hold: Hold, expires_at: datetime
) -> bool:
    """Set aside what the attempt may cost, in the transaction of the caller. Asking again takes nothing more.

    Returns False, having taken nothing, when wallet and credit do not cover it. Raises what the driver raises.
    """
    return bool(
        await connection.fetchval(
            queries.TAKE, call_id, attempt, hold.buyer_id, hold.campaign_id, hold.amount_micros, expires_at
        )
    )


async def release_holds(connection: AsyncConnection, call_id: UUID, attempt: int | None = None) -> int:
    """Give back what one attempt holds, or the whole call. Returns how many holds there were."""
    first, last = _ANY_ATTEMPT if attempt is None else (attempt, attempt)
    return await _release(connection, call_id, first, last)


async def release_unanswered(connection: AsyncConnection, call_id: UUID, attempt: int) -> None:
    """Give back what an attempt holds that is over and was not answered; what was answered is settled first."""
    await connection.execute(queries.GIVE_BACK_UNANSWERED, {"call_id": call_id, "attempt": attempt})


async def release_holds_of(connection: AsyncConnection, call_ids: Sequence[UUID]) -> None:
    """Give back whatever these calls hold."""
    await connection.execute(queries.GIVE_BACK_CALLS, {"call_ids": list(call_ids)})


async def release_reservations(connection: AsyncConnection, reservation_ids: Sequence[UUID]) -> None:
    """Give back what these reservations of publishers hold."""
    await release_holds_of(connection, reservation_ids)


async def release_earlier_holds(connection: AsyncConnection, call_id: UUID, attempt: int) -> int:
    """Give back what the attempts before `attempt` hold: they are over when the next one is made."""
    return await _release(connection, call_id, 0, attempt - 1)


async def _release(connection: AsyncConnection, call_id: UUID, first: int, last: int) -> int:
    values = {"call_id": call_id, "first": first, "last": last}
    return int(await connection.scalar(queries.GIVE_BACK_CALL, values) or 0)


async def expire_holds(connection: AsyncConnection, now: datetime) -> int:
    """Give back holds that ran out and belong to no live call; at most 1,000 at a time. Returns how many."""
    return int(await connection.scalar(queries.GIVE_BACK_EXPIRED, {"now": now}) or 0)


async def hand_over_holds(
    connection: AsyncConnection, reservation_id: UUID, call_id: UUID, expires_at: datetime
) -> None:
    """Give what a publisher's reservation holds to the call that came on it."""
    values = {"reservation_id": reservation_id, "call_id": call_id, "expires_at": expires_at}
    await connection.execute(queries.HAND_OVER, values)
