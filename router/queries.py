"""The market as PostgreSQL holds it: read whole into one document, or only what an edit has changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from router.domain.read_market import MARKET_FORMAT
from router.domain.suppression import INDEX_MARK
from store.routing_tables import dial_destinations
from store.tables import (
    blocked_callers,
    buyer_terms,
    buyers,
    campaigns,
    cap_group_members,
    cap_groups,
    caps,
    flows,
    licences,
    market_changes,
    market_version,
    plan_entries,
    plan_stages,
    publisher_terms,
    publishers,
    targets,
    tracking_numbers,
)

Document = dict[str, Any]

CHANGES_KEPT = 1000
"""Versions back to which market_changes tells what changed (migration 0004)."""

_NUMBERS = (
    select(
        tracking_numbers.c.id,
        tracking_numbers.c.e164,
        tracking_numbers.c.campaign_id,
        tracking_numbers.c.publisher_id,
        and_(tracking_numbers.c.enabled, campaigns.c.enabled, publishers.c.enabled).label("enabled"),
    )
    .join(campaigns, campaigns.c.id == tracking_numbers.c.campaign_id)
    .join(publishers, publishers.c.id == tracking_numbers.c.publisher_id)
    .order_by(tracking_numbers.c.id)
)
_CAMPAIGNS = select(
    campaigns.c.id,
    campaigns.c.name,
    campaigns.c.flow_name,
    campaigns.c.duplicate_window_seconds,
    campaigns.c.maximum_attempts,
    campaigns.c.enabled,
    campaigns.c.time_zone,
    campaigns.c.duplicate_policy,
    campaigns.c.no_buyer,
    campaigns.c.exclusive,
    campaigns.c.recording,
    campaigns.c.sells_at_loss,
    campaigns.c.pings_yield_after_seconds,
).order_by(campaigns.c.id)
_PLANS = (
    select(
        plan_stages.c.id,
        plan_stages.c.campaign_id,
        plan_stages.c.position,
        plan_stages.c.method,
        plan_stages.c.ring_timeout_seconds,
        plan_stages.c.attempts,
        plan_stages.c.simultaneous,
        plan_stages.c.deadline_ms,
        plan_stages.c.floor_micros,
        plan_stages.c.margin_micros,
        plan_stages.c.highest_bid_micros,
        plan_stages.c.longest_minimum_seconds,
        plan_entries.c.target_id,
        plan_entries.c.priority,
        plan_entries.c.weight,
    )
    .outerjoin(plan_entries, plan_entries.c.stage_id == plan_stages.c.id)
    .order_by(
        plan_stages.c.campaign_id, plan_stages.c.position, plan_entries.c.priority, plan_entries.c.target_id
    )
)
_BUYERS = select(
    buyers.c.id,
    buyers.c.name,
    buyers.c.enabled,
    buyers.c.nmls_id,
    buyers.c.time_zone,
    buyers.c.credit_limit_micros,
).order_by(buyers.c.id)
_TARGETS = select(
    targets.c.id,
    targets.c.buyer_id,
    targets.c.name,
    targets.c.sip_uri,
    targets.c.loan_types,
    targets.c.schedule,
    targets.c.concurrency_cap,
    targets.c.ring_timeout_seconds,
    # A buyer's own pause switches a target off as the house's does.
    and_(targets.c.enabled, targets.c.paused_at.is_(None)).label("enabled"),
    targets.c.filters,
    targets.c.press_to_accept,
    targets.c.whisper_text,
    targets.c.recovery_seconds,
    targets.c.outbound_trunk_id,
).order_by(targets.c.id)
_LICENCES = select(
    licences.c.id,
    licences.c.buyer_id,
    licences.c.nmls_id,
    licences.c.state,
    licences.c.product,
    licences.c.valid_from,
    licences.c.valid_to,
    licences.c.status,
    licences.c.officer_name,
    licences.c.officer_nmls_id,
).order_by(licences.c.id)
_CAPS = (
    select(
        caps.c.id,
        caps.c.owner,
        caps.c.owner_id,
        caps.c.kind,
        caps.c.period,
        caps.c.at_most,
        caps.c.range_name,
    )
    .where(caps.c.enabled)
    .order_by(caps.c.id)
)
_TERMS = select(
    buyer_terms.c.buyer_id,
    buyer_terms.c.campaign_id,
    buyer_terms.c.goes_live_at,
    buyer_terms.c.price_micros,
    buyer_terms.c.minimum_connected_ms,
    buyer_terms.c.highest_micros,
).order_by(buyer_terms.c.id)
_PAYOUTS = select(
    publisher_terms.c.publisher_id,
    publisher_terms.c.campaign_id,
    publisher_terms.c.goes_live_at,
    publisher_terms.c.payout_micros.label("price_micros"),
).order_by(publisher_terms.c.id)
_PUBLISHERS = select(publishers.c.id, publishers.c.time_zone).order_by(publishers.c.id)
_GROUPS = (
    select(cap_groups.c.id, cap_groups.c.time_zone, cap_group_members.c.target_id)
    .outerjoin(cap_group_members, cap_group_members.c.group_id == cap_groups.c.id)
    .order_by(cap_groups.c.id, cap_group_members.c.target_id)
)
_BLOCKED = select(
    blocked_callers.c.id,
    blocked_callers.c.kind,
    blocked_callers.c.value,
    blocked_callers.c.caller_index,
    blocked_callers.c.campaign_id,
    blocked_callers.c.reason,
).order_by(blocked_callers.c.id)
_DIAL_DESTINATIONS = select(
    dial_destinations.c.prefix,
    dial_destinations.c.name,
    dial_destinations.c.cost_per_minute_micros,
    dial_destinations.c.target_minutes_per_day,
    dial_destinations.c.target_micros_per_day,
    dial_destinations.c.trunk_minutes_per_day,
    dial_destinations.c.trunk_micros_per_day,
).order_by(dial_destinations.c.id)
_FLOWS = (
    select(flows.c.name, flows.c.version, flows.c.definition)
    .where(flows.c.published_at.is_not(None))
    .ext(distinct_on(flows.c.name))
    .order_by(flows.c.name, flows.c.version.desc())
)


async def read_market_version(connection: AsyncConnection) -> int:
    """Return the number that every edit of the market raises; 0 before the first."""
    return (await connection.scalar(select(market_version.c.version))) or 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """Whose rows changed since a version."""

    buyers: frozenset[int]
    campaigns: frozenset[int]


async def read_changes(connection: AsyncConnection, since: int, version: int) -> Changes | None:
    """Return whose rows changed after version `since`; None when that is not known any more.

    The small tables that everybody shares are not told apart: they are read each time.
    """
    if version - since >= CHANGES_KEPT or version < since:
        return None
    found = await connection.execute(
        select(market_changes.c.kind, market_changes.c.owner_id).where(market_changes.c.version > since)
    )
    ids: dict[str, set[int]] = {}
    for kind, owner_id in found:
        ids.setdefault(kind, set()).add(owner_id)
    if "everything" in ids:
        return None
    owners = await connection.execute(
        select(targets.c.buyer_id).where(
            targets.c.id.in_(ids.get("target", set()) | ids.get("cap_target", set()))
        )
    )
    stages = await connection.execute(
        select(plan_stages.c.campaign_id).where(plan_stages.c.id.in_(ids.get("stage", set())))
    )
    return Changes(
        buyers=frozenset(ids.get("buyer", set()) | ids.get("cap_buyer", set()) | set(owners.scalars())),
        campaigns=frozenset(ids.get("campaign", set()) | set(stages.scalars())),
    )


def _indexed(row: Document) -> Document:
    """Return a rule as markets hold it, which are kept: a blocked number by its index."""
    index = row.pop("caller_index")
    return row if index is None else {**row, "value": f"{INDEX_MARK}{index.hex()}"}


async def read_market_rows(connection: AsyncConnection, only: Changes | None = None) -> Document:
    """Return the market document without its places; with `only`, the buyers and plans of those named.

    The connection must be in a REPEATABLE READ transaction, or the parts may not fit together.
    """
    shared = {
        "format": MARKET_FORMAT,
        "numbers": await _rows(connection, _NUMBERS),
        "publishers": await _rows(connection, _PUBLISHERS),
        "groups": _with_members(await _rows(connection, _GROUPS)),
        "blocked_callers": [_indexed(row) for row in await _rows(connection, _BLOCKED)],
        "dial_destinations": await _rows(connection, _DIAL_DESTINATIONS),
        "payouts": [_plain_terms(row) for row in await _rows(connection, _PAYOUTS)],
        "flows": {row.pop("name"): row for row in await _rows(connection, _FLOWS)},
    }
    plans = await _rows(
        connection, _narrowed(_PLANS, plan_stages.c.campaign_id, only.campaigns if only else None)
    )
    of = only.buyers if only else None
    return {
        **shared,
        "campaigns": _with_stages(await _rows(connection, _CAMPAIGNS), plans),
        "buyers": await _rows(connection, _narrowed(_BUYERS, buyers.c.id, of)),
        "targets": await _rows(connection, _narrowed(_TARGETS, targets.c.buyer_id, of)),
        "licences": [
            _plain_licence(row)
            for row in await _rows(connection, _narrowed(_LICENCES, licences.c.buyer_id, of))
        ],
        "terms": [
            _plain_terms(row)
            for row in await _rows(connection, _narrowed(_TERMS, buyer_terms.c.buyer_id, of))
        ],
        "caps": await _rows(connection, _caps(of)),
    }


def _narrowed(query: Select[Any], column: Any, ids: Iterable[int] | None) -> Select[Any]:
    return query if ids is None else query.where(column.in_(list(ids)))


def _caps(of: Iterable[int] | None) -> Select[Any]:
    if of is None:
        return _CAPS
    return _CAPS.where(
        or_(
            caps.c.owner.in_(("campaign", "publisher", "group")),
            and_(caps.c.owner == "buyer", caps.c.owner_id.in_(list(of))),
            and_(caps.c.owner == "target", caps.c.owner_id.in_(_targets_of(of))),
        )
    )


def _targets_of(buyer_ids: Iterable[int]) -> Select[Any]:
    return select(targets.c.id).where(targets.c.buyer_id.in_(list(buyer_ids)))


async def _rows(connection: AsyncConnection, query: Select[Any]) -> list[Document]:
    return [dict(row) for row in (await connection.execute(query)).mappings()]


def _with_stages(rows: Sequence[Document], plans: Sequence[Mapping[str, Any]]) -> list[Document]:
    stages: dict[int, dict[int, Document]] = {}
    for plan in plans:
        of_campaign = stages.setdefault(plan["campaign_id"], {})
        stage = of_campaign.get(plan["id"])
        if stage is None:
            stage = of_campaign[plan["id"]] = {
                **{name: value for name, value in plan.items() if name not in _OF_ENTRIES},
                "entries": [],
            }
        if plan["target_id"] is not None:
            stage["entries"].append([plan["target_id"], plan["priority"], plan["weight"]])
    return [{**row, "stages": list(stages.get(row["id"], {}).values())} for row in rows]


_OF_ENTRIES = ("campaign_id", "target_id", "priority", "weight")


def _with_members(rows: Sequence[Document]) -> list[Document]:
    groups: dict[int, Document] = {}
    for row in rows:
        group = groups.setdefault(row["id"], {"id": row["id"], "time_zone": row["time_zone"], "targets": []})
        if row["target_id"] is not None:
            group["targets"].append(row["target_id"])
    return list(groups.values())


def _plain_terms(row: Document) -> Document:
    return {**row, "goes_live_at": row["goes_live_at"].isoformat()}


def _plain_licence(row: Document) -> Document:
    valid_to = row["valid_to"]
    return {
        **row,
        "valid_from": row["valid_from"].isoformat(),
        "valid_to": None if valid_to is None else valid_to.isoformat(),
    }
