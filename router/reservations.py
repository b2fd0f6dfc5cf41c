"""Leases on caps: room taken in PostgreSQL before a target is rung, given back when the attempt or the call is over.

A cap is one row of cap_counters. `used` is moved only by conditional statements, in here and in the functions
take_leases and take_leases_together (migrations 0006, 0009 and 0017), never by counting rows first (FACTS 5: that
admits three times the cap). Each is safe to repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
from sqlalchemy import BigInteger, DateTime, Double, Integer, Text, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from router.domain.caps import Claim, Moment, caps_of, claims_of
from router.domain.market import Target
from router.live_attempts import is_live
from rules.dialling import LONGEST_TALK_SECONDS

_TAKE = """
    SELECT take_leases($1, $2, $3, $4, $5, $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[],
                       $11, $12, $13, $14)
"""

_TAKE_TOGETHER = """
    SELECT take_leases_together($1::uuid[], $2::integer[], $3::bigint[], $4::bigint[], $5::timestamptz[],
                                $6::integer[], $7::text[], $8::text[], $9::bigint[], $10::bigint[], $11::bigint[])
"""

_MAKE_COUNTERS = """
    INSERT INTO cap_counters (key, used, period_start)
    SELECT DISTINCT key COLLATE "C", 0, 0 FROM unnest($1::text[]) AS c (key) ORDER BY 1
    ON CONFLICT DO NOTHING
"""

# Counters are locked in the order of their keys, as take_leases meets them, so that two calls never wait for each
# other. What was counted when the target was rung stays counted; a period that is over has nothing to give back.
_RELEASE = """
    WITH gone AS (
        UPDATE leases SET released_at = now() WHERE id IN ({which}) AND released_at IS NULL
        RETURNING counter_key, kind, amount, period_start
    ), owed AS (
        SELECT counter_key, period_start, sum(amount)::bigint AS amount FROM gone
        WHERE kind NOT IN ('attempts', 'spacing') GROUP BY counter_key, period_start
    ), locked AS (
        SELECT key FROM cap_counters WHERE key IN (SELECT counter_key FROM owed) ORDER BY key COLLATE "C" FOR UPDATE
    ), given AS (
        UPDATE cap_counters c SET used = greatest(c.used - owed.amount, 0)
        FROM owed JOIN locked ON locked.key = owed.counter_key
        WHERE c.key = owed.counter_key AND c.period_start = owed.period_start
    )
    SELECT count(*) FROM gone
"""

_RELEASE_CALL = text(
    _RELEASE.format(
        which="""
        SELECT id FROM leases WHERE call_id = :call_id AND released_at IS NULL
        AND attempt BETWEEN :first AND :last AND NOT (counter_key = ANY (:but)) ORDER BY id FOR UPDATE
    """
    )
).bindparams(bindparam("but", type_=ARRAY(Text)))

_THAT_HOLD = text(
    """
    SELECT DISTINCT s.call_id, s.attempt FROM unnest(:ids, :attempts) AS s(call_id, attempt)
    WHERE EXISTS (SELECT FROM leases l
            WHERE l.call_id = s.call_id AND l.attempt = s.attempt AND l.released_at IS NULL)
        OR EXISTS (SELECT FROM wallet_holds h
            WHERE h.call_id = s.call_id AND h.attempt = s.attempt AND h.released_at IS NULL)
    ORDER BY 1, 2
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)), bindparam("attempts", type_=ARRAY(Integer)))

_DEAD = """
    SELECT l.id FROM leases l WHERE l.released_at IS NULL AND l.expires_at <= :now AND NOT {live}
    ORDER BY l.id LIMIT 1000 FOR UPDATE OF l SKIP LOCKED
"""
_EXPIRE = text(_RELEASE.format(which=_DEAD.format(live=is_live("l")))).bindparams(
    bindparam("now", type_=DateTime(timezone=True))
)

_CONFIRM = text("""
    UPDATE leases SET expires_at = greatest(expires_at, :expires_at)
    WHERE call_id = :call_id AND attempt = :attempt AND released_at IS NULL
""")

