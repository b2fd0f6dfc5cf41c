"""The SQL by which a ledger is proved: each query returns what is wrong, and nothing when all is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.seal_evidence import CHANGED_EVIDENCE, ERASED_CALLERS
from billing.seal_queries import Chain
from store.tables import ledger_postings

AHEAD_SECONDS = 60
"""By so much the clocks of two machines may differ. Who adds a row says when it came: nobody hides one by that."""


async def allow_long_reads(connection: AsyncConnection) -> None:
    """A ledger of years takes longer to read than any statement of a call may, and more memory, up to a bound."""
    await connection.execute(text("SET LOCAL statement_timeout = 0"))
    await connection.execute(text("SET LOCAL work_mem = '32MB'"))


async def export_snapshot(connection: AsyncConnection) -> str:
    """Return a name by which another transaction sees what this one does, while this one lasts."""
    return str(await connection.scalar(select(func.pg_export_snapshot())))


async def take_snapshot(connection: AsyncConnection, name: str) -> None:
    """See what the transaction sees that exported this. It must be the first thing asked of a connection."""
    if not all(part.isalnum() for part in name.split("-")):
        raise ValueError(f"no name of a snapshot: {name!r}")
    await connection.execute(text(f"SET TRANSACTION SNAPSHOT '{name}'"))


async def _first(connection: AsyncConnection, query: str, limit: int) -> Sequence[Any]:
    """Return the first rows of a query that has none as a rule.

    Asked for a few rows PostgreSQL looks each transaction up, as if some were found soon. Nothing is found, so it goes
    through them all: planned for all (hence MATERIALIZED) that takes a third of the time.
    """
    found = await connection.execute(
        text(f"WITH found AS MATERIALIZED ({query}) SELECT * FROM found LIMIT :limit"),  # noqa: S608 (our own)
        {"limit": limit},
    )
    return found.all()


async def unsealed_count(connection: AsyncConnection, chain: Chain, *, older_than_seconds: int) -> int:
    """Return how many rows are in no batch: the list of what waits is not believed, nor a time that is yet to come."""
    found = await connection.execute(
        text(
            f"SELECT count(*) FROM {chain.table} t WHERE"  # noqa: S608 (constants)
            f" ({chain.time} <= now() - :seconds * interval '1 second'"
            f" OR {chain.time} > now() + interval '{AHEAD_SECONDS} seconds')"
            f" AND NOT EXISTS (SELECT FROM {chain.members} s WHERE s.{chain.key} = t.id)"
        ),
        {"seconds": older_than_seconds},
    )
    return int(found.scalar_one())


async def unbalanced_transactions(connection: AsyncConnection, limit: int) -> Sequence[Any]:
    """Return transaction_id and difference of transactions whose postings do not sum to zero."""
    total = func.sum(ledger_postings.c.amount_micros)
    query = select(ledger_postings.c.transaction_id, total.label("difference"))
    query = query.group_by(ledger_postings.c.transaction_id).having(total != 0).limit(limit)
    return (await connection.execute(query)).all()


async def calls_not_settled_once(connection: AsyncConnection, limit: int) -> Sequence[Any]:
    """Return id, state and settlements of calls whose count of settlements is not what it must be.

    A call that ended ten minutes ago must be settled.
    """
    return await _first(
        connection,
        """
            SELECT c.id, c.state, count(t.id) AS settlements
            FROM calls c LEFT JOIN ledger_transactions t ON t.call_id = c.id AND t.kind = 'settlement'
            GROUP BY c.id, c.state
            HAVING count(t.id) <> CASE WHEN c.state = 'settled' THEN 1 ELSE 0 END
                OR (c.state = 'ended' AND c.ended_at < now() - interval '10 minutes')
        """,
        limit,
    )


async def calls_not_as_settled(connection: AsyncConnection, limit: int) -> Sequence[Any]:
    """Return settled calls whose postings are not the price and payout that the call's row states."""
    return await _first(
        connection,
        """
            SELECT c.id, (c.conversion->>'price_micros')::bigint AS price, coalesce(-r.amount_micros, 0) AS posted,
                (c.conversion->>'payout_micros')::bigint AS payout, coalesce(o.amount_micros, 0) AS paid_out
            FROM calls c
            JOIN ledger_transactions t ON t.call_id = c.id AND t.kind = 'settlement'
            LEFT JOIN ledger_postings r ON r.transaction_id = t.id AND r.account = 'revenue'
            LEFT JOIN ledger_postings o ON o.transaction_id = t.id AND o.account = 'payout'
            WHERE c.state = 'settled' AND (
                coalesce(-r.amount_micros, 0) <> (c.conversion->>'price_micros')::bigint
                OR coalesce(o.amount_micros, 0) <> (c.conversion->>'payout_micros')::bigint)
        """,
        limit,
    )


async def calls_of_changed_evidence(connection: AsyncConnection, limit: int) -> Sequence[Any]:
    """Return settled calls that are not what was sealed, as call_id and stray: the evidence is not the sealer's."""
    return await _first(connection, CHANGED_EVIDENCE, limit)


async def erased_callers(connection: AsyncConnection) -> int:
    """Return of how many calls the caller was erased after they were sealed."""
    return int((await connection.execute(text(ERASED_CALLERS))).scalar_one())


