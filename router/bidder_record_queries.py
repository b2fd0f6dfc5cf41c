"""Bidders' records in PostgreSQL: what became of their wins, and how long their calls lasted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, DateTime, Row, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from router.domain.bidder_record import (
    SHORTEST_RING_MS,
    WINDOW,
    WINS_COUNTED,
    Allowed,
    Record,
    Together,
    Wins,
    with_missed,
)
from router.domain.worth import CALLS_COUNTED, THRESHOLDS_SECONDS
from store.routing_tables import bidder_records
from store.tables import ping_endpoints

_LOCK = 7_301_019
"""One sweep at a time, on whatever node: two would rest a bidder twice as long."""

_RECORDS = (
    select(
        ping_endpoints.c.target_id,
        ping_endpoints.c.most_refused_percent,
        ping_endpoints.c.least_paid_percent,
        *(column for column in bidder_records.c if column.name != "target_id"),
    )
    .outerjoin(bidder_records, bidder_records.c.target_id == ping_endpoints.c.target_id)
    .order_by(ping_endpoints.c.target_id)
)


async def is_alone(connection: AsyncConnection) -> bool:
    """Return whether nobody else is counting; until the transaction ends."""
    return bool(await connection.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))))


async def read_records(connection: AsyncConnection) -> dict[int, tuple[Record, Allowed]]:
    """Return the record of every target with an endpoint, and what its endpoint allows."""
    return {row.target_id: (_record(row), _allowed(row)) for row in await connection.execute(_RECORDS)}


def _record(row: Row[Any]) -> Record:
    if row.lasted is None:  # nothing was counted yet
        return Record()
    return Record(
        lasted=tuple(row.lasted),
        wins=Wins(
            won=row.won,
            refused=row.refused,
            unpaid=row.unpaid,
            worth_micros=row.worth_micros,
            paid_micros=row.paid_micros,
        ),
        since=row.since,
        rested_until=row.rested_until,
        rest=timedelta(seconds=row.rest_seconds),
        why=row.why,
        hides_caller=row.hides_caller,
    )


def _allowed(row: Row[Any]) -> Allowed:
    return Allowed(most_refused_percent=row.most_refused_percent, least_paid_percent=row.least_paid_percent)


# Of the newest posts of target `a`, after `after`: what became of each win. A win is a post, or its like where the
# dialect has none. It counts once the call is settled, and not when the call was a duplicate, which nobody pays for, or
# when the caller hung up before the telephone had rung long enough. Whoever was handed a call is billed for it, or did
# not take it: it was not answered, or given back. `missed`: another who rang at the same time took it. `ringing`: at
# how many it rang.
_NEWEST_WINS = f"""
    SELECT p.sent_at, p.bid_micros, p.worth_micros, c.converted, c.conversion, r.ringing, leg.connected_ms,
        p.outcome = 'accepted' AS handed,
        p.outcome = 'accepted' AND c.target_id IS NOT DISTINCT FROM p.target_id AS taken,
        p.outcome = 'accepted' AND c.target_id <> p.target_id AND r.took AS missed
    FROM (
        SELECT * FROM pings WHERE target_id = a.target_id AND kind = 'post' AND sent_at > {{after}}
        ORDER BY sent_at DESC LIMIT :at_most
    ) p LEFT JOIN calls c ON c.id = p.call_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS ringing, coalesce(bool_or(o.target_id = c.target_id), false) AS took
        -- OFFSET: the call's few pings are read first, or the index of all posts might be.
        FROM (SELECT * FROM pings WHERE call_id = p.call_id OFFSET 0) o
        WHERE o.kind = 'post' AND o.attempt = p.attempt AND o.outcome = 'accepted'
    ) r
    LEFT JOIN LATERAL (
        SELECT l.ended_ms, CASE WHEN l.answered_ms IS NOT NULL THEN l.connected_ms END AS connected_ms FROM legs l
        WHERE l.call_id = p.call_id AND l.target_id = p.target_id ORDER BY l.attempt DESC LIMIT 1
    ) leg ON true
    WHERE p.outcome <> 'accepted' OR (
        c.state = 'settled'
        AND NOT (c.target_id IS NOT DISTINCT FROM p.target_id
            AND coalesce(c.conversion ->> 'verdict', '') = 'duplicate')
        AND NOT (coalesce(c.outcome, '') = 'abandoned'
            AND coalesce(leg.ended_ms, 0) - extract(epoch FROM p.sent_at) * 1000 < {SHORTEST_RING_MS}))
