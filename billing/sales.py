"""Late conversions: a sale that came of a call, reported days later, within the window that the terms give.

Reporting it again under the same key with another amount is a correction: the report before is taken back and the new
one posted, in one transaction that names the one it corrects. An amount of nothing withdraws it. A call has as many
sales as the buyer's terms allow, and none pays its publisher more than it brings, less the publisher's terms' margin.

A buyer with a limit reports no sale that its wallet and credit do not cover, and takes back none whose publisher was
paid meanwhile: else the two of them would draw cash that nobody put in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import ledger, ledger_queries, payment_queries
from billing import sale_queries as queries
from billing.judge_terms import most_payable
from billing.ledger import Posting, balanced
from billing.money_queries import SettledCall, lock_settled_call
from billing.terms_document import PPM, Fixed, Sale, TermsDocument
from billing.wallet_queries import wallet_of
from rules.money import MICROS_PER_CENT, format_dollars

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
    publisher_owes_micros: int = 0
    """What the publisher owes us now, because it was paid before the house took this back."""


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
    by_house: bool = False,
) -> SaleReported | SaleRefused:
    """Post what a reported sale earns, by the terms of the call unless amounts are given. The caller commits.

    `by_house`: a person of the house reports, who may take back what the publisher was paid already.
    """
    problem = _problem_of_key(key)
    if problem:
        return SaleRefused(reason=problem)
    call = await lock_settled_call(connection, call_id)
    if call is None or call.buyer_id is None or call.publisher_id is None:
        return SaleRefused(reason="there is no such call, it is not settled yet, or no buyer had it")
    terms = await queries.sale_terms(connection, call)
    if terms.buyer is None or terms.buyer.sale is None:
        return SaleRefused(reason="the buyer's terms for this call pay nothing for a sale")
    told = _listed(terms.buyer.sale) if price_micros is None else price_micros
    price = terms.buyer.rounding.apply(max(told, 0))
    payout = _payout(terms.publisher, price) if payout_micros is None else payout_micros
    problem = _too_late(terms.buyer.sale, call, now) or _wrong_amount(terms, told, price, payout)
    standing = await queries.standing_sales(connection, call_id)
    before = standing.pop(key, None)
    added = price - (before.price_micros if before else 0)
    problem = (
        problem
        or _no_room(terms.buyer.sale, price, before, standing.values())
        or await _not_covered(connection, call.buyer_id, added)
    )
    taken_back = before.payout_micros - payout if before else 0
    owes = 0 if problem else await _publisher_would_owe(connection, call.publisher_id, taken_back)
    if problem or (owes and not by_house):
        return SaleRefused(reason=problem or _PAID_OUT)
    if before is not None and (before.price_micros, before.payout_micros) == (price, payout):
        return SaleReported(
            call_id=call_id, version=before.version, price_micros=price, payout_micros=payout, new=False
        )
    done = await _write(connection, call, key, before, price, payout, now)
    return replace(done, publisher_owes_micros=owes)


_PAID_OUT = "the publisher of this call was paid out what this would take back: only the house can correct it"


async def _not_covered(connection: AsyncConnection, buyer_id: int, added_micros: int) -> str:
    """Say what a buyer with a limit lacks for so much more; empty when it has it.

    What was read holds until ours ends: nobody else takes a hold of the wallet or posts on it meanwhile.
    """
    if added_micros <= 0:
        return ""
    await payment_queries.lock_wallet(connection, buyer_id)
    wallet = await wallet_of(connection, buyer_id)
    available = wallet.state.available_micros if wallet else None
    if available is None or added_micros <= available:
        return ""
    return (
        f"the buyer's wallet and credit do not cover {format_dollars(added_micros)}:"
        f" {format_dollars(added_micros - available)} more is missing. Let the buyer top up, then report the sale again"
    )


async def _publisher_would_owe(connection: AsyncConnection, publisher_id: int, taken_back_micros: int) -> int:
    """Return what a publisher owes us once so much is taken back. Until ours ends nobody pays it out."""
    if taken_back_micros <= 0:
        return 0
    await payment_queries.lock_payouts(connection, publisher_id)
    return max(taken_back_micros - await payment_queries.owed_to(connection, publisher_id), 0)


def _problem_of_key(key: str) -> str:
    if not 0 < len(key) <= MAXIMUM_KEY_CHARACTERS or not key.isprintable() or ":" in key:
        return f"a key is 1 to {MAXIMUM_KEY_CHARACTERS} characters without a colon"
    return ""


def _no_room(
    sale: Sale,
    price_micros: int,
    before: queries.StandingSale | None,
    others: Iterable[queries.StandingSale],
) -> str:
    """Say why this call has no such sale, or none more; empty when it may have it."""
    if price_micros == 0:
        return "" if before else "nothing was reported under this id: there is nothing to withdraw"
    if sum(one.price_micros > 0 for one in others) < sale.per_call:
        return ""
    most = "one sale" if sale.per_call == 1 else f"{sale.per_call} sales"
    return (
        f"the buyer's terms allow {most} of a call, and so many stand: correct one under its own id, or withdraw it"
        " with an amount of 0 first"
    )


def _wrong_amount(terms: queries.SaleTerms, told_micros: int, price_micros: int, payout_micros: int) -> str:
    assert terms.buyer is not None and terms.buyer.sale is not None
    maximum = terms.buyer.sale.maximum_micros
    if told_micros < 0 or payout_micros < 0:
        return "amounts are not negative; 0 withdraws a sale"
    if 0 < told_micros < MICROS_PER_CENT:
        return "the amount of a sale is at least $0.01, or 0 to withdraw it"
    if told_micros > maximum:
        return f"the amount of a sale is at most {format_dollars(maximum)} by the buyer's terms"
    most = most_payable(terms.publisher, price_micros) if terms.publisher else price_micros
    if payout_micros > most:
        return (
            f"a sale of {format_dollars(price_micros)} pays its publisher at most {format_dollars(most)}: what it"
            " brings, less the margin of the publisher's terms"
        )
    return ""


def _too_late(sale: Sale, call: SettledCall, now: dt.datetime) -> str:
    last = call.started_at + dt.timedelta(days=sale.within_days)
    return f"the window to report a sale ended on {last:%Y-%m-%d at %H:%M:%S} UTC" if now > last else ""


async def _write(
    connection: AsyncConnection,
    call: SettledCall,
    key: str,
    before: queries.StandingSale | None,
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
            # What stands is taken back from where it was charged.
            prepaid=before.prepaid
            if before and before.price_micros
            else call.prepaid or call.pays_in_advance,
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


def sale_postings(
    call: SettledCall, *, price_micros: int, payout_micros: int, prepaid: bool
) -> tuple[Posting, ...]:
    """Return the postings of what a report changes; below zero where a correction takes back."""
    buyer = ledger.buyer_account(call.buyer_id or 0, prepaid=prepaid)
    payable = ledger.publisher_payable(call.publisher_id or 0)
    return balanced(
        (
            *ledger.moved(to=buyer, from_=ledger.REVENUE, amount_micros=price_micros),
            *ledger.moved(to=ledger.PAYOUT, from_=payable, amount_micros=payout_micros),
        )
    )


def _listed(sale: Sale) -> int:
    return sale.price.amount_micros if isinstance(sale.price, Fixed) else 0


def _payout(terms: TermsDocument | None, price_micros: int) -> int:
    """Return what the publisher earns by its terms: never more than the sale brings, less the margin."""
    if terms is None or terms.sale is None or price_micros <= 0:
        return 0
    price = terms.sale.price
    wanted = (
        price.amount_micros if isinstance(price, Fixed) else Fraction(price_micros * price.share_ppm, PPM)
    )
    return min(terms.rounding.apply(wanted), most_payable(terms, price_micros))
