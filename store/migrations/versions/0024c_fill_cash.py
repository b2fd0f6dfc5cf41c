"""Which transaction paid each invoice, and which calls were credited whole, beside whoever settles."""

from __future__ import annotations

from alembic import op

from store.migrations.beside import fill_beside

revision = "0024c_fill_cash"
down_revision = "0024b_versions"
branch_labels = None
depends_on = None

# What was paid before is known by the number in its transaction's kind.
_FILL_PAID_BY = """
UPDATE invoices i SET paid_by_id = t.id FROM ledger_transactions t
WHERE i.id = ANY (:ids) AND i.paid_by_id IS NULL AND i.state = 'paid'
    AND t.call_id IS NULL AND strpos(t.kind, ':') > 0 AND t.kind = 'invoice_paid:' || i.number
"""
_CREDITED = """
UPDATE calls SET converted = false FROM disputes d
WHERE d.id = ANY (:ids) AND d.state = 'accepted' AND d.call_id = calls.id AND calls.converted IS DISTINCT FROM false
"""


def upgrade() -> None:
    fill_beside(op, "invoices", _FILL_PAID_BY)
    fill_beside(op, "disputes", _CREDITED)
    op.execute("ALTER TABLE invoices VALIDATE CONSTRAINT fk_invoices_paid_by_id")


def downgrade() -> None:
    """The column goes with the migration before the last; what a call counts as stays."""
