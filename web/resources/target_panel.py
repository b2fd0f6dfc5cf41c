"""What is to be seen of a target beside its settings: whether it is open, and how full it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rules.schedule import local_time, minute_of_week
from web.resources import cap_queries
from web.resources import market_queries as queries
from web.resources.cap_use import calls_now, caps_in_use
from web.resources.resource import Cell, Rows
from web.resources.schedules import read_schedule


def state_of_target(row: Mapping[str, Any], now: datetime) -> Cell:
    """Return whether a target takes calls at `now` by its own doing, in words."""
    if not row["enabled"]:
        return Cell(text="Switched off", badge="still")
    if row["paused_at"] is not None:
        return Cell(text="Paused by the buyer", badge="not_answered")
    try:
        schedule = read_schedule(row["schedule"])
    except ValueError:
        return Cell(text="Its hours cannot be read", badge="unknown_number")
    if schedule.is_open(now):
        return Cell(text="Open", badge="sold")
    return Cell(text="Closed", badge="still")


def why_closed(row: Mapping[str, Any], now: datetime) -> str:
    """Return what time it is there and when it opens; empty when it is open or cannot be told."""
    try:
        schedule = read_schedule(row["schedule"])
    except ValueError as error:
        return str(error)
    local = local_time(now, schedule.time_zone)
    if schedule.is_open(now):
        return ""
    return schedule.describe_closed(local.date(), minute_of_week(local))


async def open_now(connection: AsyncConnection, rows: Rows) -> Mapping[int, Mapping[str, Cell]]:
    now = datetime.now(UTC)
    return {row["id"]: {"open_now": state_of_target(row, now)} for row in rows}


async def show_target(connection: AsyncConnection, target_id: int) -> Mapping[str, Any]:
    """Return what target_panel.html shows."""
    now = datetime.now(UTC)
    row = await queries.target_of(connection, target_id)
    groups = await cap_queries.groups_of_targets(connection, [target_id])
    owners = [("target", target_id), ("buyer", row["buyer_id"]), *(("group", one) for one in groups)]
    return {
        "state": state_of_target(row, now),
        "closed": why_closed(row, now),
        "paused_at": row["paused_at"],
        "is_asked": row["is_asked"],
        "calls": (await calls_now(connection, [target_id]))[target_id],
        "concurrency_cap": row["concurrency_cap"],
        "caps": await caps_in_use(connection, owners, now),
    }
