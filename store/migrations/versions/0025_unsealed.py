"""A list of what is posted and not sealed yet: no clock says any more when a transaction may still be committed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025_unsealed"
down_revision = "0024c_fill_cash"
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


def upgrade() -> None:
    op.create_table(
        "unsealed_transactions",
        sa.Column("transaction_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("transaction_id", name=op.f("pk_unsealed_transactions")),
    )
    # Waits for whoever is posting now: what they post is put on the list by the next migration, what comes later by
    # the trigger.
    op.execute("LOCK TABLE ledger_transactions IN SHARE ROW EXCLUSIVE MODE")
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
