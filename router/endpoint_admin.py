"""Ping endpoints for people: shown without their secrets, changed only to what can be right, and tried out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from router import endpoint_queries as queries
from router.asking import Asking, ask
from router.auction_house import PUBLIC_ONLY
from router.bidder_record_queries import read_records
from router.buyers.addresses import AddressRules
from router.buyers.dialect import Endpoint, Problem
from router.buyers.kept_secrets import MASK, bound_to, has_mask, masked_settings
from router.buyers.ping_client import PingClient
from router.buyers.question import Known, answer_text, request_text
from router.buyers.registry import endpoint_problems
from router.domain.auction import AuctionWanted, BidOutcome, judged
from router.domain.bidder_record import NO_RECORD
from router.ping_endpoints import Bidder

MADE_UP_CALLER = "+16145550100"
"""555-0100 to 555-0199 are nobody's."""
MADE_UP_ANSWERS: Mapping[str, str] = {"loan_type": "refinance"}
_FIELDS = {field.name for field in fields(Endpoint)}


def without_secrets(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an endpoint as it may be shown: whether there is a secret, and no header that may hold one."""
    shown = {**row, "settings": masked_settings(row["settings"])}
    shown["secret"] = MASK if row["secret"] else ""
    return shown


async def list_endpoints(
    engine: AsyncEngine, now: datetime, rules: AddressRules = PUBLIC_ONLY
) -> list[dict[str, Any]]:
    """Return every endpoint as it may be shown, with its health and with what keeps it from being asked."""
    async with engine.connect() as connection:
        rows = await queries.list_endpoints(connection, now)
    return [{**without_secrets(row), **state_of(row, now, rules)} for row in rows]


def state_of(row: Mapping[str, Any], now: datetime, rules: AddressRules) -> dict[str, Any]:
    """Return the state of an endpoint's row with its rests, until when it rests, and what keeps it from being asked."""
    problems: list[Problem] = endpoint_problems(Endpoint(**{name: row[name] for name in _FIELDS}), rules)
    if not row["enabled"]:
        state = "switched off"
    elif problems:
        state = "not usable"
    elif (row["rested_for_wins_until"] or now) > now:
        state, problems = "rested", [f"not asked for bids: {row['rested_for_wins_why']}"]
    elif row["rested_until"] is None:
        state = "well"
    else:
        state = "rested" if row["rested_until"] > now else "probed next"
    return {"state": state, "problems": problems}


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A change that was not made, and everything that was wrong with it."""

    problems: tuple[Problem, ...]


async def set_endpoint(
    engine: AsyncEngine, target_id: int, changes: Mapping[str, Any], rules: AddressRules = PUBLIC_ONLY
) -> Endpoint | Refused:
    """Change a target's endpoint, or make it; what is not named stays. Nothing is stored that cannot be right."""
    async with engine.begin() as connection:
        if not await queries.target_exists(connection, target_id):
            return Refused(problems=(f"there is no target {target_id}",))
        known = await queries.read_endpoint(connection, target_id)
        if known is None and not {"dialect", "url"} <= changes.keys():
            return Refused(problems=(f"target {target_id} has no endpoint yet: name --dialect and --url",))
        before = known or Endpoint(target_id=target_id, dialect="", url="")
        endpoint = replace(before, **changes)
        problems = [*_moved_problems(known, endpoint, changes), *endpoint_problems(endpoint, rules)]
        if problems:
            return Refused(problems=tuple(problems))
        await queries.write_endpoint(connection, endpoint)
        return endpoint


def _moved_problems(known: Endpoint | None, endpoint: Endpoint, changes: Mapping[str, Any]) -> list[Problem]:
    """Say which secrets have to be given again: those that are kept go to the hosts they were entered for."""
    if known is None or bound_to(asdict(endpoint)) <= bound_to(asdict(known)):
        return []
    found = []
    if known.secret and "secret" not in changes:
        found.append("secret: it was given for another host or dialect: give it again by --secret-file")
    if has_mask(masked_settings(known.settings)) and "settings" not in changes:
        found.append("settings: they hold headers or keys for another host or dialect: give --settings again")
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """One question to an endpoint, as it was asked and answered; without secrets."""

    request: str
    answer: str
    took_ms: float
    outcome: BidOutcome
    bid_micros: int | None
    minimum_connected_ms: int | None
    expires_at: datetime | None
    dial: str | None
    detail: str


async def try_endpoint(
    engine: AsyncEngine,
    target_id: int,
    *,
    house: str,
    state: str | None,
    answers: Mapping[str, str],
    deadline_ms: int,
    rules: AddressRules = PUBLIC_ONLY,
) -> Tried | Refused:
    """Ask an endpoint for a bid on a caller who is made up. The buyer sees a ping like any other; nothing is stored."""
    async with engine.connect() as connection:
        endpoint = await queries.read_endpoint(connection, target_id)
        record, _ = (await read_records(connection)).get(target_id, (NO_RECORD, None))
    if endpoint is None:
        return Refused(problems=(f"target {target_id} has no endpoint",))
    problems = endpoint_problems(endpoint, rules)
    if problems:
        return Refused(problems=tuple(problems))
    bidder = Bidder.of(endpoint)
    asking = Asking(
        bidder=bidder,
        known=Known(
            asked_as=uuid4(),
            campaign="0",
            caller=MADE_UP_CALLER,
            state=state,
            answers=answers,
            hops=(house,),
        ),
        deadline_ms=deadline_ms,
        started_ns=time.monotonic_ns(),
        sent_at=datetime.now(UTC),
        lasted=record.lasted,
    )
    async with PingClient(rules) as client:
        try:
            async with asyncio.timeout(deadline_ms / 1000):
                await ask(client, asking)
        except TimeoutError:
            detail = f"no whole answer in {deadline_ms} ms"
            asking.bid = asking.without_answer(BidOutcome.LATE, detail)
    if asking.bid is not None:
        wanted = AuctionWanted(stage_id=0, deadline_ms=deadline_ms, floor_micros=0, offers=())
        asking.bid = judged(asking.bid, wanted, datetime.now(UTC), bidder.ceilings)
    took_ms = (time.monotonic_ns() - asking.started_ns) / 1e6
    return _tried(asking, took_ms)


def _tried(asking: Asking, took_ms: float) -> Tried:
    assert asking.bid is not None, "asked, or given up"
    bid = asking.bid
    return Tried(
        request="" if asking.request is None else request_text(asking.hidden, asking.request),
        answer="" if asking.answer is None else answer_text(asking.hidden, asking.answer),
        took_ms=round(took_ms, 1),
        outcome=bid.outcome,
        bid_micros=bid.bid_micros,
        minimum_connected_ms=bid.minimum_connected_ms,
        expires_at=bid.expires_at,
        dial=bid.dial,
        detail=bid.words,
    )
