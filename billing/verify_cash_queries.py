"""The SQL by which cash, receivables, payables and invoices are proved to agree: each returns what does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# Of each invoice or statement the accounts of its party, and which of them is paid in cash. Above zero on them is owed
# to us; `sign` turns that into what the document says.
_DOCUMENTS = """
    documents AS (
        SELECT i.id, i.number, i.state, i.party, i.party_id, i.total_micros, i.paid_by_id,
            CASE i.party WHEN 'buyer' THEN 1 ELSE -1 END AS sign,
            CASE i.party WHEN 'buyer' THEN 'buyer:' || i.party_id || '\\:receivable'
                ELSE 'publisher:' || i.party_id || '\\:payable' END AS open_on,
            CASE i.party WHEN 'buyer' THEN 'buyer:' || i.party_id || '\\:wallet' END AS in_advance
        FROM invoices i WHERE i.kind <> 'credit_note' AND i.state <> 'void'
    )
"""

_NOT_AS_POSTED = text(
    f"""
    WITH {_DOCUMENTS}
    SELECT d.id, d.number, d.total_micros, coalesce(l.lines, 0)::bigint AS lines,
        coalesce(l.posted, 0)::bigint AS posted
    FROM documents d LEFT JOIN LATERAL (
        SELECT sum(one.amount_micros) AS lines, sum(d.sign * coalesce((
            SELECT sum(p.amount_micros) FROM ledger_postings p
            WHERE p.transaction_id = one.transaction_id AND p.account IN (d.open_on, d.in_advance)), 0)) AS posted
        FROM invoice_lines one WHERE one.invoice_id = d.id
    ) l ON true
    WHERE d.total_micros <> coalesce(l.lines, 0) OR d.total_micros <> coalesce(l.posted, 0)
    ORDER BY d.id LIMIT :limit
    """  # noqa: S608 (constants of this file)
)


async def invoices_not_as_posted(connection: AsyncConnection, limit: int) -> Sequence[Any]:
    """Return number, total, sum of lines, and what the lines' transactions posted, of documents where they differ."""
    return (await connection.execute(_NOT_AS_POSTED, {"limit": limit})).all()


# A payment is found by the invoice's own link, and by what its transaction says, whoever wrote it.
_NOT_AS_PAID = text(
    f"""
    WITH {_DOCUMENTS}, paying AS (
        SELECT d.id, t.id AS transaction_id FROM documents d JOIN ledger_transactions t ON t.id = d.paid_by_id
        UNION
        SELECT d.id, t.id FROM ledger_transactions t JOIN documents d
            ON d.number = coalesce(t.detail ->> 'invoice', substr(t.kind, 14))
        WHERE t.call_id IS NULL AND strpos(t.kind, ':') > 0 AND t.kind LIKE 'invoice\\_paid:%'
    ), paid AS (
        SELECT d.id, sum(p.amount_micros) AS amount FROM paying JOIN documents d ON d.id = paying.id
        JOIN ledger_postings p ON p.transaction_id = paying.transaction_id AND p.account = d.open_on GROUP BY d.id
    ), due AS (
        SELECT d.id, sum(p.amount_micros) AS amount FROM documents d JOIN invoice_lines l ON l.invoice_id = d.id
        JOIN ledger_postings p ON p.transaction_id = l.transaction_id AND p.account = d.open_on GROUP BY d.id
    )
    SELECT d.number, d.state, d.open_on AS account, (d.sign * coalesce(due.amount, 0))::bigint AS due,
        (-d.sign * coalesce(paid.amount, 0))::bigint AS paid
    FROM documents d LEFT JOIN due ON due.id = d.id LEFT JOIN paid ON paid.id = d.id
    WHERE -coalesce(paid.amount, 0) <> CASE d.state WHEN 'paid' THEN coalesce(due.amount, 0) ELSE 0 END
    ORDER BY d.id LIMIT :limit
    """  # noqa: S608 (constants of this file)
)


async def invoices_not_as_paid(connection: AsyncConnection, limit: int) -> Sequence[Any]:
    """Return number, state, account, due and paid of documents for which another sum was paid than is due."""
    return (await connection.execute(_NOT_AS_PAID, {"limit": limit})).all()


