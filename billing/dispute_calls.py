"""Opens and decides disputes: each step one transaction that names what it corrects."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import dispute_queries as queries
from billing import ledger_queries
from billing.credit_call import fee_back_postings, standing_of, take_out_of_counts
from billing.disputes import (
    SHARE_DAYS,
    Allowance,
    Disputed,
    DisputeState,
    Reason,
    opening_postings,
    ruling_of,
    ruling_postings,
    why_not_open,
)
from billing.money_queries import SettledCall, lock_settled_call


@dataclass(frozen=True, kw_only=True)
class DisputeOpened:
    dispute_id: int
    price_micros: int


@dataclass(frozen=True, kw_only=True)
class DisputeDecided:
    dispute_id: int
    state: DisputeState
    credit_micros: int
    claw_back_micros: int


@dataclass(frozen=True, kw_only=True)
class DisputeRefused:
    """Nothing was written."""

    reason: str


async def open_dispute(
    connection: AsyncConnection, call_id: UUID, *, reason: Reason, note: str, now: dt.datetime
) -> DisputeOpened | DisputeRefused:
    """Return a call, within the buyer's limits, once. The price stays owed until it is decided. The caller commits."""
    call = await lock_settled_call(connection, call_id)
    if call is None or call.buyer_id is None:
        return DisputeRefused(reason="there is no such call, it is not settled yet, or no buyer had it")
    window = dt.timedelta(hours=call.return_window_hours)
    why = why_not_open(
        price_micros=call.price_micros, ended_at=call.ended_at or call.started_at, window=window, now=now
    )
    before = None if why else await queries.newest_dispute(connection, call_id)
    if before is not None:
        why = _why_not_again(before)
    if why is None:
        # Locked, so that of two requests at once the second counts the first.
        why = (await allowance_of(connection, call.buyer_id, now=now, lock=True)).why_not
    if why is not None:
        return DisputeRefused(reason=why)
    return await _open(connection, call, reason=reason.value, note=note, now=now)


async def reopen_dispute(
    connection: AsyncConnection, dispute_id: int, *, note: str, now: dt.datetime
) -> DisputeOpened | DisputeRefused:
    """Look again at a call whose dispute was refused: only the house does, outside the limits. The caller commits."""
    found = await queries.lock_dispute(connection, dispute_id)
    if found is None:
        return DisputeRefused(reason=f"there is no dispute {dispute_id}")
    if found.state != DisputeState.REFUSED:
        return DisputeRefused(
            reason=f"dispute {dispute_id} is {found.state}: only a refused one is opened again"
        )
    call = await lock_settled_call(connection, found.call_id)
    assert call is not None
    newest = await queries.newest_dispute(connection, found.call_id)
    if newest.id != dispute_id:
        return DisputeRefused(reason=f"dispute {dispute_id} was opened again: see dispute {newest.id}")
    return await _open(connection, call, reason=found.reason, note=note, now=now, reopens_id=dispute_id)


async def allowance_of(
    connection: AsyncConnection, buyer_id: int, *, now: dt.datetime, lock: bool = False
) -> Allowance:
    """Return what the buyer has used of its limits; `lock`: nobody else opens a dispute of the buyer's meanwhile."""
    since = now - dt.timedelta(days=SHARE_DAYS)
    return Allowance(**await queries.read_allowance(connection, buyer_id, since, lock=lock))


def _why_not_again(before: Any) -> str:
    if before.state == DisputeState.OPEN:
        return f"the call is disputed already: dispute {before.id} is open"
    if before.state == DisputeState.REFUSED:
        return (
            f"dispute {before.id} of this call was refused, and the call stays billed; if there is something new to"
            " hear, ask us to open it again"
        )
    return f"the call was credited: dispute {before.id} was accepted"


async def _open(
    connection: AsyncConnection,
    call: SettledCall,
    *,
    reason: str,
    note: str,
    now: dt.datetime,
    reopens_id: int | None = None,
) -> DisputeOpened:
    dispute_id = await queries.insert_dispute(
        connection,
        {
            "call_id": call.call_id,
            "buyer_id": call.buyer_id,
            "reason": reason,
            "note": note,
            "price_micros": call.price_micros,
            "evidence": await queries.evidence_of(connection, call.call_id),
            "opened_at": now,
            "reopens_id": reopens_id,
        },
    )
    opening_id = await ledger_queries.post(
        connection,
        call_id=call.call_id,
        kind=f"dispute_opened:{dispute_id}",
        postings=opening_postings(_disputed(call)),
        detail={"dispute_id": dispute_id, "reason": reason, "note": note},
        corrects_id=call.settlement_id,
    )
    await queries.update_dispute(connection, dispute_id, {"opening_id": opening_id})
    return DisputeOpened(dispute_id=dispute_id, price_micros=call.price_micros)


async def decide_dispute(
    connection: AsyncConnection,
    dispute_id: int,
    *,
    credit_micros: int | None,
    answer: str,
    now: dt.datetime,
    claw_back_micros: int | None = None,
) -> DisputeDecided | DisputeRefused:
    """Credit so much of the price (None: all; 0: refuse), and claw the publisher's share back. The caller commits."""
    found = await queries.lock_dispute(connection, dispute_id)
    if found is None:
        return DisputeRefused(reason=f"there is no dispute {dispute_id}")
    if found.state != DisputeState.OPEN:
        return DisputeRefused(reason=f"dispute {dispute_id} is decided: {found.state}")
    call = await lock_settled_call(connection, found.call_id)
    assert call is not None
    standing = await standing_of(connection, call)
    about = replace(
        _disputed(call),
        credited_micros=standing.credited_micros,
        clawed_back_micros=standing.clawed_back_micros,
    )
    if credit_micros is None and not about.left_micros:
        return DisputeRefused(reason="the whole price was credited before: refuse the dispute")
    ruling = ruling_of(about, about.left_micros if credit_micros is None else credit_micros, claw_back_micros)
    if isinstance(ruling, str):
        return DisputeRefused(reason=ruling)
    fee_back = await fee_back_postings(connection, call, standing, ruling.credit_micros)
    decision_id = await ledger_queries.post(
        connection,
        call_id=found.call_id,
        kind=f"dispute_decided:{dispute_id}",
        postings=(*ruling_postings(about, ruling), *fee_back),
        detail={
            "dispute_id": dispute_id,
            "state": ruling.state.value,
            "answer": answer,
            "credit_micros": ruling.credit_micros,
            "claw_back_micros": ruling.claw_back_micros,
        },
        corrects_id=found.opening_id,
    )
    said: dict[str, Any] = {
        "state": ruling.state.value,
        "credit_micros": ruling.credit_micros,
        "claw_back_micros": ruling.claw_back_micros,
        "answer": answer,
        "decided_at": now,
        "decision_id": decision_id,
    }
    await queries.update_dispute(connection, dispute_id, said)
    if ruling.credit_micros:
        await take_out_of_counts(connection, call, standing, now=now)
    return DisputeDecided(
        dispute_id=dispute_id,
        state=ruling.state,
        credit_micros=ruling.credit_micros,
        claw_back_micros=ruling.claw_back_micros,
    )


def _disputed(call: SettledCall) -> Disputed:
    return Disputed(
        buyer_id=call.buyer_id or 0,
        publisher_id=call.publisher_id,
        prepaid=call.prepaid,
        price_micros=call.price_micros,
        payout_micros=call.payout_micros,
    )
