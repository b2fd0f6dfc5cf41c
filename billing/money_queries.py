"""The SQL of parties, and of settled calls that later transactions correct."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.terms_document import Party
from store.tables import buyers, calls, publishers


async def parties(connection: AsyncConnection) -> dict[tuple[Party, str], tuple[int, bool]]:
    """Return id and whether it pays from a wallet, of every buyer and publisher by name."""
    found: dict[tuple[Party, str], tuple[int, bool]] = {}
    for row in await connection.execute(select(buyers.c.id, buyers.c.name, buyers.c.prepaid)):
        found[Party.BUYER, row.name] = (row.id, row.prepaid)
    for publisher in await connection.execute(select(publishers.c.id, publishers.c.name)):
        found[Party.PUBLISHER, publisher.name] = (publisher.id, False)
    return found


async def is_prepaid(connection: AsyncConnection, buyer_id: int) -> bool:
    return bool(await connection.scalar(select(buyers.c.prepaid).where(buyers.c.id == buyer_id)))


async def call_of(connection: AsyncConnection, named: str) -> UUID | None:
    """Return the call with this id or linkedid."""
    try:
        wanted = calls.c.id == UUID(named)
    except ValueError:
        wanted = calls.c.linkedid == named
    return await connection.scalar(select(calls.c.id).where(wanted))


@dataclass(frozen=True, kw_only=True)
class SettledCall:
    """What a call came to when it was settled, its row locked until the transaction ends. Money in micros."""

    call_id: UUID
    settlement_id: int
    started_at: Any
    ended_at: Any
    campaign_id: int | None
    buyer_id: int | None
    publisher_id: int | None
    prepaid: bool
    """The settlement charged the buyer's wallet."""
    pays_in_advance: bool
    """The buyer pays from its wallet now."""
    price_micros: int
    payout_micros: int
    return_window_hours: int


_SETTLED = text(
    """
    SELECT c.id AS call_id, t.id AS settlement_id, c.started_at, c.ended_at, c.campaign_id, c.buyer_id,
        c.publisher_id, coalesce(b.return_window_hours, 0) AS return_window_hours,
        coalesce(b.prepaid, false) AS pays_in_advance,
        EXISTS (SELECT FROM ledger_postings p WHERE p.transaction_id = t.id
            AND p.account = 'buyer:' || c.buyer_id || '\\:wallet') AS prepaid,
        -coalesce((SELECT amount_micros FROM ledger_postings p
            WHERE p.transaction_id = t.id AND p.account = 'revenue'), 0) AS price_micros,
        coalesce((SELECT amount_micros FROM ledger_postings p
            WHERE p.transaction_id = t.id AND p.account = 'payout'), 0) AS payout_micros
    FROM calls c JOIN ledger_transactions t ON t.call_id = c.id AND t.kind = 'settlement'
    LEFT JOIN buyers b ON b.id = c.buyer_id
    WHERE c.id = :call_id FOR UPDATE OF c
    """
).bindparams(bindparam("call_id", type_=Uuid))


async def lock_settled_call(connection: AsyncConnection, call_id: UUID) -> SettledCall | None:
    """Lock a settled call and return what it came to; None when it is not settled."""
    row = (await connection.execute(_SETTLED, {"call_id": call_id})).mappings().one_or_none()
    return None if row is None else SettledCall(**row)
