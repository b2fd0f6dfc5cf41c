"""Late conversions: a sale that came of a call, reported days later, within the window that the terms give.

Reporting it again under the same key with another amount is a correction: the report before is taken back and the new
one posted, in one transaction that names the one it corrects. An amount of nothing withdraws it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import ledger, ledger_queries
from billing import sale_queries as queries
from billing.ledger import Posting, balanced
from billing.money_queries import SettledCall, lock_settled_call
from billing.terms_document import PPM, Fixed, RevenueShare, Sale
from rules.money import divide_half_up

MAXIMUM_KEY_CHARACTERS = 100


@dataclass(frozen=True, kw_only=True)
class SaleReported:
    """What stands now. Money in millionths of a dollar."""

    call_id: UUID
    version: int
    price_micros: int
    payout_micros: int
    new: bool
    """False: the same was reported before, and nothing was written."""


@dataclass(frozen=True, kw_only=True)
class SaleRefused:
    """Nothing was written."""

    reason: str


async def report_sale(
    connection: AsyncConnection,
    call_id: UUID,
    *,
    key: str,
    now: dt.datetime,
    price_micros: int | None = None,
    payout_micros: int | None = None,
) -> SaleReported | SaleRefused:
    """Post what a reported sale earns, by the terms of the call unless amounts are given. The caller commits."""
    problem = _problem_of_key(key)
    if problem:
        return SaleRefused(reason=problem)
    call = await lock_settled_call(connection, call_id)
    if call is None or call.buyer_id is None or call.publisher_id is None:
        return SaleRefused(reason="there is no such call, it is not settled yet, or no buyer had it")
    terms = await queries.sale_terms(connection, call)
    if terms.buyer is None or (problem := _too_late(terms.buyer, call, now)):
        return SaleRefused(reason=problem or "the buyer's terms for this call pay nothing for a sale")
    before = await queries.newest_version(connection, call_id, key)
    price = _price(terms.buyer) if price_micros is None else price_micros
    payout = _payout(terms.publisher, price) if payout_micros is None else payout_micros
    if price < 0 or payout < 0 or (payout > 0 and price == 0):
        return SaleRefused(reason="amounts are not negative, and nothing is paid out for what earns nothing")
    if before is not None and (before.price_micros, before.payout_micros) == (price, payout):
        return SaleReported(
            call_id=call_id, version=before.version, price_micros=price, payout_micros=payout, new=False
        )
    return await _write(connection, call, key, before, price, payout, now)


def _problem_of_key(key: str) -> str:
    if not 0 < len(key) <= MAXIMUM_KEY_CHARACTERS or not key.isprintable() or ":" in key:
        return f"a key is 1 to {MAXIMUM_KEY_CHARACTERS} characters without a colon"
    return ""


def _too_late(sale: Sale, call: SettledCall, now: dt.datetime) -> str:
    last = call.started_at + dt.timedelta(days=sale.within_days)
    return f"the window to report a sale ended on {last:%Y-%m-%d at %H:%M:%S} UTC" if now > last else ""


async def _write(
    connection: AsyncConnection,
    call: SettledCall,
    key: str,
    before: queries.SaleVersion | None,
    price: int,
    payout: int,
    now: dt.datetime,
) -> SaleReported:
    version = before.version + 1 if before else 1
    transaction_id = await ledger_queries.post(
        connection,
        call_id=call.call_id,
        kind=f"sale:{key}:{version}",
        postings=sale_postings(
            call,
            price_micros=price - (before.price_micros if before else 0),
            payout_micros=payout - (before.payout_micros if before else 0),
        ),
        detail={"key": key, "version": version, "price_micros": price, "payout_micros": payout},
        corrects_id=before.transaction_id if before else call.settlement_id,
    )
    await queries.insert_version(
        connection,
        {
            "call_id": call.call_id,
            "key": key,
            "version": version,
            "price_micros": price,
            "payout_micros": payout,
            "transaction_id": transaction_id,
            "reported_at": now,
        },
    )
    return SaleReported(
        call_id=call.call_id, version=version, price_micros=price, payout_micros=payout, new=True
    )


def sale_postings(call: SettledCall, *, price_micros: int, payout_micros: int) -> tuple[Posting, ...]:
    """Return the postings of what a report changes; below zero where a correction takes back."""
    buyer = ledger.buyer_account(call.buyer_id or 0, prepaid=call.prepaid or call.pays_in_advance)
    payable = ledger.publisher_payable(call.publisher_id or 0)
    return balanced(
        (
            *ledger.moved(to=buyer, from_=ledger.REVENUE, amount_micros=price_micros),
            *ledger.moved(to=ledger.PAYOUT, from_=payable, amount_micros=payout_micros),
        )
    )


def _price(sale: Sale) -> int:
    return sale.price.amount_micros if isinstance(sale.price, Fixed) else 0


def _payout(sale: Sale | None, price_micros: int) -> int:
    if sale is None:
        return 0
    if isinstance(sale.price, RevenueShare):
        return divide_half_up(price_micros * sale.price.share_ppm, PPM)
    return sale.price.amount_micros if price_micros else 0