# Of leases that several attempts hold of one counter, each is settled by its own leg. What each counter is owed is
# added up, so that no row is moved twice.
_COUNT_OUTCOMES = text("""
    WITH said AS (
        SELECT * FROM unnest(:ids, :attempts, :connections, :conversions, :revenues, :longest_talks)
            AS s(call_id, attempt, connections, conversions, revenue, longest_talks)
    ), settled AS (
        SELECT l.id, l.counter_key, l.period_start, CASE WHEN l.released_at IS NULL THEN l.amount ELSE 0 END AS held,
            CASE WHEN l.kind = 'connections' THEN s.connections WHEN l.kind = 'conversions' THEN s.conversions
                WHEN l.kind = 'revenue' THEN s.revenue ELSE ceil(l.amount * s.longest_talks)::bigint END AS happened
        FROM leases l JOIN said s ON s.call_id = l.call_id AND s.attempt = l.attempt
        WHERE l.kind IN ('connections', 'conversions', 'revenue', 'abroad_seconds', 'abroad_micros')
        ORDER BY l.id FOR UPDATE OF l
    ), owed AS (
        SELECT counter_key, period_start, sum(happened - held)::bigint AS amount FROM settled
        GROUP BY counter_key, period_start
    ), locked AS (
        SELECT key FROM cap_counters WHERE key IN (SELECT counter_key FROM owed) ORDER BY key COLLATE "C" FOR UPDATE
    ), counted AS (
        UPDATE cap_counters c SET used = greatest(c.used + owed.amount, 0)
        FROM owed JOIN locked ON locked.key = owed.counter_key
        WHERE c.key = owed.counter_key AND c.period_start = owed.period_start
    )
    UPDATE leases l SET released_at = coalesce(l.released_at, now()) FROM settled s WHERE l.id = s.id
""").bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    *(
        bindparam(name, type_=ARRAY(BigInteger))
        for name in ("attempts", "connections", "conversions", "revenues")
    ),
    bindparam("longest_talks", type_=ARRAY(Double)),
)

# Parts of the statement that writes many settlements at once (billing.batch_queries): what everybody moves is locked
# last, for no longer than the commit takes. `:leased` are calls, `:targets` and `:target_converted` connected legs.
RELEASE_CALLS = """
    gone AS (
        UPDATE leases SET released_at = now() WHERE id IN (
            SELECT id FROM leases WHERE call_id = ANY (:leased) AND released_at IS NULL ORDER BY id FOR UPDATE
        ) AND released_at IS NULL
        RETURNING counter_key, kind, amount, period_start
    ), owed AS (
        SELECT counter_key, period_start, sum(amount)::bigint AS amount FROM gone
        WHERE kind NOT IN ('attempts', 'spacing') GROUP BY counter_key, period_start
    ), locked AS (
        SELECT key FROM cap_counters WHERE key IN (SELECT counter_key FROM owed) ORDER BY key COLLATE "C" FOR UPDATE
    ), given AS (
        UPDATE cap_counters c SET used = greatest(c.used - owed.amount, 0)
        FROM owed JOIN locked ON locked.key = owed.counter_key
        WHERE c.key = owed.counter_key AND c.period_start = owed.period_start
    ), histories AS (
        INSERT INTO target_history AS h (target_id, connected, converted)
        SELECT target_id, count(*), sum(converted)::bigint
        FROM unnest(:targets, :target_converted) AS s(target_id, converted) GROUP BY target_id ORDER BY target_id
        ON CONFLICT (target_id) DO UPDATE SET connected = h.connected + excluded.connected,
            converted = h.converted + excluded.converted
    )
"""
RELEASE_CALLS_VALUES = (
    bindparam("leased", type_=ARRAY(Uuid)),
    bindparam("targets", type_=ARRAY(BigInteger)),
    bindparam("target_converted", type_=ARRAY(BigInteger)),
)

_NOTHING = text("SELECT")

