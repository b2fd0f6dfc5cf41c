"""What asking bidders costs, brought to the ledger: for calls sold or not, and for questions no call came of."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import ledger, ledger_queries, queries

SETTLED_AFTER = dt.timedelta(minutes=1)
"""By then every answer, late ones included, is stored, and the call's own row as well."""
AT_ONCE = 2_000
"""Pings in one transaction of the database."""


async def post_ping_costs(connection: AsyncConnection, now: dt.datetime) -> int:
    """Post the cost of pings that are not posted yet; return how many there were. The caller commits.

    One ledger transaction a call; one more for those it was not known of then. Costs of questions that no call came
    of (a publisher asked, and sent nothing) are posted without a call.
    """
    owed: dict[UUID | None, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    ids: dict[UUID | None, list[int]] = defaultdict(list)
    for row in await queries.pings_to_post(connection, before=now - SETTLED_AFTER, limit=AT_ONCE):
        owed[row.known_call_id][row.target_id] += row.cost_micros
        ids[row.known_call_id].append(row.id)
    for call_id, costs in owed.items():
        transaction_id = await ledger_queries.post(
            connection,
            call_id=call_id,
            # Unique by call and kind: what comes later has a name of its own.
            kind=f"{ledger.PING_COST}:{ids[call_id][0]}",
            postings=ledger.ping_cost_postings(costs),
            detail={"pings": len(ids[call_id])},
        )
        await queries.note_pings_posted(connection, ids[call_id], transaction_id)
    return sum(len(of_call) for of_call in ids.values())