_STRAY = text(
    """
    SELECT t.id AS transaction_id, t.kind, p.amount_micros AS cash
    FROM ledger_postings p JOIN ledger_transactions t ON t.id = p.transaction_id
    WHERE p.account = 'cash' AND split_part(t.kind, ':', 1) <> ALL (:uses)
    UNION ALL
    SELECT t.id, t.kind, coalesce((
        SELECT amount_micros FROM ledger_postings WHERE transaction_id = t.id AND account = 'cash'), 0)
    FROM ledger_transactions t
    WHERE t.call_id IS NULL AND strpos(t.kind, ':') > 0 AND t.kind LIKE 'invoice\\_paid:%'
        AND NOT EXISTS (SELECT FROM invoices i WHERE i.paid_by_id = t.id
            OR i.number = coalesce(t.detail ->> 'invoice', substr(t.kind, 14)))
    ORDER BY 1 LIMIT :limit
    """
)


async def stray_cash(connection: AsyncConnection, uses: Sequence[str], limit: int) -> Sequence[Any]:
    """Return transactions that move cash and are no payment, or pay an invoice that is not there."""
    return (await connection.execute(_STRAY, {"uses": list(uses), "limit": limit})).all()


_TWICE = text(
    """
    SELECT substr(t.kind, strpos(t.kind, ':') + 1) AS key, array_agg(split_part(t.kind, ':', 1) ORDER BY t.id) AS uses,
        array_agg(t.id ORDER BY t.id) AS ids
    FROM ledger_transactions t
    WHERE t.call_id IS NULL AND strpos(t.kind, ':') > 0 AND split_part(t.kind, ':', 1) = ANY (:uses)
    GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT :limit
    """
)


async def recorded_twice(connection: AsyncConnection, uses: Sequence[str], limit: int) -> Sequence[Any]:
    """Return key, uses and transactions of payments that were recorded for more than one use."""
    return (await connection.execute(_TWICE, {"uses": list(uses), "limit": limit})).all()


# Honest ones are never found, however long a transaction was open. A payout is numbered after it looked, and the lowest
# numbers are sealed first: whatever it saw is sealed with it or before, and that counts for it. What took away counts
# against it only when it was sealed ten minutes (sealers' clocks differ) before the payout's transaction began.
_PAID_TOO_MUCH = text(
    """
    WITH out AS (
        SELECT DISTINCT split_part(p.account, ':', 1) || ':' || split_part(p.account, ':', 2) AS party
        FROM ledger_transactions t JOIN ledger_postings c ON c.transaction_id = t.id AND c.account = 'cash'
        JOIN ledger_postings p ON p.transaction_id = t.id AND p.account <> 'cash'
        WHERE c.amount_micros < 0 AND split_part(t.kind, ':', 1) = ANY (:uses)
    ), moved AS (
        SELECT out.party, t.id, t.kind, t.posted_at, sum(p.amount_micros) AS amount,
            split_part(t.kind, ':', 1) = ANY (:uses) AND EXISTS (SELECT FROM ledger_postings c
                WHERE c.transaction_id = t.id AND c.account = 'cash' AND c.amount_micros < 0) AS is_out
        FROM out JOIN ledger_postings p ON p.account IN (
            out.party || '\\:payable', out.party || '\\:wallet', out.party || '\\:receivable')
        JOIN ledger_transactions t ON t.id = p.transaction_id GROUP BY out.party, t.id
    ), points AS (
        SELECT moved.*, coalesce(m.batch, 9223372036854775807) AS batch, CASE WHEN is_out
            THEN posted_at - interval '10 minutes' ELSE coalesce(s.sealed_at, 'infinity') END AS at
        FROM moved LEFT JOIN ledger_sealed_transactions m ON m.transaction_id = moved.id
        LEFT JOIN ledger_seals s ON s.batch = m.batch
    ), after AS (
        SELECT party, id, kind, is_out,
            coalesce(sum(-amount) FILTER (WHERE amount < 0) OVER (PARTITION BY party ORDER BY batch
                RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW), 0) AS earned,
            coalesce(sum(amount) FILTER (WHERE amount > 0 AND NOT is_out) OVER (PARTITION BY party ORDER BY at
                RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW), 0) AS taken,
            coalesce(sum(amount) FILTER (WHERE amount > 0 AND is_out) OVER (PARTITION BY party ORDER BY id), 0) AS paid
        FROM points
    )
    SELECT party, id AS transaction_id, kind, (paid + taken - earned)::bigint AS too_much
    FROM after WHERE is_out AND paid + taken > earned ORDER BY id LIMIT :limit
    """
)


async def paid_too_much(connection: AsyncConnection, uses: Sequence[str], limit: int) -> Sequence[Any]:
    """Return party, transaction and kind of refunds and payouts beyond what the party had, and by how much."""
    return (await connection.execute(_PAID_TOO_MUCH, {"uses": list(uses), "limit": limit})).all()
