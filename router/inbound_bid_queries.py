"""Reservations of publishers' pings in PostgreSQL.

A reservation lives in one of three states (deciding, open, confirmed); one at most for a publisher, campaign and
caller: the database's own unique index says so. It ends once, by one conditional UPDATE: used, expired or refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, Row, Uuid, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from router.domain.inbound_bid import InboundBid, InboundPing, PublisherKey
from router.domain.own_room import Held
from router.wallet_holds import release_reservations
from store.tables import rtb_keys, rtb_reservations, tracking_numbers

DECIDING, OPEN, CONFIRMED, USED, EXPIRED, REFUSED = (
    "deciding",
    "open",
    "confirmed",
    "used",
    "expired",
    "refused",
)
_LIVE = text("state in ('deciding', 'open', 'confirmed')")
_RESERVED = (OPEN, CONFIRMED)
PROMISED = (OPEN, CONFIRMED, USED)
SWEEP_AT_ONCE = 500

_TABLE = rtb_reservations.c


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """What was found for a ping: who takes the call, and for how much on either side."""

    target_id: int
    number_id: int
    payout_micros: int
    minimum_connected_ms: int
    share_ppm: int | None
    """Of a price that turns out smaller, this share is paid; None: whatever leaves the margin."""
    margin_micros: int
    bid_micros: int | None
    """What the target bid in an auction; None: there was none, and its terms hold."""
    bid_minimum_connected_ms: int | None
    dial: str | None


async def begin(
    connection: AsyncConnection,
    reservation_id: UUID,
    key: PublisherKey,
    ping: InboundPing,
    *,
    number_id: int,
    now: datetime,
    until: datetime,
    open_most: int,
) -> bool:
    """Write that this ping is being decided.

    False when the caller has a live reservation already, or the publisher has `open_most` of them with all its keys.
    Of pings at once each waits for the one before: counted first and written then, more would get in.
    """
    await connection.execute(_LOCK_PUBLISHER, {"publisher_id": key.publisher_id})
    if await count_open(connection, key) >= open_most:
        return False
    statement = (
        upsert(rtb_reservations)
        .values(
            id=reservation_id,
            rtb_key_id=key.id,
            campaign_id=key.campaign_id,
            publisher_id=key.publisher_id,
            tracking_number_id=number_id,
            caller_sealed=ping.caller,
            state=DECIDING,
            detail={"tags": dict(ping.tags), "hops": list(ping.hops)},
            created_at=now,
            expires_at=until,
        )
        .on_conflict_do_nothing(
            index_elements=[_TABLE.publisher_id, _TABLE.campaign_id, _TABLE.caller_index], index_where=_LIVE
        )
    )
    return _changed(await connection.execute(statement))


_LOCK_PUBLISHER = text("SELECT pg_advisory_xact_lock(hashtextextended('publisher pings', :publisher_id))")


async def count_open(connection: AsyncConnection, key: PublisherKey) -> int:
    """Return how many reservations of this publisher no call has come on yet."""
    statement = select(func.count()).where(_TABLE.publisher_id == key.publisher_id, _LIVE)
    return int(await connection.scalar(statement) or 0)


async def live(connection: AsyncConnection, key: PublisherKey, caller: str) -> Row[Any] | None:
    """Return the caller's live reservation with this publisher and campaign, in whatever state."""
    return (
        await connection.execute(
            _FULL.where(
                _TABLE.publisher_id == key.publisher_id,
                _TABLE.campaign_id == key.campaign_id,
                _TABLE.caller_index == caller,
                _LIVE,
            )
        )
    ).one_or_none()


_FULL = select(rtb_reservations, tracking_numbers.c.e164).outerjoin(
    tracking_numbers, tracking_numbers.c.id == _TABLE.tracking_number_id
)


async def of_publisher(
    connection: AsyncConnection, key: PublisherKey, reservation_id: UUID
) -> Row[Any] | None:
    """Return a reservation of this very publisher, locked; None when there is none of that id."""
    statement = _FULL.where(_TABLE.id == reservation_id, _TABLE.publisher_id == key.publisher_id)
    return (await connection.execute(statement.with_for_update(of=rtb_reservations))).one_or_none()


