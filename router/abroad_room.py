"""Room abroad for what is no target's: a number that a flow transfers to."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from router.domain.abroad import OUTWARD, caps_of_trunk
from router.domain.caps import ATTEMPTS, Claim, Moment, describe_full
from router.reservations import Attempt, take_leases
from router.snapshot import DATABASE_FAULTS
from rules.dialling import Destination

DATABASE_SECONDS = 2.0
TRANSFER_ATTEMPT = 0
"""Legs of targets count from 1. However often one call transfers, it takes room once: only one talk comes of it."""


async def take_room_abroad(engine: AsyncEngine, call_id: UUID, destination: Destination) -> str:
    """Take room for the longest talk over the outward trunk; return why nobody is rung, '' when there was room.

    No leg of a transfer is settled: what it took stays counted for the day. Never raises for outside faults.
    """
    moment = Moment(now=datetime.now(UTC))
    caps = caps_of_trunk(destination, OUTWARD)
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
            await connection.execute(
                text("SELECT")
            )  # the driver's own calls do not begin SQLAlchemy's transaction
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            full = await take_leases(driver, wanted)
    except DATABASE_FAULTS:
        return "the minutes abroad cannot be counted now"
    return next((describe_full(cap, cap.at_most, moment) for cap in caps if cap.key == full), "")
