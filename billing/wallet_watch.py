"""Notices when a buyer's money runs low, is gone, or is back: once each, whatever posted it.

The router asks for the money itself at every call; this says so to people.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import wallet_queries as queries
from billing.wallet_mail_queries import insert_notice
from billing.wallets import notices_of


async def watch_wallets(connection: AsyncConnection, now: dt.datetime) -> int:
    """Write down every change of state since the last time; return how many notices there were. The caller commits."""
    count = 0
    for wallet in await queries.changed_wallets(connection):
        state = wallet.state
        notices = notices_of(state)
        for notice in notices:
            await insert_notice(connection, wallet.buyer_id, notice, state.left_micros, now)
        await queries.note_state(
            connection, wallet.buyer_id, low=state.should_be_low, paused=state.should_pause, now=now
        )
        count += len(notices)
    return count
