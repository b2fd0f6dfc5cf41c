"""The plain numbers go: what was written meanwhile is sealed, the columns are dropped, and the rows are written again.

What is in a dropped column stays in each row that was there until the row is written again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.beside import lock_first
from store.migrations.seal_beside import (
    CALLS,
    DIAL_CODES,
    EVERYWHERE,
    REQUESTS,
    RESERVATIONS,
    SUPPRESSIONS,
    TEST_CALLS,
    seal_rest,
    write_anew,
)

revision = "0040c_no_plain_callers"
down_revision = "0040b_seal_callers"
branch_labels = None
depends_on = None

_DROPPED = (TEST_CALLS, DIAL_CODES, REQUESTS, SUPPRESSIONS, RESERVATIONS, CALLS)
_SUPPRESSIONS_KEY = """
ALTER TABLE buyer_suppressions DROP CONSTRAINT pk_buyer_suppressions,
    ALTER caller_index SET NOT NULL, ALTER caller_sealed SET NOT NULL,
    ADD CONSTRAINT pk_buyer_suppressions PRIMARY KEY USING INDEX ux_buyer_suppressions
"""
_BLOCKED = (
    "ALTER TABLE blocked_callers DROP CONSTRAINT ck_blocked_callers_value,"
    " DROP CONSTRAINT uq_blocked_callers_kind_value_campaign_id",
    # Only where there is one: a statement on this table, even of no rows, makes every node read the market again.
    "DO $$ BEGIN IF EXISTS (SELECT FROM blocked_callers WHERE kind = 'number') THEN"
    " UPDATE blocked_callers SET value = '' WHERE kind = 'number'; END IF; END $$",
    "ALTER TABLE blocked_callers"
    " ADD CONSTRAINT ck_blocked_callers_value CHECK ((kind = 'prefix') = (value <> '')),"
    " ADD CONSTRAINT ck_blocked_callers_number CHECK ((kind = 'number') = (caller_index IS NOT NULL)"
    " AND (kind = 'number') = (caller_sealed IS NOT NULL)),"
    " ADD CONSTRAINT uq_blocked_callers_rule UNIQUE NULLS NOT DISTINCT (kind, value, caller_index, campaign_id)",
)
_BLOCKED_AS_IT_WAS = (
    "ALTER TABLE blocked_callers DROP CONSTRAINT ck_blocked_callers_value,"
    " DROP CONSTRAINT ck_blocked_callers_number, DROP CONSTRAINT uq_blocked_callers_rule"
)


def upgrade() -> None:
    # It is begun again when it met a lock, and the columns may be gone then.
    if any(column["name"] == "caller" for column in sa.inspect(op.get_bind()).get_columns("calls")):
        lock_first(op, [one.table for one in EVERYWHERE])
        for one in EVERYWHERE:
            seal_rest(op, one)
        op.execute(_SUPPRESSIONS_KEY)
        op.alter_column("test_calls", "caller_sealed", nullable=False)
        for one in _DROPPED:
            op.drop_column(one.table, "caller")
        for statement in _BLOCKED:
            op.execute(statement)
    write_anew(op, "calls", ("id",), "node")
    write_anew(op, "rtb_reservations", ("id",), "state")
    write_anew(op, "no_buyer_requests", ("id",), "node")
    write_anew(op, "buyer_suppressions", ("buyer_id", "caller_index"), "reason")


def downgrade() -> None:
    """The numbers are written into the columns by the migration before."""
    for one in _DROPPED:
        op.add_column(one.table, sa.Column("caller", sa.Text()))
    op.execute(_BLOCKED_AS_IT_WAS)
