"""Room abroad: what a flow's transfer takes, and for whom there is none left today."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from router.domain.abroad import OUTWARD, TIME_ZONE, caps_of, full_abroad
from router.domain.caps import ATTEMPTS, Claim, Moment, describe_full, period_start
from router.domain.counts import Counts
from router.domain.dial import dial_problem
from router.reservations import Attempt, driver_of, take_leases
from router.snapshot import DATABASE_FAULTS
from rules.dialling import Destination, DiallingRules
from rules.schedule import local_time

DATABASE_SECONDS = 2.0
TRANSFER_ATTEMPT = 0
"""Legs of targets count from 1. However often one call transfers, it takes room once: only one talk comes of it."""


async def take_room_abroad(engine: AsyncEngine, call_id: UUID, destination: Destination) -> str:
    """Take room for the longest talk over the outward trunk; return why nobody is rung, '' when there was room.

    No leg of a transfer is settled: what it took stays counted for the day. Never raises for outside faults.
    """
    moment = Moment(now=datetime.now(UTC))
    caps = caps_of(destination, "trunk", OUTWARD)
    claims = tuple(
        Claim(
            key=cap.key,
            kind=ATTEMPTS,  # is not given back
            amount=cap.amount,
            at_most=cap.at_most,
            period_start=moment.period_start(cap),
        )
        for cap in caps
    )
    wanted = Attempt(
        call_id=call_id,
        attempt=TRANSFER_ATTEMPT,
        target_id=0,
        claims=claims,
        now_ms=moment.now_ms,
        expires_at=moment.now + timedelta(days=1),
    )
    try:
        async with asyncio.timeout(DATABASE_SECONDS), engine.begin() as connection:
            full = await take_leases(await driver_of(connection), wanted)
    except DATABASE_FAULTS:
        return "the minutes abroad cannot be counted now"
    return next((describe_full(cap, cap.at_most, moment) for cap in caps if cap.key == full), "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reached:
    """A target or a trunk for which nothing more is rung abroad today."""

    name: str
    address: str
    """Of its page."""
    detail: str


_USED = text("""
    SELECT c.key, c.used, split_part(c.key, ':', 1) AS owner, split_part(c.key, ':', 2) AS owner_id, t.name
    FROM cap_counters c LEFT JOIN targets t
        ON split_part(c.key, ':', 1) = 'target' AND t.id::text = split_part(c.key, ':', 2)
    WHERE split_part(c.key, ':', 3) IN ('abroad_seconds', 'abroad_micros') AND c.period_start = :start
    ORDER BY c.key
""")
_ARE_NUMBERS = text(r"""
    SELECT id, name, sip_uri FROM targets WHERE enabled AND sip_uri ~ '^sip:[^a-zA-Z@]+@' ORDER BY id
""")


async def ceilings_reached(connection: AsyncConnection, rules: DiallingRules, now: datetime) -> list[Reached]:
    """Return for whom nothing more is rung at some listed destination today."""
    start = period_start("day", local_time(now, TIME_ZONE))
    rows = (await connection.execute(_USED, {"start": start})).all()
    used = {row.key: row.used for row in rows}
    found: dict[str, Reached] = {}
    for row in rows:
        name = f"target {row.name or row.owner_id}" if row.owner == "target" else f"trunk {row.owner_id}"
        for destination in rules.destinations:
            full = full_abroad(caps_of(destination, row.owner, row.owner_id), Counts(used=used))
            if full is not None:
                address = f"/targets/{row.owner_id}" if row.owner == "target" else "/numbers-abroad"
                found.setdefault(
                    name, Reached(name=name, address=address, detail=f"{destination.name}: {full}")
                )
    return list(found.values())


async def numbers_not_rung(connection: AsyncConnection, rules: DiallingRules) -> list[Reached]:
    """Return the targets whose address is a number that is not rung."""
    return [
        Reached(name=f"target {row.name}", address=f"/targets/{row.id}", detail=problem)
        for row in await connection.execute(_ARE_NUMBERS)
        if (problem := dial_problem(row.sip_uri, rules)) is not None
    ]
