"""What waits to be sealed is listed by the triggers alone: whoever posts can no longer write on the lists by hand.

An entry that is sealed already counted twice in balances, and so in what may be paid out, until the next seal.
"""

from __future__ import annotations

from alembic import op

revision = "0034_lists_of_the_owner"
down_revision = "0032_more_evidence"
branch_labels = None
depends_on = None

# With the rights of the owner, so everything is named by its schema: temporary tables are found first otherwise.
_FIXED = " SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
_NOTE_POSTED = """
CREATE OR REPLACE FUNCTION note_posted() RETURNS trigger LANGUAGE plpgsql{how} AS $$
BEGIN
    INSERT INTO {schema}report_pending SELECT id FROM made;
    INSERT INTO {schema}unsealed_transactions SELECT id FROM made;
    RETURN NULL;
END $$
"""
_NOTE_UNSEALED = """
CREATE OR REPLACE FUNCTION note_unsealed() RETURNS trigger LANGUAGE plpgsql{how} AS $$
BEGIN
    INSERT INTO {schema}unsealed_notes SELECT id FROM made;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    for function in (_NOTE_POSTED, _NOTE_UNSEALED):
        op.execute(function.format(how=_FIXED, schema="public."))
    # Or a trigger of a temporary table of one's own would list whatever is put there.
    op.execute("REVOKE EXECUTE ON FUNCTION note_posted(), note_unsealed() FROM PUBLIC")


def downgrade() -> None:
    op.execute("GRANT EXECUTE ON FUNCTION note_posted(), note_unsealed() TO PUBLIC")
    for function in (_NOTE_POSTED, _NOTE_UNSEALED):
        op.execute(function.format(how="", schema=""))