_ANY_ATTEMPT = (0, 2**31 - 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class TurnTaken:
    """A turn of a round-robin or weighted stage, as it was seen when the decision was made."""

    stage_id: int
    turn: int
    reached: int
    """The pass the target had before; the stage's `reached` from now on."""
    new_pass: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One target about to be rung for one call."""

    call_id: UUID | str
    attempt: int
    target_id: int
    claims: tuple[Claim, ...]
    """In the order of their keys."""
    now_ms: int
    expires_at: datetime
    turn: TurnTaken | None = None


TURN_LOST = "turn"
"""take_leases: the stage has given a turn since it was read."""


async def take_leases(connection: asyncpg.Connection, attempt: Attempt) -> str:
    """Take room in every cap of one attempt, and its turn; all or nothing, in one round trip.

    Returns "" when it is taken, TURN_LOST, or the key of the first counter without room. The caller commits at once:
    what was taken stays locked until then. Repeating it takes nothing more. Raises what the driver raises.
    """
    claims, turn = attempt.claims, attempt.turn
    return str(
        await connection.fetchval(
            _TAKE,
            attempt.call_id,
            attempt.attempt,
            attempt.target_id,
            attempt.now_ms,
            attempt.expires_at,
            [claim.key for claim in claims],
            [claim.kind for claim in claims],
            [claim.amount for claim in claims],
            [claim.at_most for claim in claims],
            [claim.period_start for claim in claims],
            *((turn.stage_id, turn.turn, turn.reached, turn.new_pass) if turn else (None, None, None, None)),
        )
    )


async def take_leases_together(connection: asyncpg.Connection, attempts: Sequence[Attempt]) -> Sequence[str]:
    """Take room for many attempts without turns, in one round trip: each all or nothing, and answered as take_leases.

    In one transaction, which is committed at once. Raises what the driver raises: then nothing is taken for anybody.
    """
    names = {(one.call_id, one.attempt) for one in attempts}
    if len(attempts) == 1 or len(names) < len(attempts) or any(one.turn is not None for one in attempts):
        return [await take_leases(connection, one) for one in attempts]
    claims = [claim for one in attempts for claim in one.claims]
    keys = [claim.key for claim in claims]
    values = (
        [one.call_id for one in attempts],
        [one.attempt for one in attempts],
        [one.target_id for one in attempts],
        [one.now_ms for one in attempts],
        [one.expires_at for one in attempts],
        [number for number, one in enumerate(attempts, 1) for _ in one.claims],
        keys,
        [claim.kind for claim in claims],
        [claim.amount for claim in claims],
        [claim.at_most for claim in claims],
        [claim.period_start for claim in claims],
    )
    taken = await connection.fetchval(_TAKE_TOGETHER, *values)
    if taken is None:  # a counter is new
        await connection.execute(_MAKE_COUNTERS, keys)
        taken = await connection.fetchval(_TAKE_TOGETHER, *values)
    if taken is None:
        raise RuntimeError("a counter was deleted while room was taken in it")
    return list(taken)


async def take_lease(
    connection: AsyncConnection, call_id: UUID, attempt: int, target: Target, expires_at: datetime
) -> bool:
    """Take room for one attempt in a target's own caps only. Returns False, having taken nothing, when one is full."""
    moment = Moment(now=datetime.now(UTC))
    wanted = Attempt(
        call_id=call_id,
        attempt=attempt,
        target_id=target.id,
        claims=claims_of(caps_of(target), target, moment, 0),
        now_ms=moment.now_ms,
        expires_at=expires_at,
    )
    return await take_leases(await driver_of(connection), wanted) == ""


async def driver_of(connection: AsyncConnection) -> asyncpg.Connection:
    """Return the driver's connection, in the transaction of `connection`: its own calls would not begin that."""
    await connection.execute(_NOTHING)
    driver: asyncpg.Connection | None = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    return driver


async def release_leases(connection: AsyncConnection, call_id: UUID, attempt: int | None = None) -> int:
    """Give back what one attempt holds, or the whole call. Returns how many leases were still held."""
    first, last = _ANY_ATTEMPT if attempt is None else (attempt, attempt)
    return await _release(connection, call_id, first, last)


async def attempts_that_hold(
    connection: AsyncConnection, attempts: Sequence[tuple[UUID, int]]
) -> Sequence[tuple[UUID, int]]:
    """Return those of these attempts of calls that still hold caps or money, in the order they are locked in."""
    values = {
        "ids": [call_id for call_id, _ in attempts],
        "attempts": [attempt for _, attempt in attempts],
    }
    return [(row.call_id, row.attempt) for row in await connection.execute(_THAT_HOLD, values)]


async def release_earlier_attempts(connection: AsyncConnection, call_id: UUID, attempt: int) -> int:
    """Give back what the attempts before `attempt` hold: they are over when the next one is made."""
    return await _release(connection, call_id, 0, attempt - 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class LegOutcome:
    """What became of one attempt of a settled call."""

    attempt: int
    target_id: int
    connected: bool
    converted: bool
    price_micros: int
    """What the buyer owes for it; 0 when it did not convert."""
    connected_ms: int = 0

    @property
    def longest_talks(self) -> float:
        """How much was talked of the longest talk that a call abroad took room for; 1 is all of it."""
        return self.connected_ms / (LONGEST_TALK_SECONDS * 1000)


async def count_outcomes(connection: AsyncConnection, legs: Sequence[tuple[UUID, LegOutcome]]) -> None:
    """Settle what attempts held of connections, conversions and revenue by what happened.

    In the settlement's transaction, once a call, before its leases are given back. What was given back meanwhile is
    counted all the same; a period that is over is not touched. Histories of targets: RELEASE_CALLS.
    """
    values = {
        "ids": [call_id for call_id, _ in legs],
        "attempts": [leg.attempt for _, leg in legs],
        "connections": [int(leg.connected) for _, leg in legs],
        "conversions": [int(leg.converted) for _, leg in legs],
        "revenues": [leg.price_micros for _, leg in legs],
        "longest_talks": [leg.longest_talks for _, leg in legs],
    }
    await connection.execute(_COUNT_OUTCOMES, values)


async def _release(
    connection: AsyncConnection, call_id: UUID, first: int, last: int, but: Sequence[str] = ()
) -> int:
    values = {"call_id": call_id, "first": first, "last": last, "but": list(but)}
    return int(await connection.scalar(_RELEASE_CALL, values) or 0)


async def confirm_lease(
    connection: AsyncConnection, call_id: UUID, attempt: int, expires_at: datetime
) -> bool:
    """Keep an attempt's leases until `expires_at`, because it was answered. Returns whether there were any."""
    values = {"call_id": call_id, "attempt": attempt, "expires_at": expires_at}
    return (await connection.execute(_CONFIRM, values)).rowcount > 0


async def expire_leases(connection: AsyncConnection, now: datetime) -> int:
    """Give back leases that ran out and belong to no live leg; at most 1,000 at a time. Returns how many.

    Call it when Asterisk's file has been read: what is live is known from the rows of calls and legs.
    """
    return int(await connection.scalar(_EXPIRE, {"now": now}) or 0)
