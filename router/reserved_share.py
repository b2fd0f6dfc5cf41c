"""How much of a target's room and of a wallet one publisher's open reservations hold: never beyond their share.

Looked at in the transaction that took the room: the counter's and the wallet's row are locked by then, so no two pings
are counted at once. A reservation whose call has come is none any more: its leases and holds bear the call's id.
"""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

_LIVE = "r.publisher_id = $1 AND r.state IN ('deciding', 'open', 'confirmed')"

_ROOM = f"""
    SELECT count(*) FROM rtb_reservations r
    JOIN leases l ON l.call_id = r.id AND l.released_at IS NULL AND l.counter_key = $2
    WHERE {_LIVE}
"""  # noqa: S608 (a constant)

_MONEY = f"""
    SELECT count(*) AS holds, coalesce(sum(h.amount_micros), 0)::bigint AS held_micros, (
        SELECT credit_line(b.credit_limit_micros, w.disputed_micros, b.disputes_lower_credit_percent) - w.owed_micros
        FROM buyers b JOIN wallets w ON w.buyer_id = b.id WHERE b.id = $2
    )::bigint AS all_micros
    FROM rtb_reservations r JOIN wallet_holds h ON h.call_id = r.id AND h.released_at IS NULL AND h.buyer_id = $2
    WHERE {_LIVE}
"""  # noqa: S608 (a constant)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReservedShare:
    """What the reservations of one publisher may hold together, of each target and wallet; one is always allowed."""

    publisher_id: int
    percent: int


async def is_beyond_room(
    connection: asyncpg.Connection, share: ReservedShare, counter_key: str, at_most: int
) -> bool:
    """Tell whether the reservations hold more of a counter than their share of its `at_most`."""
    held = int(await connection.fetchval(_ROOM, share.publisher_id, counter_key))
    return held > max(1, at_most * share.percent // 100)


async def is_beyond_money(connection: asyncpg.Connection, share: ReservedShare, buyer_id: int) -> bool:
    """Tell whether the reservations hold more than their share of what a buyer has: wallet and credit, less debts."""
    row = await connection.fetchrow(_MONEY, share.publisher_id, buyer_id)
    assert row is not None  # sums of nothing are a row too
    if row["holds"] <= 1 or row["all_micros"] is None:
        return False
    return bool(row["held_micros"] * 100 > row["all_micros"] * share.percent)
