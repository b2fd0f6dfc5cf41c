"""What is in use while a call is decided: counters and histories for everybody, turns and the caller for each call."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from router.domain.counts import Counts, EarlierCall, Facts, Turn
from router.domain.decision import RouteRequest
from router.domain.distribution import TURN_METHODS
from router.domain.live_counts import Changes, LiveCounts
from router.domain.market import Campaign, Snapshot
from router.domain.plan import Plan, plan_of
from store.key_ring import key_ring
from store.sealed_columns import CALLER

EARLIER_CALLS_MAXIMUM = 50
NO_FACTS = Facts()

_LOCK_TURNS = "SELECT FROM stage_turns WHERE stage_id = ANY ($1::bigint[]) ORDER BY stage_id FOR UPDATE"

# One row for each call. Every part is one JSON text: decoding rows one by one would take longer than the decision.
_READ = """
    SELECT
        {turns},
        {passes},
        (SELECT json_agg(buyer_id) FROM buyer_suppressions
            WHERE caller_index = q.caller AND (expires_at IS NULL OR expires_at > q.now)),
        (SELECT json_agg(json_build_array(
                call_id, campaign_id, buyer_id, target_id, started_at, connected, converted)) FROM (
            SELECT c.id AS call_id, c.campaign_id, t.buyer_id, d.target_id, c.started_at,
                coalesce(l.connected_ms, 0) > 0 AS connected,
                coalesce(c.converted AND c.target_id = d.target_id, false) AS converted
            FROM calls c
            JOIN decisions d ON d.call_id = c.id AND d.target_id IS NOT NULL
            JOIN targets t ON t.id = d.target_id
            LEFT JOIN legs l ON l.call_id = c.id AND l.attempt = d.sequence
            WHERE c.caller_index = q.caller AND c.started_at > q.since AND c.id <> q.call_id
                AND c.campaign_id IS NOT NULL
            ORDER BY c.started_at DESC, d.sequence DESC LIMIT $7
        ) AS earlier),
        {owed}
    FROM unnest($1::text[], $2::bytea[], $3::timestamptz[], $4::timestamptz[], $5::uuid[], $6::text[])
        WITH ORDINALITY AS q (stages, caller, now, since, call_id, buyers, number)
    ORDER BY q.number
"""

_READ_CALLS = _READ.format(
    turns="""(SELECT json_agg(json_build_array(stage_id, turn, reached)) FROM stage_turns
            WHERE stage_id = ANY (q.stages::bigint[]))""",
    passes="""(SELECT json_agg(json_build_array(stage_id, target_id, pass)) FROM stage_passes
            WHERE stage_id = ANY (q.stages::bigint[]))""",
    owed="""(SELECT json_agg(json_build_array(buyer_id, owed)) FROM (
            SELECT b.buyer_id, coalesce(w.owed_micros + w.held_micros, 0) - coalesce((
                SELECT sum(h.amount_micros) FROM wallet_holds h
                WHERE h.call_id = q.call_id AND h.buyer_id = b.buyer_id AND h.released_at IS NULL), 0)
                + CASE WHEN w.disputed_micros > 0 THEN (
                    SELECT n.credit_limit_micros - credit_line(
                        n.credit_limit_micros, w.disputed_micros, n.disputes_lower_credit_percent)
                    FROM buyers n WHERE n.id = b.buyer_id) ELSE 0 END AS owed
            FROM unnest(q.buyers::bigint[]) AS b (buyer_id) LEFT JOIN wallets w ON w.buyer_id = b.buyer_id
        ) AS limited)""",
)

# Where nobody wants turns or purses: what is asked for and cannot be there costs PostgreSQL a third of the question.
_READ_CALLERS = _READ.format(turns="NULL", passes="NULL", owed="NULL")
_NOBODY = "{}"


# Rows written by transactions from $1 on: the oldest that was still at work when we last read. Age is counted back from
# the next transaction, so that the numbers may wrap around. The limit is a SELECT of its own: worked out once, not for
# every row.
_READ_CHANGES = """
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
        (SELECT json_agg(json_build_array(key, used, period_start)) FROM cap_counters
            WHERE $1::text IS NULL OR age(xmin) <= (SELECT age($1::text::xid))),
        (SELECT json_agg(json_build_array(target_id, last_offered_ms, connected, converted)) FROM target_history
            WHERE $1::text IS NULL OR age(xmin) <= (SELECT age($1::text::xid)))
"""
_TRANSACTION_NUMBERS = 2**32


async def read_changes(connection: asyncpg.Connection, since: int | None) -> tuple[int, Changes]:
    """Return the counters and histories that changed, and what to give for `since` next time.

    `since` is what the last reading returned, None for everything. Some that did not change may be among them.
    """
    oldest = None if since is None else str(since % _TRANSACTION_NUMBERS)
    row = await connection.fetchrow(_READ_CHANGES, oldest)
    assert row is not None
    next_since, counters, histories = row
    return next_since, Changes(counters=_json(counters), histories=_json(histories))


@dataclass(frozen=True, kw_only=True, slots=True)
class CallQuestion:
    """What one call asks about itself."""

    stages: str
    """Whose turns it wants, as an array literal of PostgreSQL."""
    caller: bytes | None
    """The index of the caller's number."""
    now: datetime
    since: datetime
    """The caller's earlier calls count from here."""
    call_id: str
    buyers: str
    """Whose purses it wants, as an array literal of PostgreSQL."""


