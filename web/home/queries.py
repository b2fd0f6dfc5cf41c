"""What the home page looks for. Each is bounded: a home is looked at often."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, exists, func, literal, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr_flows import queries as flow_queries
from router import licence_queries
from router.abroad_room import ceilings_reached, numbers_not_rung
from router.domain.expiring_licences import WARNING_DAYS, find_expiring
from store.hourly_counters import name_of_hour
from store.routing_tables import bidder_records
from store.tables import (
    buyers,
    calls,
    campaigns,
    counters,
    disputes,
    endpoint_health,
    flows,
    plan_entries,
    publishers,
    refused_lines,
    sealed_balances,
    targets,
    tracking_numbers,
    trunks,
    wallets,
)
from web.home.attention import Draft, FailingLine, IllTrunk, LowWallet, OwingPublisher, RestedBidder, Trouble
from web.resources.trunk_lines import Health, lines_of_trunks, worst_of

ROWS_MAXIMUM = 100
COUNTED_MAXIMUM = 1_000
RECENT = dt.timedelta(days=1)
FAILING_CALLS_LOOKED_AT = 2_000
FAILED_AT_LEAST = 3


async def read_trouble(connection: AsyncConnection, now: datetime) -> Trouble:
    today, within_days = now.date(), max(WARNING_DAYS)
    rules = await flow_queries.dialling_rules(connection)
    return Trouble(
        licences=find_expiring(
            await licence_queries.chains_about_to_end(connection, today, within_days), today, within_days
        ),
        rested=await _rested(connection, now),
        wallets=await _wallets(connection),
        owing=await _owing(connection),
        disputes=await _count(connection, select(disputes.c.id).where(disputes.c.state == "open")),
        failing=await _failing(connection, now),
        ill_trunks=await _ill_trunks(connection),
        refused_lines=await _count(
            connection, select(refused_lines.c.position).where(refused_lines.c.refused_at > now - RECENT)
        ),
        newest_refusal=await _newest_refusal(connection),
        unlisted_invites=await _counted(connection, "unlisted_source", now),
        on_last_known=await _counted(connection, "decided_on_last_known", now),
        not_sold=await _counted(connection, "not_sold_lists_unknown", now),
        unsettled=await _count(
            connection,
            select(calls.c.id).where(calls.c.state != "settled", calls.c.settle_failures > 0),
        ),
        abroad_full=await ceilings_reached(connection, rules, now),
        not_rung=await numbers_not_rung(connection, rules),
        drafts=await _drafts(connection),
    )


async def _count(connection: AsyncConnection, statement: Any) -> int:
    """Return how many there are, at most COUNTED_MAXIMUM: more is as bad."""
    few = statement.limit(COUNTED_MAXIMUM).subquery()
    return int((await connection.execute(select(func.count()).select_from(few))).scalar_one())


async def _rested(connection: AsyncConnection, now: datetime) -> list[RestedBidder]:
    health, records = endpoint_health.c, bidder_records.c
    resting = union_all(
        select(health.target_id, health.rested_until, literal("").label("why")).where(
            health.rested_until > now
        ),
        select(records.target_id, records.rested_until, records.why).where(records.rested_until > now),
    ).subquery()
    statement = (
        select(
            targets.c.id.label("target_id"),
            buyers.c.name.label("buyer"),
            targets.c.name.label("target"),
            resting.c.rested_until.label("until"),
            resting.c.why,
        )
        .join(targets, targets.c.id == resting.c.target_id)
        .join(buyers, buyers.c.id == targets.c.buyer_id)
        .order_by(buyers.c.name, targets.c.name)
        .limit(ROWS_MAXIMUM)
    )
    return [RestedBidder(**row._mapping) for row in await connection.execute(statement)]


async def _wallets(connection: AsyncConnection) -> list[LowWallet]:
    line = func.credit_line(
        buyers.c.credit_limit_micros, wallets.c.disputed_micros, buyers.c.disputes_lower_credit_percent
    )
    left = func.coalesce(line, 0) - wallets.c.owed_micros - wallets.c.held_micros
    statement = (
        select(
            buyers.c.id.label("buyer_id"),
            buyers.c.name.label("buyer"),
            left.label("left_micros"),
            wallets.c.paused_since.is_not(None).label("is_empty"),
        )
        .join(wallets, wallets.c.buyer_id == buyers.c.id)
        .where(buyers.c.enabled, wallets.c.low_since.is_not(None) | wallets.c.paused_since.is_not(None))
        .order_by(wallets.c.paused_since.is_(None), buyers.c.name)
        .limit(ROWS_MAXIMUM)
    )
    return [LowWallet(**row._mapping) for row in await connection.execute(statement)]


async def _owing(connection: AsyncConnection) -> list[OwingPublisher]:
    """Publishers below zero by what is sealed: what was posted a moment ago is not looked at yet."""
    balance = sealed_balances.c
    statement = (
        select(publishers.c.name, balance.amount_micros.label("owes_micros"))
        .join(sealed_balances, balance.account == func.concat("publisher:", publishers.c.id, ":payable"))
        .where(balance.amount_micros > 0)
        .order_by(balance.amount_micros.desc())
        .limit(ROWS_MAXIMUM)
    )
    return [OwingPublisher(**row._mapping) for row in await connection.execute(statement)]


# Q.850: no route, out of order, no circuit, network out of order, temporary failure, congestion, not registered …
_FAILING = text(
    """
    WITH recent AS (
        SELECT id FROM calls WHERE started_at > :since ORDER BY started_at DESC LIMIT :looked_at
    ), tried AS (
        SELECT l.target_id, count(*) AS tried,
            count(*) FILTER (
                WHERE l.answered_ms IS NULL AND l.cause IN (2, 3, 20, 27, 34, 38, 41, 42, 58, 127)
            ) AS failed
        FROM recent r JOIN legs l ON l.call_id = r.id GROUP BY l.target_id
    )
    SELECT t.id, b.name AS buyer, t.name AS target, tried.tried, tried.failed, k.id AS trunk_id, k.name AS trunk
    FROM tried JOIN targets t ON t.id = tried.target_id JOIN buyers b ON b.id = t.buyer_id
    LEFT JOIN trunks k ON k.id = t.outbound_trunk_id
    WHERE tried.failed >= :at_least ORDER BY tried.failed DESC, t.id LIMIT 100
    """
)


async def _failing(connection: AsyncConnection, now: datetime) -> list[FailingLine]:
    """Targets, and the trunks over which they are dialled, whose legs failed for no reason of the buyer's."""
    values = {
        "since": now - dt.timedelta(hours=1),
        "looked_at": FAILING_CALLS_LOOKED_AT,
        "at_least": FAILED_AT_LEAST,
    }
    return [_failing_line(row) for row in await connection.execute(_FAILING, values)]