async def charges_without_leg(connection: AsyncConnection, limit: int) -> Sequence[Any]:
    """Return call_id and account of settlements that charge a buyer none of whose legs was answered in the call."""
    return await _first(
        connection,
        """
            SELECT t.call_id, p.account
            FROM ledger_transactions t
            JOIN ledger_postings p ON p.transaction_id = t.id AND p.account LIKE 'buyer:%'
            WHERE t.kind = 'settlement' AND NOT EXISTS (
                SELECT FROM legs l JOIN targets g ON g.id = l.target_id
                WHERE l.call_id = t.call_id AND l.answered_ms IS NOT NULL
                    AND split_part(p.account, ':', 2) = g.buyer_id::text)
        """,
        limit,
    )


async def answered_without_effect(connection: AsyncConnection, limit: int) -> Sequence[Any]:
    """Return call_id and attempt of answered legs whose call says it was not connected, or has no settlement."""
    return await _first(
        connection,
        """
            SELECT l.call_id, l.attempt
            FROM legs l JOIN calls c ON c.id = l.call_id
            LEFT JOIN ledger_transactions t ON t.call_id = c.id AND t.kind = 'settlement'
            WHERE l.answered_ms IS NOT NULL AND c.state = 'settled'
                AND (t.id IS NULL OR c.conversion ->> 'verdict' = 'not_connected')
        """,
        limit,
    )


async def wallets_out_of_step(connection: AsyncConnection, limit: int) -> Sequence[Any]:
    """Return wallets that are not what the ledger says, or whose holds do not add up: kept and posted of both."""
    return await _first(
        connection,
        """
            WITH posted AS (
                -- Summed by account first: of millions of postings there are few, and their names are taken apart once.
                SELECT split_part(account, ':', 2)::bigint AS buyer_id, sum(amount) AS amount
                FROM (SELECT account, sum(amount_micros) AS amount
                      FROM ledger_postings WHERE account LIKE 'buyer:%' GROUP BY account) accounts
                WHERE account ~ '^buyer:[0-9]{1,18}:(receivable|wallet)$' GROUP BY 1
            ), held AS (
                SELECT buyer_id, sum(amount_micros) AS amount FROM wallet_holds WHERE released_at IS NULL GROUP BY 1
            )
            SELECT coalesce(w.buyer_id, p.buyer_id) AS buyer_id, coalesce(w.owed_micros, 0) AS kept,
                coalesce(p.amount, 0) AS posted, coalesce(w.held_micros, 0) AS held_kept,
                coalesce(h.amount, 0) AS held
            FROM wallets w FULL JOIN posted p ON p.buyer_id = w.buyer_id
            LEFT JOIN held h ON h.buyer_id = coalesce(w.buyer_id, p.buyer_id)
            WHERE coalesce(w.owed_micros, 0) <> coalesce(p.amount, 0)
                OR coalesce(w.held_micros, 0) <> coalesce(h.amount, 0)
        """,
        limit,
    )


async def exposures_out_of_step(connection: AsyncConnection, limit: int) -> Sequence[Any]:
    """Return buyers whose exposure is not the sum of their open disputes: kept, posted and open, in micros."""
    return await _first(
        connection,
        """
            WITH posted AS (
                SELECT split_part(account, ':', 2)::bigint AS buyer_id, amount
                FROM (SELECT account, sum(amount_micros) AS amount
                      FROM ledger_postings WHERE account LIKE 'buyer:%' GROUP BY account) accounts
                WHERE account ~ '^buyer:[0-9]{1,18}:(disputed)$'
            ), live AS (
                SELECT buyer_id, sum(price_micros) AS amount FROM disputes
                WHERE state = 'open' AND opening_id IS NOT NULL GROUP BY 1
            )
            SELECT b.id AS buyer_id, coalesce(w.disputed_micros, 0) AS kept, coalesce(p.amount, 0) AS posted,
                coalesce(l.amount, 0) AS live
            FROM buyers b LEFT JOIN wallets w ON w.buyer_id = b.id LEFT JOIN posted p ON p.buyer_id = b.id
            LEFT JOIN live l ON l.buyer_id = b.id
            WHERE coalesce(w.disputed_micros, 0) <> coalesce(p.amount, 0)
                OR coalesce(p.amount, 0) <> coalesce(l.amount, 0)
        """,
        limit,
    )


async def balances_out_of_step(connection: AsyncConnection, limit: int) -> Sequence[Any]:
    """Return account, kept and posted of sealed balances that are not the sum of what is sealed."""
    return await _first(
        connection,
        """
            SELECT coalesce(b.account, p.account) AS account, coalesce(b.amount_micros, 0) AS kept,
                coalesce(p.amount, 0) AS posted
            FROM sealed_balances b FULL JOIN (
                SELECT p.account, sum(p.amount_micros) AS amount
                FROM ledger_sealed_transactions s JOIN ledger_postings p ON p.transaction_id = s.transaction_id
                GROUP BY p.account) p ON p.account = b.account
            WHERE coalesce(b.amount_micros, 0) <> coalesce(p.amount, 0)
        """,
        limit,
    )
