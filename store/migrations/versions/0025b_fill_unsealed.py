"""Whatever was posted before there was a list of it is put there, beside whoever posts."""

from __future__ import annotations

from alembic import op

from store.migrations.beside import fill_beside

revision = "0025b_fill_unsealed"
down_revision = "0025_unsealed"
branch_labels = None
depends_on = None

_FILL = """
INSERT INTO unsealed_transactions SELECT t.id FROM ledger_transactions t
WHERE t.id = ANY (:ids)
    AND NOT EXISTS (SELECT FROM ledger_sealed_transactions s WHERE s.transaction_id = t.id)
ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    fill_beside(op, "ledger_transactions", _FILL)


def downgrade() -> None:
    """The list goes with the migration before."""
