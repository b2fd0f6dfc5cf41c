"""The market for trials: as it stands this moment, not as of a second ago, so that what was just saved is tried."""

from __future__ import annotations

from aiohttp import web

from router.domain.market import Snapshot
from router.errors import NoSnapshot
from web.keys import MARKET


async def newest_market(app: web.Application) -> Snapshot | None:
    """Return the market; the last one known when the database is away, None when none was ever read."""
    await app[MARKET].refresh()
    try:
        return app[MARKET].current
    except NoSnapshot:
        return None
