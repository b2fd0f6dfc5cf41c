"""What is disputed at this moment is owed again, and exposed: moved a batch at a time, beside whoever settles."""

from __future__ import annotations

from alembic import op

from store.migrations.beside import fill_beside

revision = "0023c_move_open_disputes"
down_revision = "0023b_disputes_reopened"
branch_labels = None
depends_on = None

# Of a database that had this migration before and went back. Nothing else posts on these accounts yet.
_FILL_EXPOSURES = """
INSERT INTO wallets AS w (buyer_id, disputed_micros)
SELECT b.id, sum(p.amount_micros) FROM buyers b
JOIN ledger_postings p ON p.account = 'buyer:' || b.id || '\\:disputed'
WHERE b.id = ANY (:ids) GROUP BY b.id
ON CONFLICT (buyer_id) DO UPDATE SET disputed_micros = excluded.disputed_micros
"""
# What was open had left the buyer's account for `disputed`. Once for each dispute, by the transaction's kind.
_MOVE_OPEN = """
WITH open AS (
    SELECT id, call_id, buyer_id, opening_id FROM disputes
    WHERE id = ANY (:ids) AND state = 'open' AND opening_id IS NOT NULL ORDER BY id FOR UPDATE
), made AS (
    INSERT INTO ledger_transactions (call_id, kind, detail, corrects_id)
    SELECT call_id, 'dispute_moved:' || id, jsonb_build_object('dispute_id', id), opening_id
    FROM open ORDER BY id
    ON CONFLICT DO NOTHING
    RETURNING id, corrects_id
)
INSERT INTO ledger_postings (transaction_id, account, amount_micros)
SELECT made.id, v.account, v.amount
FROM made JOIN open ON open.opening_id = made.corrects_id
JOIN ledger_postings p ON p.transaction_id = open.opening_id AND p.account <> 'disputed'
CROSS JOIN LATERAL (VALUES (p.account, -p.amount_micros),
    ('buyer:' || open.buyer_id || '\\:disputed', -p.amount_micros), ('disputed', 2 * p.amount_micros)
) AS v (account, amount)
"""


def upgrade() -> None:
    fill_beside(op, "buyers", _FILL_EXPOSURES)
    fill_beside(op, "disputes", _MOVE_OPEN)


def downgrade() -> None:
    """What was posted stays; the sums of it go with the column."""
