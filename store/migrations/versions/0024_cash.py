"""Payments with one identity: an invoice names the transaction that paid it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024_cash"
down_revision = "0017_take_together_at_once"
branch_labels = None
depends_on = None

# What was paid before is known by the number in its transaction's kind.
_FILL_PAID_BY = """
UPDATE invoices i SET paid_by_id = t.id FROM ledger_transactions t
WHERE i.state = 'paid' AND t.call_id IS NULL AND strpos(t.kind, ':') > 0 AND t.kind = 'invoice_paid:' || i.number
"""


def upgrade() -> None:
    op.add_column("invoices", sa.Column("paid_by_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_invoices_paid_by_id"), "invoices", "ledger_transactions", ["paid_by_id"], ["id"]
    )
    op.create_unique_constraint(op.f("uq_invoices_paid_by_id"), "invoices", ["paid_by_id"])
    op.execute(_FILL_PAID_BY)


def downgrade() -> None:
    op.drop_column("invoices", "paid_by_id")
