"""Posts corrections by hand, once by their key; one of a call never credits it above what it was charged."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import ledger_queries
from billing.adjustments import Adjustment, adjustment_postings
from billing.credit_call import Standing, fee_back_postings, standing_of, take_out_of_counts
from billing.ledger import Posting, balanced
from billing.money_queries import SettledCall, lock_settled_call
from billing.post_once import KeyTaken, Posted, post_once
from billing.terms_document import Party
from rules.money import MICROS_PER_CENT, format_dollars


@dataclass(frozen=True, kw_only=True)
class AdjustmentRefused:
    """Nothing was written."""

    reason: str


async def post_adjustment(
    connection: AsyncConnection, adjustment: Adjustment
) -> Posted | KeyTaken | AdjustmentRefused:
    """Post a correction; one of a call names the settlement it corrects. The caller commits."""
    if adjustment.amount_micros % MICROS_PER_CENT:
        return AdjustmentRefused(reason=f"{format_dollars(adjustment.amount_micros)} is not in whole cents")
    if adjustment.call_id is not None:
        return await _of_call(connection, adjustment)
    return await post_once(
        connection, kind=adjustment.kind, postings=adjustment_postings(adjustment), detail=_detail(adjustment)
    )


async def _of_call(
    connection: AsyncConnection, adjustment: Adjustment
) -> Posted | KeyTaken | AdjustmentRefused:
    assert adjustment.call_id is not None
    there = await ledger_queries.transaction_of(connection, call_id=None, kind=adjustment.kind)
    call = await lock_settled_call(connection, adjustment.call_id)
    whose = None if call is None else _whose(call, adjustment.party)
    if call is None or whose != adjustment.party_id:
        return AdjustmentRefused(reason=f"the call is not settled, or is not that {adjustment.party.value}'s")
    # On the account that the call was charged to, however the buyer pays now.
    postings = adjustment_postings(replace(adjustment, prepaid=call.prepaid))
    if there is not None:
        if there.corrects_id != call.settlement_id:
            return AdjustmentRefused(
                reason=f"{adjustment.key!r} was used for another call, or for none (transaction {there.id}):"
                " use another key"
            )
        same = {(one.account, one.amount_micros) for one in postings} <= set(there.postings)
        return (
            Posted(transaction_id=there.id, new=False)
            if same
            else KeyTaken(transaction_id=there.id, kind=adjustment.kind)
        )
    standing = await standing_of(connection, call)
    problem = _above(standing, adjustment)
    if problem is not None:
        return AdjustmentRefused(reason=problem)
    return await _post(connection, call, standing, adjustment, postings)


def _whose(call: SettledCall, party: Party) -> int | None:
    return call.buyer_id if party is Party.BUYER else call.publisher_id


def _above(standing: Standing, adjustment: Adjustment) -> str | None:
    if adjustment.party is Party.BUYER:
        return standing.why_not_credit(adjustment.amount_micros)
    return standing.why_not_claw_back(-adjustment.amount_micros)


async def _post(
    connection: AsyncConnection,
    call: SettledCall,
    standing: Standing,
    adjustment: Adjustment,
    postings: tuple[Posting, ...],
) -> Posted:
    credit = adjustment.amount_micros if adjustment.party is Party.BUYER else 0
    fee_back = await fee_back_postings(connection, call, standing, credit)
    transaction_id = await ledger_queries.post(
        connection,
        call_id=None,
        kind=adjustment.kind,
        postings=balanced((*postings, *fee_back)),
        detail=_detail(adjustment),
        corrects_id=call.settlement_id,
    )
    if credit:
        await take_out_of_counts(connection, call, standing, now=dt.datetime.now(dt.UTC))
    return Posted(transaction_id=transaction_id, new=True)


def _detail(adjustment: Adjustment) -> dict[str, Any]:
    return {
        "party": adjustment.party.value,
        "party_id": adjustment.party_id,
        "reason": adjustment.reason,
        "call_id": None if adjustment.call_id is None else str(adjustment.call_id),
    }
