"""The SQL of sales that were reported late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.money_queries import SettledCall
from billing.read_terms import parse_terms
from billing.terms_document import Party, TermsDocument
from store.tables import sales


@dataclass(frozen=True, kw_only=True)
class StandingSale:
    """What was reported last under one key; a price of nothing was withdrawn."""

    version: int
    price_micros: int
    payout_micros: int
    transaction_id: int
    prepaid: bool
    """What the buyer owes for it stands on its wallet."""


@dataclass(frozen=True, kw_only=True)
class SaleTerms:
    """Both parties' terms as they were when the call started; None where there were none."""

    buyer: TermsDocument | None
    publisher: TermsDocument | None


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
    """Return the terms that were live when the call started."""
    values = {
        "buyer_id": call.buyer_id,
        "publisher_id": call.publisher_id,
        "campaign_id": call.campaign_id,
        "at": call.started_at,
    }
    row = (await connection.execute(_DOCUMENTS, values)).one()
    return SaleTerms(
        buyer=row.buyer and parse_terms(row.buyer, Party.BUYER),
        publisher=row.publisher and parse_terms(row.publisher, Party.PUBLISHER),
    )


_STANDING = text(
    """
    SELECT DISTINCT ON (s.key) s.key, s.version, s.price_micros, s.payout_micros, s.transaction_id,
        coalesce((SELECT sum(p.amount_micros) FROM sales o
            JOIN ledger_postings p ON p.transaction_id = o.transaction_id
            WHERE o.call_id = s.call_id AND o.key = s.key AND p.account LIKE 'buyer:%\\:wallet'), 0) <> 0 AS prepaid
    FROM sales s WHERE s.call_id = :call_id ORDER BY s.key, s.version DESC
    """
).bindparams(bindparam("call_id", type_=Uuid))


async def standing_sales(connection: AsyncConnection, call_id: UUID) -> dict[str, StandingSale]:
    """Return the newest report of each sale of a call, by its key."""
    rows = (await connection.execute(_STANDING, {"call_id": call_id})).mappings()
    return {row["key"]: StandingSale(**{name: row[name] for name in row if name != "key"}) for row in rows}


async def insert_version(connection: AsyncConnection, said: dict[str, Any]) -> None:
    await connection.execute(insert(sales).values(**said))
