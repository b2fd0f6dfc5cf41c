"""The SQL of mails about wallets: one row a notice and person, claimed before it is sent."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import BigInteger, DateTime, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.wallets import Notice

_NOW = bindparam("now", type_=DateTime(timezone=True))

_INSERT_NOTICE = text(
    """
    WITH made AS (
        INSERT INTO wallet_notices (buyer_id, kind, available_micros, noticed_at)
        VALUES (:buyer_id, :kind, :available_micros, :now) RETURNING id
    )
    INSERT INTO wallet_mails (notice_id, user_id, next_try_at)
    SELECT made.id, u.id, :now FROM made
    JOIN users u ON u.buyer_id = :buyer_id AND u.role = 'buyer' AND u.disabled_at IS NULL
    """
).bindparams(
    _NOW,
    bindparam("buyer_id", type_=BigInteger),
    bindparam("kind", type_=Text),
    bindparam("available_micros", type_=BigInteger),
)


async def insert_notice(
    connection: AsyncConnection, buyer_id: int, kind: Notice, available_micros: int, now: dt.datetime
) -> None:
    """Write a notice, and a mail to each person of the buyer."""
    values = {"buyer_id": buyer_id, "kind": kind.value, "available_micros": available_micros, "now": now}
    await connection.execute(_INSERT_NOTICE, values)


@dataclass(frozen=True, kw_only=True)
class DueMail:
    """A mail to send now."""

    notice_id: int
    user_id: int
    email: str
    buyer: str
    kind: Notice
    left_micros: int
    noticed_at: dt.datetime


# What was not sent within a day is no news any more. The next try comes after 1, 2, 4 … minutes, at most an hour.
_CLAIM = text(
    """
    WITH due AS (
        SELECT m.notice_id, m.user_id FROM wallet_mails m
        JOIN wallet_notices n ON n.id = m.notice_id JOIN users u ON u.id = m.user_id
        WHERE m.sent_at IS NULL AND m.next_try_at <= :now AND n.noticed_at > :now - interval '1 day'
            AND u.disabled_at IS NULL AND u.buyer_id = n.buyer_id
        ORDER BY m.notice_id, m.user_id LIMIT :limit FOR UPDATE OF m SKIP LOCKED
    ), claimed AS (
        UPDATE wallet_mails m SET tries = m.tries + 1,
            next_try_at = :now + least(power(2, least(m.tries, 10)), 60) * interval '1 minute'
        FROM due WHERE m.notice_id = due.notice_id AND m.user_id = due.user_id
        RETURNING m.notice_id, m.user_id
    )
    SELECT c.notice_id, c.user_id, u.email, b.name AS buyer, n.kind, n.available_micros AS left_micros, n.noticed_at
    FROM claimed c JOIN wallet_notices n ON n.id = c.notice_id JOIN users u ON u.id = c.user_id
    JOIN buyers b ON b.id = n.buyer_id ORDER BY c.notice_id, c.user_id
    """
).bindparams(_NOW)


async def claim_due(connection: AsyncConnection, now: dt.datetime, limit: int) -> list[DueMail]:
    """Return mails that are due, each to one caller of this only: they are due again a little later."""
    found = await connection.execute(_CLAIM, {"now": now, "limit": limit})
    return [DueMail(**{**row._mapping, "kind": Notice(row.kind)}) for row in found]


_MARK = text(
    """
    WITH sent AS (
        UPDATE wallet_mails SET sent_at = :now WHERE notice_id = :notice_id AND user_id = :user_id
    )
    UPDATE wallet_notices SET told_at = :now WHERE id = :notice_id AND told_at IS NULL
    """
).bindparams(_NOW)


async def mark_sent(connection: AsyncConnection, notice_id: int, user_id: int, now: dt.datetime) -> None:
    await connection.execute(_MARK, {"notice_id": notice_id, "user_id": user_id, "now": now})


@dataclass(frozen=True, kw_only=True)
class NoticeShown:
    """A notice as the buyer's page lists it."""

    kind: Notice
    left_micros: int
    noticed_at: dt.datetime
    told_at: dt.datetime | None
    """When somebody was mailed; None: nobody was, or not yet."""


_OF_BUYER = text(
    """
    SELECT kind, available_micros AS left_micros, noticed_at, told_at FROM wallet_notices
    WHERE buyer_id = :buyer_id ORDER BY id DESC LIMIT :limit
    """
)


async def notices_of_buyer(connection: AsyncConnection, buyer_id: int, limit: int) -> list[NoticeShown]:
    """Return a buyer's newest notices, mailed or not."""
    found = await connection.execute(_OF_BUYER, {"buyer_id": buyer_id, "limit": limit})
    return [NoticeShown(**{**row._mapping, "kind": Notice(row.kind)}) for row in found]