def bid_of(row: Row[Any], *, repeated: bool) -> InboundBid:
    """Read a reservation that is open or confirmed."""
    return InboundBid(
        reservation_id=row.id,
        caller=row.caller_sealed,
        number=row.e164,
        payout_micros=row.payout_micros,
        minimum_connected_ms=row.minimum_connected_ms,
        expires_at=row.expires_at,
        confirmed=row.state == CONFIRMED,
        repeated=repeated,
    )


async def promise(
    connection: AsyncConnection,
    reservation_id: UUID,
    found: Promise,
    *,
    state: str,
    expires_at: datetime,
    detail: Mapping[str, Any],
) -> bool:
    """Write what was promised. False when the reservation has ended meanwhile."""
    statement = (
        update(rtb_reservations)
        .where(_TABLE.id == reservation_id, _TABLE.state == DECIDING)
        .values(
            target_id=found.target_id,
            tracking_number_id=found.number_id,
            payout_micros=found.payout_micros,
            minimum_connected_ms=found.minimum_connected_ms,
            share_ppm=found.share_ppm,
            margin_micros=found.margin_micros,
            bid_micros=found.bid_micros,
            bid_minimum_connected_ms=found.bid_minimum_connected_ms,
            dial=found.dial,
            state=state,
            held_room=state == CONFIRMED,
            expires_at=expires_at,
            detail=_TABLE.detail.op("||")(dict(detail)),
        )
    )
    return _changed(await connection.execute(statement))


async def end(
    connection: AsyncConnection, reservation_id: UUID, state: str, detail: Mapping[str, Any]
) -> bool:
    """End a live reservation in `state`. False when it has ended already."""
    statement = (
        update(rtb_reservations)
        .where(_TABLE.id == reservation_id, _LIVE)
        .values(state=state, detail=_TABLE.detail.op("||")(dict(detail)))
    )
    return _changed(await connection.execute(statement))


async def name_caller(connection: AsyncConnection, reservation_id: UUID, caller: str) -> bool:
    """Write who the caller is whom the ping hid. False when this caller has a live reservation already."""
    try:
        async with connection.begin_nested():
            statement = (
                update(rtb_reservations)
                .where(_TABLE.id == reservation_id, _LIVE)
                .values(caller_sealed=caller, caller_index=caller)
            )
            return _changed(await connection.execute(statement))
    except IntegrityError:
        return False


async def begin_confirming(connection: AsyncConnection, reservation_id: UUID) -> None:
    """Mark an open reservation, locked by this transaction, so that one confirms it at a time."""
    await connection.execute(
        update(rtb_reservations)
        .where(_TABLE.id == reservation_id, _TABLE.state == OPEN)
        .values(state=DECIDING)
    )


async def confirm(connection: AsyncConnection, reservation_id: UUID) -> bool:
    """Write that room is held. False when the reservation has ended meanwhile."""
    statement = (
        update(rtb_reservations)
        .where(_TABLE.id == reservation_id, _TABLE.state == DECIDING)
        .values(state=CONFIRMED, held_room=True)
    )
    return _changed(await connection.execute(statement))


