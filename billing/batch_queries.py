"""The SQL of settlement: everything of a batch of calls read in a few statements, and written in a few.

Whoever locks several rows of one kind locks them in the order of their keys, so that two batches never wait for each
other; should they all the same, PostgreSQL stops one, and its calls are settled one by one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Text, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.call_facts import LockedCall, instant
from billing.call_record import CallRecord
from billing.queries import CHANNEL
from router.reservations import RELEASE_CALLS, RELEASE_CALLS_VALUES
from store.sealed_columns import CALLER, BlindIndex

_IDS = bindparam("ids", type_=ARRAY(Uuid))

# LATERAL, not EXISTS: that may be answered by reading the other table whole, once for all.
_LOCK = text(
    """
    SELECT c.id, c.state = 'settled' AS settled, c.tracking_number_id, c.campaign_id, c.publisher_id,
        coalesce(p.duplicate_window_seconds, 0) AS duplicate_window_seconds, c.tags,
        c.caller_index,
        coalesce((SELECT d.target_id IS NULL FROM decisions d WHERE d.call_id = c.id
            ORDER BY d.sequence DESC LIMIT 1), false) AS found_nobody,
        coalesce(l.is_there, false) AS counted, coalesce(h.is_there, false) AS held
    FROM calls c LEFT JOIN campaigns p ON p.id = c.campaign_id
    LEFT JOIN LATERAL (SELECT true AS is_there FROM leases
        WHERE call_id = c.id
            AND kind IN ('connections', 'conversions', 'revenue', 'abroad_seconds', 'abroad_micros') LIMIT 1) l ON true
    LEFT JOIN LATERAL (SELECT true AS is_there FROM wallet_holds
        WHERE call_id = c.id AND released_at IS NULL LIMIT 1) h ON true
    WHERE c.id = ANY (:ids) ORDER BY c.id FOR UPDATE OF c
    """
).bindparams(_IDS)


async def lock_calls(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, LockedCall]:
    """Lock these calls and return what settlement needs of each; those that are not there are left out."""
    rows = (await connection.execute(_LOCK, {"ids": list(ids)})).mappings()
    return {row["id"]: LockedCall(**{**row, "tags": row["tags"] or {}}) for row in rows}


_NUMBERS = text(
    """
    SELECT n.e164, n.id AS tracking_number_id, n.campaign_id, n.publisher_id, c.duplicate_window_seconds
    FROM tracking_numbers n JOIN campaigns c ON c.id = n.campaign_id WHERE n.e164 = ANY (:numbers)
    """
).bindparams(bindparam("numbers", type_=ARRAY(Text)))


async def numbers_called(connection: AsyncConnection, numbers: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return what a call's row says of each tracking number: for calls that ended before our code saw them."""
    rows = (await connection.execute(_NUMBERS, {"numbers": list(numbers)})).mappings()
    return {row["e164"]: {name: value for name, value in row.items() if name != "e164"} for row in rows}


_LOCK_CALLERS = text(
    """
    SELECT pg_advisory_xact_lock(key) FROM (
        SELECT DISTINCT hashtextextended(name, 0) AS key FROM unnest(:names) AS names(name) ORDER BY 1) AS keys
    """
).bindparams(bindparam("names", type_=ARRAY(Text)))


