"""The SQL of sales that were reported late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.money_queries import SettledCall
from billing.read_terms import parse_terms
from billing.terms_document import Party, Sale
from store.tables import sales


@dataclass(frozen=True, kw_only=True)
class SaleVersion:
    """What was reported last under one key."""

    version: int
    price_micros: int
    payout_micros: int
    transaction_id: int


@dataclass(frozen=True, kw_only=True)
class SaleTerms:
    """What both parties' terms say of sales; None where they say nothing."""

    buyer: Sale | None
    publisher: Sale | None


_DOCUMENTS = text(
    """
    SELECT
        (SELECT document FROM buyer_terms WHERE buyer_id = :buyer_id AND campaign_id = :campaign_id
            AND goes_live_at <= :at ORDER BY goes_live_at DESC LIMIT 1) AS buyer,
        (SELECT document FROM publisher_terms WHERE publisher_id = :publisher_id AND campaign_id = :campaign_id
            AND goes_live_at <= :at ORDER BY goes_live_at DESC LIMIT 1) AS publisher
    """
)


async def sale_terms(connection: AsyncConnection, call: SettledCall) -> SaleTerms:
    """Return what the terms that were live when the call started say of sales."""
    values = {
        "buyer_id": call.buyer_id,
        "publisher_id": call.publisher_id,
        "campaign_id": call.campaign_id,
        "at": call.started_at,
    }
    row = (await connection.execute(_DOCUMENTS, values)).one()
    return SaleTerms(
        buyer=row.buyer and parse_terms(row.buyer, Party.BUYER).sale,
        publisher=row.publisher and parse_terms(row.publisher, Party.PUBLISHER).sale,
    )


async def newest_version(connection: AsyncConnection, call_id: UUID, key: str) -> SaleVersion | None:
    query = (
        select(sales.c.version, sales.c.price_micros, sales.c.payout_micros, sales.c.transaction_id)
        .where(sales.c.call_id == call_id, sales.c.key == key)
        .order_by(sales.c.version.desc())
        .limit(1)
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else SaleVersion(**row)


async def insert_version(connection: AsyncConnection, said: dict[str, Any]) -> None:
    await connection.execute(insert(sales).values(**said))