async def use(
    connection: AsyncConnection, call_id: UUID, *, number_id: int, caller: str, now: datetime
) -> Row[Any] | None:
    """Give the reservation of this number and caller to the call that has come; None when there is none in time."""
    newest = (
        select(_TABLE.id)
        .where(
            _TABLE.tracking_number_id == number_id,
            _TABLE.caller_index == caller,
            _TABLE.state.in_(_RESERVED),
            _TABLE.expires_at > now,
        )
        .order_by(_TABLE.created_at.desc())
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    statement = (
        update(rtb_reservations)
        .where(_TABLE.id == newest, _TABLE.state.in_(_RESERVED))
        .values(state=USED, call_id=call_id)
        .returning(rtb_reservations)
    )
    row: Row[Any] | None = (await connection.execute(statement)).one_or_none()
    return row


async def publishers_with_keys(connection: AsyncConnection) -> frozenset[int]:
    """Return the ids of the publishers who have, or ever had, a key to ask for bids."""
    return frozenset((await connection.execute(select(rtb_keys.c.publisher_id).distinct())).scalars())


async def used_by(connection: AsyncConnection, call_id: UUID) -> Row[Any] | None:
    """Return the reservation this call came on, for a step that is done again."""
    statement = select(rtb_reservations).where(_TABLE.call_id == call_id, _TABLE.state == USED)
    row: Row[Any] | None = (await connection.execute(statement)).one_or_none()
    return row


async def expire(connection: AsyncConnection, now: datetime) -> list[UUID]:
    """End reservations whose time is over; return their ids: their room has to be given back in this transaction."""
    late = (
        select(_TABLE.id)
        .where(_LIVE, _TABLE.expires_at <= now)
        .order_by(_TABLE.expires_at)
        .limit(SWEEP_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    statement = update(rtb_reservations).where(_TABLE.id.in_(late)).values(state=EXPIRED).returning(_TABLE.id)
    return list((await connection.execute(statement)).scalars())


async def forget(connection: AsyncConnection, before: datetime) -> int:
    """Delete what came to nothing before `before`; a used reservation is kept with its call."""
    statement = delete(rtb_reservations).where(
        _TABLE.state.in_((EXPIRED, REFUSED)), _TABLE.expires_at < before
    )
    return (await connection.execute(statement)).rowcount


# A publisher's ping takes room under its reservation's own id; the call that comes on it takes that over as it is.
_HAND_OVER = text("""
    UPDATE leases SET call_id = :call_id, expires_at = greatest(expires_at, :expires_at)
    WHERE call_id = :reservation_id AND released_at IS NULL
""")


_ROOM = text("SELECT counter_key, kind, amount FROM leases WHERE call_id = :call_id AND released_at IS NULL")


async def read_own_room(connection: AsyncConnection, call_id: UUID) -> list[Held]:
    """Return what a call or reservation holds."""
    rows = await connection.execute(_ROOM, {"call_id": call_id})
    return [Held(key=row.counter_key, kind=row.kind, amount=row.amount) for row in rows]


# Nobody was rung: unlike reservations.release_leases this gives counted attempts back too. Counters are locked in the
# order of their keys, as everywhere. (When the last call was, a spacing, cannot be taken back.)
_GIVE_BACK = text("""
    WITH gone AS (
        UPDATE leases SET released_at = now()
        WHERE call_id = ANY (:reservation_ids) AND released_at IS NULL
        RETURNING counter_key, kind, amount, period_start
    ), owed AS (
        SELECT counter_key, period_start, sum(amount)::bigint AS amount FROM gone
        WHERE kind <> 'spacing' GROUP BY counter_key, period_start
    ), locked AS (
        SELECT key FROM cap_counters WHERE key IN (SELECT counter_key FROM owed) ORDER BY key COLLATE "C" FOR UPDATE
    ), given AS (
        UPDATE cap_counters c SET used = greatest(c.used - owed.amount, 0)
        FROM owed JOIN locked ON locked.key = owed.counter_key
        WHERE c.key = owed.counter_key AND c.period_start = owed.period_start
    )
    SELECT count(*) FROM gone
""").bindparams(bindparam("reservation_ids", type_=ARRAY(Uuid)))


async def give_back_room(connection: AsyncConnection, reservation_ids: Sequence[UUID]) -> int:
    """Give back whatever these reservations hold. Returns how many leases there were."""
    leases = int(await connection.scalar(_GIVE_BACK, {"reservation_ids": list(reservation_ids)}) or 0)
    # Last, as everywhere: who takes room locks a wallet after the counters.
    await release_reservations(connection, reservation_ids)
    return leases


async def hand_over_leases(
    connection: AsyncConnection, reservation_id: UUID, call_id: UUID, expires_at: datetime
) -> int:
    """Give the room a reservation holds to the call that came on it. Returns how many leases there were."""
    values = {"reservation_id": reservation_id, "call_id": call_id, "expires_at": expires_at}
    return (await connection.execute(_HAND_OVER, values)).rowcount


def _changed(result: CursorResult[Any]) -> bool:
    return result.rowcount > 0
