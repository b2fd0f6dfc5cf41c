"""The ledger is balanced in the tables of the schema, whatever else is named like them.

Who may post may make temporary tables, too, and those are found first: with one named ledger_postings the trigger
summed that, and a transaction out of balance was committed.
"""

from __future__ import annotations

from alembic import op

revision = "0028_whatever_shadows"
down_revision = "0027_indexes_beside"
branch_labels = None
depends_on = None

_BALANCED = """
CREATE OR REPLACE FUNCTION refuse_unbalanced_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    difference numeric;
BEGIN
    SELECT sum(amount_micros) INTO difference FROM {postings}
    WHERE transaction_id = NEW.transaction_id;
    IF difference <> 0 THEN
        RAISE EXCEPTION 'ledger transaction % is out of balance by % micros', NEW.transaction_id, difference
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_transaction_balanced';
    END IF;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.execute(_BALANCED.format(postings="public.ledger_postings"))


def downgrade() -> None:
    op.execute(_BALANCED.format(postings="ledger_postings"))
