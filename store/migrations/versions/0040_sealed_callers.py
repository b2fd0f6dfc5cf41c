"""Callers' numbers are sealed: columns for the sealed number, its keyed index and its area code, beside the plain one.

The rows are sealed beside anyone who reads and writes (0040b); then the plain columns go (0040c).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.beside import lock_first

revision = "0040_sealed_callers"
down_revision = "0039b_no_secrets_in_markets"
branch_labels = None
depends_on = None

_INDEXED = ("calls", "rtb_reservations", "buyer_suppressions", "no_buyer_requests", "blocked_callers")
_SEALED = ("test_calls", "dial_codes", *_INDEXED)
_WITH_AREA = ("calls", "buyer_suppressions")


def upgrade() -> None:
    lock_first(op, tuple(reversed(_SEALED)))
    for table in _SEALED:
        op.add_column(table, sa.Column("caller_sealed", sa.LargeBinary()))
    for table in _INDEXED:
        op.add_column(table, sa.Column("caller_index", sa.LargeBinary()))
    for table in _WITH_AREA:
        op.add_column(table, sa.Column("caller_area", sa.Text()))


def downgrade() -> None:
    for table in _WITH_AREA:
        op.drop_column(table, "caller_area")
    for table in _INDEXED:
        op.drop_column(table, "caller_index")
    for table in _SEALED:
        op.drop_column(table, "caller_sealed")
