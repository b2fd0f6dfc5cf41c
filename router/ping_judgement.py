"""How many pings became calls: counted once a minute for each key, so that no ping and no call waits for a count."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from router.domain.ping_limits import JUDGED_DAYS, PingLimits, is_too_many
from router.inbound_bid_queries import EXPIRED, USED
from store.tables import rtb_keys, rtb_reservations


async def judge_pings(connection: AsyncConnection, now: datetime) -> int:
    """Count the pings and calls of every key over the last days, and warn those with too few calls.

    A warning ends when enough calls have come. The caller commits. Returns how many keys changed.
    """
    row = rtb_reservations.c
    counted = (
        select(
            row.rtb_key_id,
            func.count().label("won"),
            func.count().filter(row.state == USED).label("called"),
        )
        .where(
            row.created_at > now - timedelta(days=JUDGED_DAYS),
            row.held_room,
            row.state.in_((USED, EXPIRED)),
        )
        .group_by(row.rtb_key_id)
        .subquery()
    )
    keys = await connection.execute(
        select(rtb_keys, func.coalesce(counted.c.won, 0).label("won"), counted.c.called)
        .outerjoin(counted, counted.c.rtb_key_id == rtb_keys.c.id)
        .where(rtb_keys.c.enabled)
    )
    changed = 0
    for key in keys:
        won, called = key.won, key.called or 0
        too_many = is_too_many(PingLimits.of_settings(key.settings).pings_per_call, won, called)
        warned_at = (key.warned_at or now) if too_many else None
        if (won, called, warned_at) != (key.pings_won, key.pings_called, key.warned_at):
            values = {"pings_won": won, "pings_called": called, "warned_at": warned_at}
            await connection.execute(update(rtb_keys).where(rtb_keys.c.id == key.id).values(values))
            changed += 1
    return changed
