"""A list of what is posted and not sealed yet: no clock says any more when a transaction may still be committed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025_unsealed"
down_revision = "0018_promises"
branch_labels = None
depends_on = None

_NOTE_POSTED = """
CREATE OR REPLACE FUNCTION note_posted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO report_pending SELECT id FROM made;
    INSERT INTO unsealed_transactions SELECT id FROM made;
    RETURN NULL;
END $$
"""
_FILL = """
INSERT INTO unsealed_transactions SELECT t.id FROM ledger_transactions t
WHERE NOT EXISTS (SELECT FROM ledger_sealed_transactions s WHERE s.transaction_id = t.id)
"""


def upgrade() -> None:
    op.create_table(
        "unsealed_transactions",
        sa.Column("transaction_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("transaction_id", name=op.f("pk_unsealed_transactions")),
    )
    # Waits for whoever is posting now: what they post is in the list by the fill, what comes later by the trigger.
    op.execute("LOCK TABLE ledger_transactions IN SHARE ROW EXCLUSIVE MODE")
    op.execute(_FILL)
    op.execute("ALTER FUNCTION note_posted_for_reports() RENAME TO note_posted")
    op.execute(_NOTE_POSTED)


def downgrade() -> None:
    op.execute("ALTER FUNCTION note_posted() RENAME TO note_posted_for_reports")
    op.execute(
        _NOTE_POSTED.replace("note_posted()", "note_posted_for_reports()").replace(
            "    INSERT INTO unsealed_transactions SELECT id FROM made;\n", ""
        )
    )
    op.drop_table("unsealed_transactions")
