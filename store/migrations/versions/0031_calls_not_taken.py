"""What bidders' calls lasted is counted with those they were handed and did not take, and with one length more.

The worker counts all of it again within a minute; what was counted by the old lengths must not be read by the new ones.
"""

from __future__ import annotations

from alembic import op

revision = "0031_calls_not_taken"
down_revision = "0029_hold_what_it_cost"
branch_labels = None
depends_on = None

_COUNT_AGAIN = "UPDATE bidder_records SET lasted = '{}'"


def upgrade() -> None:
    op.execute(_COUNT_AGAIN)


def downgrade() -> None:
    op.execute(_COUNT_AGAIN)