"""  # noqa: S608 (a constant)
_WINS = text(
    f"""
    SELECT a.target_id, w.*
    FROM unnest(:targets, :since) AS a (target_id, since)
    CROSS JOIN LATERAL (
        SELECT m.recent, count(*) FILTER (WHERE NOT missed) AS won,
            count(*) FILTER (WHERE NOT taken AND NOT missed) AS refused,
            count(*) FILTER (WHERE taken AND paid IS NULL) AS unpaid,
            coalesce(sum(worth) FILTER (WHERE NOT missed), 0)::bigint AS worth_micros,
            coalesce(sum(paid), 0)::bigint AS paid_micros,
            count(*) FILTER (WHERE taken AND ringing > 1) AS together_taken,
            count(*) FILTER (WHERE missed) AS together_missed,
            coalesce(sum(1.0 / ringing) FILTER (WHERE (taken AND ringing > 1) OR missed), 0)::float AS fair_share
        FROM (
            SELECT sent_at, taken, coalesce(missed, false) AS missed, ringing,
                coalesce(worth_micros, bid_micros, 0) AS worth,
                CASE WHEN taken AND converted THEN (conversion ->> 'price_micros')::bigint END AS paid
            FROM ({_NEWEST_WINS.format(after="least(a.since, :window)")}) AS newest
        ) AS counted JOIN (VALUES (false, a.since), (true, :window)) AS m (recent, moment) ON sent_at > m.moment
        GROUP BY m.recent
    ) w
    """  # noqa: S608 (constants)
).bindparams(
    bindparam("targets", type_=ARRAY(BigInteger)),
    bindparam("since", type_=ARRAY(DateTime(timezone=True))),
    bindparam("window", type_=DateTime(timezone=True)),
)


async def count_wins(
    connection: AsyncConnection, since: Mapping[int, datetime], now: datetime
) -> dict[int, tuple[Wins, Wins]]:
    """Return each target's wins from its own moment on, and those of the whole window."""
    values = {
        "targets": list(since),
        "since": list(since.values()),
        "window": now - WINDOW,
        "at_most": WINS_COUNTED,
    }
    found = {(row.target_id, row.recent): _wins(row) for row in await connection.execute(_WINS, values)}
    return {
        target: (found.get((target, False), Wins()), found.get((target, True), Wins())) for target in since
    }


def _wins(row: Row[Any]) -> Wins:
    wins = Wins(
        won=row.won,
        refused=row.refused,
        unpaid=row.unpaid,
        worth_micros=row.worth_micros,
        paid_micros=row.paid_micros,
    )
    together = Together(taken=row.together_taken, missed=row.together_missed, fair_share=row.fair_share)
    return with_missed(wins, together)


_REACHED = ", ".join(
    f"count(*) FILTER (WHERE connected_ms >= {seconds * 1000})::integer" for seconds in THRESHOLDS_SECONDS
)
# The calls it took, and those it was handed and did not take: of these one that it gave back has a length.
_LASTED = text(
    f"""
    SELECT a.target_id, l.lasted
    FROM unnest(:targets) AS a (target_id)
    CROSS JOIN LATERAL (
        SELECT ARRAY[count(*)::integer, {_REACHED}] AS lasted FROM (
            (SELECT connected_ms, started_at AS at FROM calls
            WHERE target_id = a.target_id AND state = 'settled' AND connected_ms IS NOT NULL
            ORDER BY started_at DESC LIMIT :at_most)
            UNION ALL
            SELECT connected_ms, sent_at FROM ({_NEWEST_WINS.format(after="'-infinity'")}) AS newest
            WHERE handed AND NOT taken AND NOT coalesce(missed, false)
            ORDER BY at DESC LIMIT :at_most
        ) AS newest
    ) l
    """  # noqa: S608 (constants)
).bindparams(bindparam("targets", type_=ARRAY(BigInteger)))


async def count_lasted(connection: AsyncConnection, targets: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """Return how long each target's newest calls lasted, as router.domain.worth counts them."""
    found = await connection.execute(_LASTED, {"targets": list(targets), "at_most": CALLS_COUNTED})
    return {row.target_id: tuple(row.lasted) for row in found}


async def write_records(connection: AsyncConnection, records: Mapping[int, Record]) -> None:
    """Store records, in the order of their targets."""
    if not records:
        return
    statement = insert(bidder_records)
    columns = [column.name for column in bidder_records.c if column.name != "target_id"]
    statement = statement.on_conflict_do_update(
        index_elements=["target_id"], set_={name: statement.excluded[name] for name in columns}
    )
    await connection.execute(
        statement, [{"target_id": target, **_values(records[target])} for target in sorted(records)]
    )


def _values(record: Record) -> dict[str, Any]:
    wins = record.wins
    return {
        "lasted": list(record.lasted),
        "since": record.since,
        "won": wins.won,
        "refused": wins.refused,
        "unpaid": wins.unpaid,
        "worth_micros": wins.worth_micros,
        "paid_micros": wins.paid_micros,
        "rested_until": record.rested_until,
        "rest_seconds": int(record.rest.total_seconds()),
        "why": record.why,
        "hides_caller": record.hides_caller,
    }