CallAnswer = Sequence[Any]
"""Turns, passes, suppressed buyers, earlier calls, and what buyers owe: each a JSON text or None."""


async def ask_about_calls(
    connection: asyncpg.Connection, questions: Sequence[CallQuestion]
) -> Sequence[CallAnswer]:
    """Answer many calls in one round trip, in their order. Raises what the driver raises."""
    callers_only = all(one.stages == one.buyers == _NOBODY for one in questions)
    answers: Sequence[Any] = await connection.fetch(
        _READ_CALLERS if callers_only else _READ_CALLS,
        [one.stages for one in questions],
        [one.caller for one in questions],
        [one.now for one in questions],
        [one.since for one in questions],
        [one.call_id for one in questions],
        [one.buyers for one in questions],
        EARLIER_CALLS_MAXIMUM,
    )
    return answers


async def read_counts(
    ask: Callable[[CallQuestion], Awaitable[CallAnswer]],
    live: LiveCounts,
    snapshot: Snapshot,
    request: RouteRequest,
) -> Counts:
    """Return what is in use of everything a decision on `request` looks at. Raises what `ask` raises."""
    campaign = snapshot.campaigns.get(request.campaign_id)
    if campaign is None:
        return Counts()
    plan = plan_of(snapshot, campaign)
    limits: Mapping[int, int] = plan.remember("limits", lambda: _credit_limits(snapshot, plan))
    answer = await ask(
        CallQuestion(
            stages=plan.remember("turn_stages", lambda: _array(_turn_stages(campaign))),
            caller=None if request.caller is None else key_ring().blind(CALLER, request.caller),
            now=request.now,
            since=request.now - timedelta(seconds=window_seconds(campaign)),
            call_id=request.call_id,
            buyers=plan.remember("limited", lambda: _array(limits)),
        )
    )
    turns, passes, suppressed, earlier, owed = (_json(part) for part in answer)
    facts = NO_FACTS
    if suppressed or earlier or owed:
        facts = Facts(
            suppressed_buyers=frozenset(suppressed),
            earlier_calls=tuple(_read_earlier(one) for one in earlier),
            wallet_micros={buyer_id: limits[buyer_id] - int(amount) for buyer_id, amount in owed},
        )
    return live.counts(
        snapshot, campaign, request.publisher_id, request.now, _read_turns(turns, passes), facts
    )


def _json(part: str | None) -> Any:
    return () if part is None else json.loads(part)


def _array(numbers: Iterable[int]) -> str:
    return f"{{{','.join(map(str, numbers))}}}"


def _credit_limits(snapshot: Snapshot, plan: Plan) -> dict[int, int]:
    """Return the credit limits of the buyers that have one."""
    found = ((buyer_id, snapshot.buyers[buyer_id].credit_limit_micros) for buyer_id in plan.by_buyer)
    return {buyer_id: limit for buyer_id, limit in found if limit is not None}


def _turn_stages(campaign: Campaign) -> tuple[int, ...]:
    return tuple(stage.id for stage in campaign.stages if stage.method in TURN_METHODS)


def _read_turns(turns: Sequence[Any], passes: Sequence[Any]) -> dict[int, Turn]:
    of_stage: dict[int, dict[int, int]] = {}
    for stage_id, target_id, number in passes:
        of_stage.setdefault(stage_id, {})[target_id] = number
    return {
        stage_id: Turn(turn=turn, reached=reached, passes=of_stage.get(stage_id, {}))
        for stage_id, turn, reached in turns
    }


@asynccontextmanager
async def lock_turn(connection: asyncpg.Connection, stage_ids: Sequence[int]) -> AsyncIterator[None]:
    """Hold the turns of stages, in the order of their ids, in one short transaction: commits at the end."""
    async with connection.transaction():
        await connection.execute(_LOCK_TURNS, sorted(stage_ids))
        yield


def window_seconds(campaign: Campaign) -> int:
    policy = campaign.duplicate_policy
    return max(campaign.duplicate_window_seconds, policy.window_seconds if policy else 0)


def _read_earlier(row: Sequence[Any]) -> EarlierCall:
    call_id, campaign_id, buyer_id, target_id, started_at, connected, converted = row
    return EarlierCall(
        call_id=call_id,
        campaign_id=campaign_id,
        buyer_id=buyer_id,
        target_id=target_id,
        started_at=datetime.fromisoformat(started_at).astimezone(UTC),
        connected=connected,
        converted=converted,
    )
