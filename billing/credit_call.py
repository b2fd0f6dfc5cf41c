"""Credits a settled call, at most once over: by adjustments and rulings on disputes together, never above its price.

A call that was credited whole counts no more: not as converted, not in tiers, not in caps of periods that still run.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import credit_queries as queries
from billing import ledger
from billing.carrier_cost import PlatformFee, platform_fee_micros
from billing.ledger import Posting
from billing.money_queries import SettledCall
from billing.terms_document import Party, Period
from billing.tiers import TierCounter, period_start, tier_key
from rules.money import format_dollars


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a call was charged, and what of it was given back so far. Money in millionths of a dollar."""

    price_micros: int
    credited_micros: int
    payout_micros: int
    clawed_back_micros: int
    fee_micros: int
    """The platform's fee that stands."""

    @property
    def left_micros(self) -> int:
        """What may still be credited."""
        return max(self.price_micros - self.credited_micros, 0)

    @property
    def payout_left_micros(self) -> int:
        """What may still be clawed back."""
        return max(self.payout_micros - self.clawed_back_micros, 0)

    def why_not_credit(self, amount_micros: int) -> str | None:
        """Return why so much cannot be credited; None when it can."""
        if amount_micros <= self.left_micros:
            return None
        return (
            f"{format_dollars(amount_micros)} is more than is left of the call: it cost"
            f" {format_dollars(self.price_micros)}, and {format_dollars(self.credited_micros)} was credited before"
        )

    def why_not_claw_back(self, amount_micros: int) -> str | None:
        """Return why so much cannot be clawed back; None when it can."""
        if amount_micros <= self.payout_left_micros:
            return None
        return (
            f"{format_dollars(amount_micros)} is more than is left of the call's payout: it was"
            f" {format_dollars(self.payout_micros)}, and {format_dollars(self.clawed_back_micros)} was taken back"
        )

    def fee_back_micros(self, fee: PlatformFee, credit_micros: int) -> int:
        """Return what of the platform's fee goes with a credit, by the terms of the call."""
        kept = platform_fee_micros(fee, self.price_micros - self.credited_micros - credit_micros)
        return max(self.fee_micros - kept, 0)


async def standing_of(connection: AsyncConnection, call: SettledCall) -> Standing:
    """Return how a locked call stands."""
    return Standing(**await queries.read_standing(connection, call.call_id, call.settlement_id))


async def fee_back_postings(
    connection: AsyncConnection, call: SettledCall, standing: Standing, credit_micros: int
) -> tuple[Posting, ...]:
    """Return the postings that take the platform's fee back with a credit of so much."""
    if credit_micros <= 0:
        return ()
    fee = PlatformFee(**await queries.fee_of(connection, call.campaign_id, call.started_at))
    back = standing.fee_back_micros(fee, credit_micros)
    return ledger.moved(to=ledger.PLATFORM_PAYABLE, from_=ledger.PLATFORM_FEE, amount_micros=back)


async def take_out_of_counts(
    connection: AsyncConnection, call: SettledCall, before: Standing, *, now: dt.datetime
) -> None:
    """Count a call as it stands after a credit that was posted; `before` is how it stood."""
    after = await standing_of(connection, call)
    given = after.credited_micros - before.credited_micros
    gone = after.price_micros > 0 and after.left_micros == 0
    was_gone = before.price_micros > 0 and before.left_micros == 0
    billed = await queries.read_billed(connection, call.call_id)
    if given > 0:
        await queries.give_back_caps(
            connection,
            call.call_id,
            billed.attempt,
            conversions=int(gone and not was_gone),
            revenue_micros=given,
        )
    if gone != was_gone:
        await queries.mark_converted(connection, call.call_id, converted=was_gone)
    if gone and not was_gone:
        await queries.forget_conversion(connection, billed.target_id)
        await queries.lower_tiers(connection, _counters(call, billed, after, now))


def _counters(call: SettledCall, billed: Any, after: Standing, now: dt.datetime) -> list[TierCounter]:
    """Return the counters of tiers that the call was counted in and that still run."""
    found = _of_party(Party.BUYER, call.buyer_id, call, billed.conversion, billed.buyer_zone, now)
    if after.payout_micros and after.payout_left_micros == 0:
        found += _of_party(
            Party.PUBLISHER, call.publisher_id, call, billed.conversion, billed.publisher_zone, now
        )
    return found


def _of_party(
    party: Party,
    party_id: int | None,
    call: SettledCall,
    conversion: Mapping[str, Any],
    zone: str | None,
    now: dt.datetime,
) -> list[TierCounter]:
    inputs = (conversion.get(party.value) or {}).get("inputs") or {}
    if zone is None:  # terms of one price count nothing
        return []
    counted = [Period(one) for one in sorted(inputs.get("calls_before") or ())]
    return [
        TierCounter(
            key=tier_key(party, party_id or 0, call.campaign_id or 0, period),
            period=period,
            period_start=period_start(period, call.started_at, zone),
        )
        for period in counted
        if period_start(period, call.started_at, zone) == period_start(period, now, zone)
    ]
