"""What callers left whom nobody took: voice messages, and requests to be called back."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import campaigns, no_buyer_requests

MOST_LISTED = 1000


async def list_requests(connection: AsyncConnection, *, done_too: bool = False) -> list[dict[str, Any]]:
    """Return the oldest 1,000 requests that nobody has seen to, with `done_too` the newest 1,000 of all."""
    requests = no_buyer_requests.c
    wanted = select(
        requests.id,
        requests.call_id,
        requests.kind,
        requests.caller_sealed.label("caller"),
        requests.recording,
        requests.node,
        requests.created_at,
        requests.done_at,
        campaigns.c.name.label("campaign"),
    ).outerjoin_from(no_buyer_requests, campaigns, campaigns.c.id == requests.campaign_id)
    ordered = (
        wanted.order_by(requests.created_at.desc(), requests.id.desc())
        if done_too
        else wanted.where(requests.done_at.is_(None)).order_by(requests.created_at, requests.id)
    )
    return [dict(row) for row in (await connection.execute(ordered.limit(MOST_LISTED))).mappings()]


async def mark_done(connection: AsyncConnection, request_id: int) -> bool:
    """Note that somebody has seen to a request. Returns whether it was open. The caller commits."""
    requests = no_buyer_requests.c
    done = update(no_buyer_requests).where(requests.id == request_id, requests.done_at.is_(None))
    return (await connection.execute(done.values(done_at=func.now()))).rowcount > 0
