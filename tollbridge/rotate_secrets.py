"""Rotates the keys that seal: a newer one, everything sealed by it, and the older ones gone once nothing needs them.

Each step can be interrupted and the whole run again: it goes on with what is there. Running processes take up the newer
key from the file. What they sealed just before may still be on its way into the database, and a journal or a queue may
hold it for longer: the older keys are kept for a day.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from store.key_ring import LOOK_EVERY_SECONDS, KeyRing
from tollbridge.faults import CannotRun
from tollbridge.seal_anew import Count, Progress, seal_all_anew
from tollbridge.sealed_database import NodeKeys, leave_mark, note_newest, other_nodes
from tollbridge.sealing_keys import sealing_keys_file, sealing_keys_of, write_sealing_keys
from tollbridge.settings import Settings
from web.audit import Actor, Via, write_audit

SETTLE_SECONDS = 10 * LOOK_EVERY_SECONDS
KEPT_SECONDS = 24 * 3600.0
"""How long older keys stay beside a newer one."""
NODE_IS_GONE_AFTER = timedelta(hours=24)
"""A node that has said nothing for so long does not run; it will not start without the newer keys."""
_ONE_AT_A_TIME = 7_042_039
_WHO = Actor(user=None, via=Via.COMMAND, name="tollbridge secrets rotate")


@dataclass(frozen=True, kw_only=True)
class Rotated:
    """What was done, and what is left to do in words."""

    columns: Sequence[Count]
    older_keys: int
    next_step: str = ""


async def rotate(
    engine: AsyncEngine, settings: Settings, progress: Progress, *, drop_now: bool = False
) -> Rotated:
    """Go on with a rotation, or begin one. `drop_now` keeps older keys no longer than anything needs them.

    Raises CannotRun, and what the database raises.
    """
    async with _alone(engine):
        ring = sealing_keys_of(settings)
        async with engine.begin() as connection:
            await leave_mark(connection, ring, settings)
            since = datetime.now(UTC) - NODE_IS_GONE_AFTER
            others = await other_nodes(connection, settings.node_name, since)
        if len(ring.keys) == 1:
            lacking = [one for one in others if ring.prepared is None or ring.prepared.id not in one.known]
            if lacking:
                return _prepare(ring, lacking, settings)
            ring = ring.with_newer_key()
            write_sealing_keys(settings, ring)
            progress(f"a newer key is in {sealing_keys_file(settings)}")
            # Until every process seals by it: what is done before could be written by the older key once more.
            await asyncio.sleep(SETTLE_SECONDS)
        async with engine.begin() as connection:
            await note_newest(connection, ring)
            await write_audit(
                connection, _WHO, action="rotate", kind="sealing_keys", ref=ring.keys[0].id.hex()
            )
        columns = await seal_all_anew(engine, ring, progress)
        why = _why_kept(columns, ring, others, settings, drop_now=drop_now)
        if why:
            return Rotated(columns=columns, older_keys=len(ring.keys) - 1, next_step=why)
        write_sealing_keys(settings, ring.newest_only())
        return Rotated(columns=columns, older_keys=0, next_step=_tell_nodes(others, settings))


def _prepare(ring: KeyRing, lacking: Sequence[NodeKeys], settings: Settings) -> Rotated:
    if ring.prepared is None:
        write_sealing_keys(settings, ring.with_prepared_key())
    words = (
        f"a newer key is prepared and seals nothing yet: copy {sealing_keys_file(settings)} to {_named(lacking)}, and"
        " run this again two minutes later"
    )
    return Rotated(columns=(), older_keys=0, next_step=words)


def _why_kept(
    columns: Sequence[Count], ring: KeyRing, others: Sequence[NodeKeys], settings: Settings, *, drop_now: bool
) -> str:
    """Return why the older keys stay, and what to do; empty: nothing needs them."""
    lost = [f"{one.column} of row {one.lost[0]}" for one in columns if one.lost]
    if lost:
        return (
            f"the older keys stay: {lost[0]} does not open (`tollbridge secrets check` names all). Enter those"
            " again, or empty them, and run this again"
        )
    if left := sum(one.left for one in columns):
        return f"the older keys stay: {left} rows were in use. Run this again"
    file = sealing_keys_file(settings)
    if behind := [one for one in others if one.newest != ring.keys[0].id]:
        return f"the older keys stay: {_named(behind)} still seals by one. Copy {file} there and run this again later"
    until = file.stat().st_mtime + KEPT_SECONDS
    if not drop_now and time.time() < until:
        at = datetime.fromtimestamp(until, UTC)
        return (
            f"the older keys stay until {at:%Y-%m-%d %H:%M} UTC for what is still on its way: run this again then"
            " (--drop-now, when no process has run since before)"
        )
    return ""


def _tell_nodes(others: Sequence[NodeKeys], settings: Settings) -> str:
    return f"copy {sealing_keys_file(settings)} to {_named(others)}" if others else ""


def _named(nodes: Sequence[NodeKeys]) -> str:
    return "node " + ", ".join(one.node for one in nodes)


@asynccontextmanager
async def _alone(engine: AsyncEngine) -> AsyncIterator[None]:
    """Hold the rotation's lock, which ends with its connection. Raises CannotRun when another holds it."""
    async with engine.connect() as connection:
        if not await connection.scalar(select(func.pg_try_advisory_lock(_ONE_AT_A_TIME))):
            raise CannotRun(
                "another `tollbridge secrets rotate` is at work on this database: wait for its end"
            )
        await connection.commit()
        try:
            yield
        finally:
            await connection.scalar(select(func.pg_advisory_unlock(_ONE_AT_A_TIME)))
            await connection.commit()
