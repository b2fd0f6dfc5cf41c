"""What settlement reads of a call and of its legs, as values. Pure; billing.batch_queries reads it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from billing.carrier_cost import NO_FEE, CarrierTerms, PlatformFee
from billing.promises import Promise
from billing.read_terms import parse_terms
from billing.terms import BuyerTerms, PublisherTerms
from billing.terms_document import Party


@dataclass(frozen=True, kw_only=True)
class LockedCall:
    """The call to settle, its row locked until the transaction ends."""

    id: UUID
    settled: bool
    tracking_number_id: int | None
    campaign_id: int | None
    publisher_id: int | None
    duplicate_window_seconds: int
    found_nobody: bool
    """The last decision about it chose no target."""
    tags: Mapping[str, Any]
    counted: bool
    """It holds leases that are settled by what happened."""
    held: bool
    """It holds money of wallets."""
    caller_index: bytes | None = None
    """What its row has of the caller already."""


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Who bought the call, and the newest terms that were live when it started; None where there are none."""

    buyer_id: int | None
    buyer_terms: BuyerTerms | None
    publisher_terms: PublisherTerms | None
    promise: Promise | None
    """Of the reservation that the call was claimed on; it holds for a leg that was routed on it."""
    carrier_terms: CarrierTerms | None
    outbound_terms: CarrierTerms | None = None
    """Of the trunk over which the buyer was dialled."""
    prepaid: bool = False
    """The buyer pays from its wallet."""
    platform_fee: PlatformFee = NO_FEE


@dataclass(frozen=True, kw_only=True)
class OfferMade:
    """What a buyer was offered the call for, as it was decided. Money in millionths of a dollar."""

    bid_micros: int | None
    """None: the buyer's terms hold."""
    minimum_connected_ms: int | None
    """None: the minimum of the buyer's terms holds."""
    billed: bool
    """False: a duplicate that was routed all the same."""
    promised: bool
    """The decision knew what the publisher was promised for this call."""


def instant(epoch_ms: int) -> dt.datetime:
    # Exact: a float of seconds would move some milliseconds by a microsecond.
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=epoch_ms)


def prices_of(row: Any) -> Prices:
    """Read a row of the query of prices."""
    return Prices(
        buyer_id=row.buyer_id,
        buyer_terms=row.b_id
        and BuyerTerms(
            id=row.b_id,
            goes_live_at=row.b_live,
            minimum_connected_ms=row.minimum_connected_ms,
            price_micros=row.price_micros,
            document=row.b_document and parse_terms(row.b_document, Party.BUYER),
        ),
        publisher_terms=row.p_id
        and PublisherTerms(
            id=row.p_id,
            goes_live_at=row.p_live,
            payout_micros=row.payout_micros,
            document=row.p_document and parse_terms(row.p_document, Party.PUBLISHER),
        ),
        promise=None
        if row.promised_micros is None
        else Promise(
            payout_micros=row.promised_micros,
            minimum_connected_ms=row.promised_minimum_ms or 0,
            share_ppm=row.promised_share_ppm,
            margin_micros=row.promised_margin_micros,
            daily_loss_micros=row.daily_loss_micros,
        ),
        carrier_terms=row.carrier_name
        and CarrierTerms(
            carrier_name=row.carrier_name,
            cost_per_minute_micros=row.cost_per_minute_micros,
            increment_seconds=row.cost_increment_seconds,
            minimum_seconds=row.cost_minimum_seconds,
        ),
        outbound_terms=row.o_name
        and CarrierTerms(
            carrier_name=row.o_name,
            cost_per_minute_micros=row.o_cost,
            increment_seconds=row.o_increment,
            minimum_seconds=row.o_minimum,
        ),
        prepaid=row.prepaid,
        platform_fee=PlatformFee(fixed_micros=row.fee_micros, share_ppm=row.fee_ppm),
    )


def offer_of(found: Mapping[str, Any] | None, *, promised: bool) -> OfferMade | None:
    """Read an offer out of a stored decision."""
    if found is None:
        return None
    return OfferMade(
        bid_micros=found.get("bid_micros"),
        minimum_connected_ms=found.get("minimum_connected_ms"),
        billed=found.get("billed", True),
        promised=promised,
    )
