"""The SQL of wallets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import DateTime, bindparam, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.wallets import WalletState
from store.tables import buyers, wallet_notices

_COLUMNS = """
    b.id, b.name, b.prepaid, b.credit_limit_micros, b.low_balance_micros,
    coalesce(w.owed_micros, 0) AS owed_micros, coalesce(w.held_micros, 0) AS held_micros,
    coalesce(w.disputed_micros, 0) AS disputed_micros, b.disputes_lower_credit_percent, w.low_since, w.paused_since
"""
_LINE = "credit_line(b.credit_limit_micros, w.disputed_micros, b.disputes_lower_credit_percent)"
# Only wallets whose state is not what their money says.
_CHANGED = text(
    f"""
    SELECT {_COLUMNS} FROM wallets w JOIN buyers b ON b.id = w.buyer_id
    WHERE coalesce({_LINE} - w.owed_micros <= 0, false) <> (w.paused_since IS NOT NULL)
        OR coalesce({_LINE} - w.owed_micros < b.low_balance_micros, false)
            <> (w.low_since IS NOT NULL)
    ORDER BY b.id LIMIT 500 FOR UPDATE OF w SKIP LOCKED
    """  # noqa: S608 (constants of this file)
)
_LISTED = text(
    f"""
    SELECT {_COLUMNS} FROM buyers b LEFT JOIN wallets w ON w.buyer_id = b.id
    WHERE position(lower(:search) IN lower(b.name)) > 0
        AND (NOT :low OR w.low_since IS NOT NULL OR w.paused_since IS NOT NULL)
        AND (CAST(:after AS text) IS NULL OR (b.name, b.id) > (:after, :after_id))
    ORDER BY b.name, b.id LIMIT CAST(:limit AS bigint)
    """  # noqa: S608 (constants of this file)
)
_ONE = text(
    f"SELECT {_COLUMNS} FROM buyers b LEFT JOIN wallets w ON w.buyer_id = b.id WHERE b.id = :buyer_id"  # noqa: S608
)
_NOTE = text(
    """
    UPDATE wallets SET
        low_since = CASE WHEN :low THEN coalesce(low_since, :now) END,
        paused_since = CASE WHEN :paused THEN coalesce(paused_since, :now) END
    WHERE buyer_id = :buyer_id
    """
).bindparams(bindparam("now", type_=DateTime(timezone=True)))


@dataclass(frozen=True, kw_only=True)
class Wallet:
    """One buyer's wallet."""

    buyer_id: int
    buyer: str
    prepaid: bool
    state: WalletState


async def changed_wallets(connection: AsyncConnection) -> list[Wallet]:
    """Return the wallets whose state is to be looked at again, and lock them."""
    return [_wallet(row) for row in await connection.execute(_CHANGED)]


async def all_wallets(connection: AsyncConnection) -> list[Wallet]:
    """Return every buyer's wallet, by name."""
    return await list_wallets(connection, limit=None)


async def list_wallets(
    connection: AsyncConnection,
    *,
    search: str = "",
    low: bool = False,
    after: tuple[str, int] | None = None,
    limit: int | None,
) -> list[Wallet]:
    """Return wallets by their buyers' names, those that contain a text, after the one of this name and id.

    `low`: only those whose buyer was told that they are low or stopped.
    """
    name, number = after or (None, 0)
    said = {"search": search, "low": low, "after": name, "after_id": number, "limit": limit}
    return [_wallet(row) for row in await connection.execute(_LISTED, said)]


async def wallet_of(connection: AsyncConnection, buyer_id: int) -> Wallet | None:
    """Return one buyer's wallet; None when there is no such buyer."""
    row = (await connection.execute(_ONE, {"buyer_id": buyer_id})).one_or_none()
    return None if row is None else _wallet(row)


def _wallet(row: Any) -> Wallet:
    state = WalletState(
        owed_micros=row.owed_micros,
        held_micros=row.held_micros,
        credit_limit_micros=row.credit_limit_micros,
        low_balance_micros=row.low_balance_micros,
        disputed_micros=row.disputed_micros,
        disputes_lower_credit_percent=row.disputes_lower_credit_percent,
        is_low=row.low_since is not None,
        is_paused=row.paused_since is not None,
    )
    return Wallet(buyer_id=row.id, buyer=row.name, prepaid=row.prepaid, state=state)


async def note_state(
    connection: AsyncConnection, buyer_id: int, *, low: bool, paused: bool, now: dt.datetime
) -> None:
    """Remember what was told."""
    await connection.execute(_NOTE, {"buyer_id": buyer_id, "low": low, "paused": paused, "now": now})


async def open_notices(connection: AsyncConnection, limit: int) -> Sequence[Any]:
    """Return id, buyer, kind, available_micros and noticed_at of notices that nobody was told of yet."""
    query = (
        select(
            wallet_notices.c.id,
            buyers.c.name.label("buyer"),
            wallet_notices.c.kind,
            wallet_notices.c.available_micros,
            wallet_notices.c.noticed_at,
        )
        .join(buyers, buyers.c.id == wallet_notices.c.buyer_id)
        .where(wallet_notices.c.told_at.is_(None))
        .order_by(wallet_notices.c.id)
        .limit(limit)
    )
    return (await connection.execute(query)).all()


async def set_limits(connection: AsyncConnection, buyer_id: int, said: dict[str, Any]) -> None:
    """Change prepaid, credit_limit_micros, low_balance_micros or return_window_hours."""
    await connection.execute(update(buyers).where(buyers.c.id == buyer_id).values(**said))
