"""What is kept on a number, found by its keyed index; and how each thing is erased. Numbers are E.164."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, func, null, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from rules.masking import masked_number
from store.key_ring import key_ring
from store.sealed_columns import CALLER
from store.sound_keys import destroy_sound_key
from store.tables import (
    answers,
    audit_log,
    blocked_callers,
    buyer_suppressions,
    buyers,
    call_events,
    calls,
    decisions,
    disputes,
    ledger_transactions,
    no_buyer_requests,
    pings,
    recordings,
    rtb_reservations,
)
from web.person.items import Item, Kind

SHOWN_MAXIMUM = 5_000
"""Of each kind. Erasing goes on until none is left, however many there are."""
_LIVE_RESERVATIONS = ("deciding", "open", "confirmed")
_PROOF = "notice_heard"
_SETTLEMENTS = ledger_transactions.alias("settlements")
_BILLED = exists().where(_SETTLEMENTS.c.call_id == calls.c.id, _SETTLEMENTS.c.kind == "settlement")
_OPEN = calls.c.state != "settled"


def _of_calls(table: Any, number: str, *more: Any) -> Select[Any]:
    query = select(*table.columns, _OPEN.label("is_open"), _BILLED.label("is_billed"), *more)
    return query.join(calls, calls.c.id == table.c.call_id).where(calls.c.caller_index == number)


def _queries(number: str) -> Mapping[Kind, Select[Any]]:
    own = calls.c.caller_index == number
    call = select(
        *(column for column in calls.columns if column.name not in _INTERNAL),
        _OPEN.label("is_open"),
        _BILLED.label("is_billed"),
    ).where(own)
    requests = select(no_buyer_requests).where(no_buyer_requests.c.caller_index == number)
    events = _of_calls(call_events, number)
    index = key_ring().blind(CALLER, number).hex()
    return {
        Kind.CALL: call.order_by(calls.c.started_at),
        Kind.RECORDING: _of_calls(recordings, number).where(recordings.c.state.not_in(("erased", "refused"))),
        Kind.VOICE_MESSAGE: requests.where(no_buyer_requests.c.kind == "voicemail"),
        Kind.CALL_BACK: requests.where(no_buyer_requests.c.kind == "call_back"),
        Kind.WORDS: events.where(call_events.c.kind != _PROOF, call_events.c.detail != {}),
        Kind.CONSENT: events.where(call_events.c.kind == _PROOF),
        Kind.ANSWERS: _of_calls(answers, number),
        Kind.DECISION: _of_calls(decisions, number),
        Kind.MONEY: _of_calls(ledger_transactions, number),
        Kind.DISPUTE: _of_calls(disputes, number),
        Kind.RESERVATION: select(
            rtb_reservations, rtb_reservations.c.state.in_(_LIVE_RESERVATIONS).label("is_open")
        ).where(rtb_reservations.c.caller_index == number),
        Kind.SUPPRESSION: select(buyer_suppressions, buyers.c.name.label("buyer"))
        .join(buyers, buyers.c.id == buyer_suppressions.c.buyer_id)
        .where(buyer_suppressions.c.caller_index == number),
        Kind.BLOCK: select(blocked_callers).where(blocked_callers.c.caller_index == number),
        Kind.AUDIT: select(audit_log).where(audit_log.c.ref == index).order_by(audit_log.c.id),
    }


_NOTHING_SENT = {"request": "", "answer": "", "detail": ""}
_INTERNAL = frozenset({"caller_index", "settle_after", "settle_failures"})
_HIDDEN = _INTERNAL | {"is_open", "is_billed", "key_sealed"}
_TIMES = ("at", "started_at", "created_at", "answered_at", "decided_at", "posted_at", "opened_at")
_NAMED_BY = ("id", "call_id", "buyer_id")


async def find_items(connection: AsyncConnection, number: str) -> list[Item]:
    """Return what is held on a number, SHOWN_MAXIMUM of each kind at most. Raises NotSealedByUs."""
    found: list[Item] = []
    for kind, query in _queries(number).items():
        rows = await connection.execute(query.limit(SHOWN_MAXIMUM))
        found += [_item(kind, row) for row in rows.mappings()]
    return found


def _item(kind: Kind, row: Mapping[str, Any]) -> Item:
    return Item(
        kind=kind,
        ref=str(next(row[name] for name in _NAMED_BY if name in row)),
        at=next((row[name] for name in _TIMES if row.get(name) is not None), None),
        is_open=bool(row.get("is_open", False)),
        is_billed=bool(row.get("is_billed", False)),
        number=row.get("caller_sealed"),
        detail={_NAMES.get(name, name): value for name, value in row.items() if name not in _HIDDEN},
    )


_NAMES = {"caller_sealed": "caller"}


async def erase_call(connection: AsyncConnection, number: str, call_id: UUID) -> bool:
    """Erase a settled call's number, sounds and words in this transaction; False: it is not this number's any more."""
    mine = calls.c.id == call_id, calls.c.caller_index == number, ~_OPEN
    held = await connection.execute(
        select(calls.c.id, _BILLED.label("billed")).where(*mine).with_for_update()
    )
    row = held.first()
    if row is None:
        return False
    await destroy_sound_key(connection, call_id)
    await connection.execute(
        update(recordings)
        .where(recordings.c.call_id == call_id, recordings.c.state != "refused")
        .values(state="erased")
    )
    said: dict[str, Any] = {"heard": ""} if row.billed else {"heard": "", "value": None}
    await connection.execute(update(answers).where(answers.c.call_id == call_id).values(said))
    await connection.execute(update(pings).where(pings.c.call_id == call_id).values(_NOTHING_SENT))
    events = call_events.c
    words = update(call_events).where(events.call_id == call_id, events.kind != _PROOF)
    await connection.execute(words.values(detail={}))
    gone: dict[str, Any] = {"caller_sealed": null(), "caller_index": null(), "caller_area": null()}
    await connection.execute(
        update(calls).where(calls.c.id == call_id).values(gone if row.billed else {**gone, "tags": {}})
    )
    return True


async def erase_requests(connection: AsyncConnection, number: str) -> None:
    """Forget who left messages, and destroy their keys; of wishes to be called back the consent stays, masked."""
    requests = no_buyer_requests.c
    own = requests.caller_index == number, requests.kind == "voicemail"
    there = exists().where(calls.c.id == requests.call_id)
    for call_id in (await connection.execute(select(requests.call_id).where(*own, there))).scalars().all():
        await destroy_sound_key(connection, call_id)
    done = {"done_at": func.coalesce(requests.done_at, func.now())}
    gone: dict[str, Any] = {"caller_sealed": null(), "caller_index": null(), **done}
    await connection.execute(update(no_buyer_requests).where(*own).values(gone))
    kept = {"caller_sealed": masked_number(number), **done}
    await connection.execute(
        update(no_buyer_requests)
        .where(requests.caller_index == number, requests.kind == "call_back")
        .values(kept)
    )


async def erase_reservations(connection: AsyncConnection, number: str) -> None:
    """Forget whom ended reservations were for, and what bidders were asked and answered before the call came."""
    table = rtb_reservations.c
    over = table.caller_index == number, table.state.not_in(_LIVE_RESERVATIONS)
    asked = pings.c.call_id.in_(select(table.id).where(*over))
    await connection.execute(update(pings).where(asked).values(_NOTHING_SENT))
    gone: dict[str, Any] = {"caller_sealed": null(), "caller_index": null()}
    await connection.execute(update(rtb_reservations).where(*over).values(gone))


async def mask_lists(connection: AsyncConnection, number: str) -> None:
    """Leave the number's index on the lists that keep it from being sold, and nothing that says it."""
    masked = {"caller_sealed": masked_number(number)}
    for table, more in ((buyer_suppressions, {"caller_area": None}), (blocked_callers, {})):
        await connection.execute(update(table).where(table.c.caller_index == number).values(masked | more))


STEPS: tuple[Callable[[AsyncConnection, str], Any], ...] = (erase_requests, erase_reservations, mask_lists)
"""What is erased besides calls, each in a transaction of its own."""


async def next_call(connection: AsyncConnection, number: str) -> UUID | None:
    """Return a settled call of the number that is not erased yet."""
    own = select(calls.c.id).where(calls.c.caller_index == number, ~_OPEN)
    return (await connection.execute(own.order_by(calls.c.started_at).limit(1))).scalar_one_or_none()
