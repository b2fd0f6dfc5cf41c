"""Take the room of calls that were rung while the database did not answer, as soon as it does. Run by the worker.

Nobody is turned away any more: they ring or talk already, so a cap may stand above its number for a while. Their leases
then end as all others do, and what they came to is counted at settlement.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from router.domain.last_known import Rung
from router.last_known_file import (
    append_lines,
    counters_read_ms,
    rung_in,
    sums_path,
    taken_path,
    taking_path,
)
from router.reservations import Attempt, driver_of, take_leases
from router.wallet_holds import Hold, take_hold
from store.faults import is_fault_of_data

log = logging.getLogger(__name__)

ANY_AMOUNT = 1 << 61
"""No counter reaches it: there is always room."""

CLOCK_GRAIN_MS = 20
"""A file's time may be so much behind the clock."""


def set_aside(path: Path) -> None:
    """Put the file where `take_room` finds it, a moment later: whoever writes to it now has finished then."""
    taking = taking_path(path)
    if path.exists() and not taking.exists():
        path.rename(taking)
        with suppress(OSError):  # sums that are not found are made again
            sums_path(path).rename(sums_path(taking))


async def take_room(engine: AsyncEngine, path: Path, snapshot_file: Path) -> int:
    """Take room for what was set aside; return for how many. Doing it again takes no more.

    The database may have answered for the worker and for nobody else. So the lines go on counting until the agi process
    has read counters and wallets again, as the file beside its snapshot says.
    Raises what the database raises when it is away: then all of it is taken the next time.
    """
    _forget_what_is_read(path, snapshot_file)
    taking = taking_path(path)
    if not taking.exists():
        return 0
    rung: Sequence[Rung] = rung_in(taking)
    for one in rung:
        try:
            await _take(engine, one)
        except (DBAPIError, asyncpg.PostgresError, asyncpg.DataError) as error:
            if not is_fault_of_data(error):
                raise
            log.exception("no room is taken for call %s, which was rung without the database", one.call_id)
    try:
        append_lines(taken_path(path), taking.read_bytes())
    except OSError as error:  # a full disk
        log.error("calls whose room was taken just now are not counted until it is read: %s", error)
    for one_file in (taking, sums_path(taking)):
        one_file.unlink(missing_ok=True)
    return len(rung)


def _forget_what_is_read(path: Path, snapshot_file: Path) -> None:
    taken = taken_path(path)
    try:
        taken_ms = taken.stat().st_mtime_ns // 1_000_000
    except OSError:
        return
    if counters_read_ms(snapshot_file) > taken_ms + CLOCK_GRAIN_MS:
        taken.unlink(missing_ok=True)
        sums_path(taken).unlink(missing_ok=True)


async def _take(engine: AsyncEngine, rung: Rung) -> None:
    now = datetime.now(UTC)  # the sweep looks at once whether it is live
    attempt = Attempt(
        call_id=rung.call_id,
        attempt=rung.attempt,
        target_id=rung.target_id,
        claims=tuple(replace(claim, at_most=ANY_AMOUNT) for claim in rung.claims),
        now_ms=rung.at_ms,
        expires_at=now,
    )
    async with engine.begin() as connection:
        driver = await driver_of(connection)
        await take_leases(driver, attempt)
        if rung.hold_micros is not None:
            hold = Hold(buyer_id=rung.buyer_id, campaign_id=rung.campaign_id, amount_micros=rung.hold_micros)
            # A wallet that does not cover it has nothing left for others either.
            await take_hold(driver, rung.call_id, rung.attempt, hold, now)
