"""Finds the terms of a campaign beside which new ones would pay out more than a call brings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import terms_queries as queries
from billing.check_loss import loss_of
from billing.read_terms import TermsError, parse_terms
from billing.terms import BuyerTerms, PublisherTerms
from billing.terms_document import Party, TermsDocument

NAMED_MAXIMUM = 5


async def find_losses(
    connection: AsyncConnection,
    *,
    party: Party,
    party_id: int,
    campaign_id: int,
    document: TermsDocument,
    goes_live_at: dt.datetime,
) -> tuple[str, ...]:
    """Return in words, with its party, each contract of the other side by which calls would be sold at a loss.

    Looks at what is live when these terms go live, and at what goes live later. Nothing for a campaign that
    sells at a loss on purpose.
    """
    if await queries.sells_at_loss(connection, campaign_id):
        return ()
    other = Party.PUBLISHER if party is Party.BUYER else Party.BUYER
    rows = await queries.versions_beside(connection, other, campaign_id, goes_live_at)
    return tuple(_losses(party, party_id, document, rows))[:NAMED_MAXIMUM]


async def loses_by_price(
    connection: AsyncConnection, *, buyer_id: int, campaign_id: int, price_micros: int, now: dt.datetime
) -> bool:
    """Return whether calls would be sold at a loss were this all that the buyer pays from now on."""
    plain = BuyerTerms(id=None, goes_live_at=now, minimum_connected_ms=0, price_micros=price_micros)
    losses = await find_losses(
        connection,
        party=Party.BUYER,
        party_id=buyer_id,
        campaign_id=campaign_id,
        document=plain.contract(None),
        goes_live_at=now,
    )
    return bool(losses)


def _losses(party: Party, party_id: int, document: TermsDocument, rows: Sequence[Any]) -> Iterator[str]:
    for row in rows:
        beside = _contract(Party.PUBLISHER if party is Party.BUYER else Party.BUYER, row)
        if beside is None:
            continue
        publisher_id = row.party_id if party is Party.BUYER else party_id
        buyer, publisher = (document, beside) if party is Party.BUYER else (beside, document)
        loss = loss_of(buyer.for_publisher(publisher_id), publisher)
        if loss is not None:
            yield f"with {row.party}: {loss}"


def _contract(party: Party, row: Any) -> TermsDocument | None:
    try:
        document = row.document and parse_terms(row.document, party)
    except TermsError:  # saved by an older version: settlement will say so
        return None
    if party is Party.BUYER:
        plain = BuyerTerms(
            id=row.id,
            goes_live_at=row.goes_live_at,
            minimum_connected_ms=row.minimum_connected_ms,
            price_micros=row.price_micros,
        )
        return document or plain.contract(None)
    return PublisherTerms(
        id=row.id, goes_live_at=row.goes_live_at, payout_micros=row.payout_micros, document=document
    ).contract