async def lock_callers(connection: AsyncConnection, callers: Collection[tuple[int, str]]) -> None:
    """Until this transaction ends, no other settles calls of these callers to these campaigns."""
    names = [f"dup:{campaign_id}:{caller}" for campaign_id, caller in callers]
    await connection.execute(_LOCK_CALLERS, {"names": names})


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What prices and duplicates of one leg of a call go by; of a call that nobody answered, without a target."""

    call: LockedCall
    record: CallRecord
    target_id: int | None


# Of each leg: who bought it, the newest terms, rates and fees that were live when the call started, what was
# promised and offered, and a converted call of the same caller near it.
_PRICES = text(
    """
    SELECT a.place, t.buyer_id,
        b.id AS b_id, b.goes_live_at AS b_live, b.minimum_connected_ms, b.price_micros, b.document AS b_document,
        p.id AS p_id, p.goes_live_at AS p_live, p.payout_micros, p.document AS p_document,
        k.carrier_name, i.cost_per_minute_micros, i.cost_increment_seconds, i.cost_minimum_seconds,
        o.carrier_name AS o_name, x.outbound_cost_per_minute_micros AS o_cost,
        x.outbound_increment_seconds AS o_increment, x.outbound_minimum_seconds AS o_minimum,
        coalesce(u.prepaid, false) AS prepaid,
        coalesce(g.platform_fee_micros, 0) AS fee_micros, coalesce(g.platform_fee_ppm, 0) AS fee_ppm,
        r.payout_micros AS promised_micros, r.minimum_connected_ms AS promised_minimum_ms,
        r.share_ppm AS promised_share_ppm, r.margin_micros AS promised_margin_micros,
        CASE WHEN c.sells_at_loss THEN c.daily_loss_micros ELSE 0 END AS daily_loss_micros,
        f.offer, coalesce(f.promised IS NOT NULL, false) AS routed_on_promise,
        e.id AS earlier_id, e.started_at AS earlier_at
    FROM unnest(:ids, :target_ids, :campaign_ids, :publisher_ids, :trunks, :callers, :moments, :windows)
        WITH ORDINALITY
        AS a(call_id, target_id, campaign_id, publisher_id, trunk_name, caller_index, at, window_seconds, place)
    LEFT JOIN targets t ON t.id = a.target_id
    LEFT JOIN buyers u ON u.id = t.buyer_id
    LEFT JOIN campaigns c ON c.id = a.campaign_id
    LEFT JOIN trunks o ON o.id = t.outbound_trunk_id
    LEFT JOIN LATERAL (
        SELECT * FROM trunk_rates WHERE trunk_id = o.id AND goes_live_at <= a.at ORDER BY goes_live_at DESC LIMIT 1
    ) x ON true
    LEFT JOIN LATERAL (
        SELECT * FROM platform_fees WHERE campaign_id = a.campaign_id AND goes_live_at <= a.at
        ORDER BY goes_live_at DESC LIMIT 1
    ) g ON true
    LEFT JOIN LATERAL (
        SELECT * FROM buyer_terms WHERE buyer_id = t.buyer_id AND campaign_id = a.campaign_id
            AND goes_live_at <= a.at ORDER BY goes_live_at DESC LIMIT 1
    ) b ON true
    LEFT JOIN LATERAL (
        SELECT * FROM publisher_terms WHERE publisher_id = a.publisher_id AND campaign_id = a.campaign_id
            AND goes_live_at <= a.at ORDER BY goes_live_at DESC LIMIT 1
    ) p ON true
    LEFT JOIN trunks k ON k.name = a.trunk_name
    LEFT JOIN LATERAL (
        SELECT * FROM trunk_rates WHERE trunk_id = k.id AND goes_live_at <= a.at ORDER BY goes_live_at DESC LIMIT 1
    ) i ON true
    LEFT JOIN rtb_reservations r ON r.call_id = a.call_id AND r.state = 'used'
    LEFT JOIN LATERAL (
        SELECT one AS offer, CASE WHEN r.id IS NOT NULL
            THEN d.decision #>> '{inputs,promised_payout_micros}' END AS promised
        FROM decisions d, jsonb_array_elements(
            jsonb_build_array(d.decision -> 'chosen') || coalesce(d.decision -> 'together', '[]')) AS one
        WHERE d.call_id = a.call_id AND jsonb_typeof(one) = 'object'
            AND (one ->> 'target_id')::bigint = a.target_id
        ORDER BY d.sequence DESC LIMIT 1
    ) f ON true
    LEFT JOIN LATERAL (
        SELECT n.id, n.started_at FROM calls n
        WHERE n.campaign_id = a.campaign_id AND n.caller_index = a.caller_index
            AND n.converted AND n.started_at > a.at - a.window_seconds * interval '1 second'
            AND n.started_at < a.at + a.window_seconds * interval '1 second'
        ORDER BY n.started_at, n.id LIMIT 1
    ) e ON true
    """
).bindparams(
    _IDS,
    *(
        bindparam(name, type_=ARRAY(BigInteger))
        for name in ("target_ids", "campaign_ids", "publisher_ids", "windows")
    ),
    bindparam("trunks", type_=ARRAY(Text)),
    bindparam("callers", type_=ARRAY(BlindIndex(CALLER))),
    bindparam("moments", type_=ARRAY(DateTime(timezone=True))),
)


async def prices_of_legs(connection: AsyncConnection, asked: Sequence[Asked]) -> list[Any]:
    """Return a row for each leg, in their order: its prices, promise, offer and a converted call of the caller."""
    values = {
        "ids": [one.call.id for one in asked],
        "target_ids": [one.target_id for one in asked],
        "campaign_ids": [one.call.campaign_id for one in asked],
        "publisher_ids": [one.call.publisher_id for one in asked],
        "trunks": [one.record.trunk_name for one in asked],
        "callers": [one.record.caller for one in asked],
        "moments": [instant(one.record.started_ms) for one in asked],
        "windows": [one.call.duplicate_window_seconds for one in asked],
    }
    rows = {row.place: row for row in await connection.execute(_PRICES, values)}
    return [rows[place] for place in range(1, len(asked) + 1)]


_ANSWERS = text(
    "SELECT call_id, tag, value FROM answers WHERE call_id = ANY (:ids) AND value IS NOT NULL"
    " ORDER BY call_id, sequence"
).bindparams(_IDS)


async def answers_of_calls(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, dict[str, str]]:
    """Return the newest answer to each question that was answered, by call."""
    found: dict[UUID, dict[str, str]] = {}
    for row in await connection.execute(_ANSWERS, {"ids": list(ids)}):
        found.setdefault(row.call_id, {})[row.tag] = row.value
    return found


# Accounts of buyers come in one order at commit, where their wallets are locked.
_WRITE = text(
    f"""
    WITH said AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(:calls) AS s(id uuid, caller_sealed bytea, caller_index bytea,
            caller_area text, started_at timestamptz, ended_at timestamptz, tracking_number_id bigint,
            campaign_id bigint, publisher_id bigint, outcome text, buyer_id bigint, target_id bigint,
            connected_ms bigint, converted boolean, conversion jsonb, evidence jsonb, detail jsonb)
    ), made AS (
        INSERT INTO ledger_transactions (call_id, kind, detail) SELECT id, 'settlement', detail FROM said
        RETURNING id, call_id
    ), posted AS (
        INSERT INTO ledger_postings (transaction_id, account, amount_micros)
        SELECT made.id, p.account, p.amount
        FROM jsonb_to_recordset(:postings) AS p(call_id uuid, account text, amount bigint)
        JOIN made ON made.call_id = p.call_id ORDER BY p.account, made.id
    ), walked AS (
        INSERT INTO legs (call_id, attempt, target_id, answered_ms, ended_ms, connected_ms, cause)
        SELECT l.call_id, l.attempt, t.id, l.answered_ms, l.ended_ms, l.connected_ms, l.cause
        FROM jsonb_to_recordset(:legs) AS l(call_id uuid, attempt integer, target_id bigint, answered_ms bigint,
            ended_ms bigint, connected_ms bigint, cause integer)
        LEFT JOIN targets t ON t.id = l.target_id
        ON CONFLICT (call_id, attempt) DO UPDATE SET target_id = excluded.target_id,
            answered_ms = excluded.answered_ms, ended_ms = excluded.ended_ms,
            connected_ms = excluded.connected_ms, cause = excluded.cause
        WHERE (legs.target_id, legs.answered_ms, legs.ended_ms, legs.connected_ms, legs.cause) IS DISTINCT FROM
            (excluded.target_id, excluded.answered_ms, excluded.ended_ms, excluded.connected_ms, excluded.cause)
    ), settled AS (
        UPDATE calls c SET state = 'settled', settled_at = now(), settle_after = NULL,
            caller_sealed = CASE WHEN c.caller_index IS NOT DISTINCT FROM s.caller_index THEN c.caller_sealed
                ELSE s.caller_sealed END,
            caller_index = s.caller_index, caller_area = s.caller_area,
            started_at = s.started_at, ended_at = s.ended_at, tracking_number_id = s.tracking_number_id,
            campaign_id = s.campaign_id, publisher_id = s.publisher_id, outcome = s.outcome, buyer_id = s.buyer_id,
            target_id = s.target_id, connected_ms = s.connected_ms, converted = s.converted,
            conversion = s.conversion, evidence = s.evidence
        FROM said s WHERE c.id = s.id RETURNING pg_notify('{CHANNEL}', c.id::text)
    ), {RELEASE_CALLS}
    SELECT made.id, made.call_id, (SELECT count(*) FROM settled) AS settled FROM made
    """  # noqa: S608 (a constant)
).bindparams(*(bindparam(name, type_=JSONB) for name in ("calls", "postings", "legs")), *RELEASE_CALLS_VALUES)


async def write_batch(
    connection: AsyncConnection,
    *,
    calls: Sequence[dict[str, Any]],
    postings: Sequence[dict[str, Any]],
    legs: Sequence[dict[str, Any]],
    rung: Sequence[tuple[int, bool]],
) -> dict[UUID, int]:
    """Write settlements and give back what the calls hold of caps; `rung` are connected targets, and if it paid.

    Returns the ledger transaction of each call. Refused whole when one is settled already.
    """
    values = {
        "calls": list(calls),
        "postings": list(postings),
        "legs": list(legs),
        "leased": [UUID(call["id"]) for call in calls],
        "targets": [target_id for target_id, _ in rung],
        "target_converted": [int(converted) for _, converted in rung],
    }
    return {row.call_id: int(row.id) for row in await connection.execute(_WRITE, values)}