async def _ill_trunks(connection: AsyncConnection) -> list[IllTrunk]:
    return [
        IllTrunk(
            trunk_id=line.trunk_id, name=line.trunk, what=line.title, reason=line.reason, since=line.since
        )
        for lines in (await lines_of_trunks(connection)).values()
        if (line := worst_of(lines)).health == Health.ILL
    ]


def _failing_line(row: Row[Any]) -> FailingLine:
    if row.trunk_id is not None:
        name, address = f"The trunk {row.trunk}, to {row.buyer}, {row.target}", f"/trunks/{row.trunk_id}"
    else:
        name, address = f"The line to {row.buyer}, {row.target}", f"/targets/{row.id}"
    return FailingLine(address=address, name=name, failed=row.failed, tried=row.tried)


async def _newest_refusal(connection: AsyncConnection) -> str:
    own = (refused_lines.c[name] for name in ("node", "kind", "problem"))
    newest = select(*own).order_by(refused_lines.c.refused_at.desc()).limit(1)
    row = (await connection.execute(newest)).one_or_none()
    return "" if row is None else f"{row.kind} of node {row.node}, {row.problem[:200]}"


async def _counted(connection: AsyncConnection, name: str, now: datetime) -> int:
    """Return how often nodes have counted something (agi.journal.COUNTED) in the last 24 hours, this one included."""
    hours = [name_of_hour(name, now - dt.timedelta(hours=ago)) for ago in range(24)]
    statement = select(func.sum(counters.c.value)).where(counters.c.name.in_(hours))
    return int((await connection.execute(statement)).scalar_one() or 0)


async def _drafts(connection: AsyncConnection) -> list[Draft]:
    return [
        Draft(name=flow.name, changed_by=flow.draft_changed_by)
        for flow in await flow_queries.summaries(connection)
        if flow.draft_revision is not None
    ]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One of the first steps of a new house."""

    title: str
    detail: str
    address: str
    done: bool


async def read_first_steps(connection: AsyncConnection) -> list[Step]:
    """Return what a house needs before its first call, and what of it is there."""

    tables = (trunks, flows, campaigns, targets, plan_entries, tracking_numbers)
    query = select(*(exists(select(table)).label(table.name) for table in tables))
    there = (await connection.execute(query)).one()._mapping
    return [
        Step(
            title="Connect a carrier",
            detail="A trunk says from where calls come, or where to register for them.",
            address="/trunks",
            done=there[trunks.name],
        ),
        Step(
            title="Write what callers hear",
            detail="A flow asks two or three questions; there are some to begin from.",
            address="/flows",
            done=there[flows.name],
        ),
        Step(
            title="Make a campaign",
            detail="It joins a flow with a plan of who gets its calls.",
            address="/campaigns",
            done=there[campaigns.name],
        ),
        Step(
            title="Add a buyer with a target",
            detail="Where its telephone is, what it takes, when it is open and where it is licensed.",
            address="/buyers",
            done=there[targets.name],
        ),
        Step(
            title="Plan who gets the calls",
            detail="Put targets into the stages of the campaign’s plan.",
            address="/campaigns",
            done=there[plan_entries.name],
        ),
        Step(
            title="Give a publisher a number",
            detail="A tracking number is what callers dial.",
            address="/numbers",
            done=there[tracking_numbers.name],
        ),
    ]


async def has_calls(connection: AsyncConnection) -> bool:
    return bool((await connection.execute(select(exists(select(calls.c.id))))).scalar_one())
