"""Reports: sums of whole numbers that stay whole numbers.

PostgreSQL's own sum of a bigint is a numeric, made anew for each figure of each row of a report: two thirds of the
time a report took. A sum that does not fit is an error here as it was there.
"""

from __future__ import annotations

from alembic import op

revision = "0015_add_up"
down_revision = "0014_test_calls"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE AGGREGATE add_up(bigint) (SFUNC = int8pl, STYPE = bigint, COMBINEFUNC = int8pl, PARALLEL = SAFE)"
    )


def downgrade() -> None:
    op.execute("DROP AGGREGATE add_up(bigint)")
