"""What publishers' pings may hold: how many of a key's pings became calls, and when a campaign's calls go before them.

And beside the wall clock of each row of Asterisk's log: how far it was from a clock that nobody sets.

Keys that are there get the limits that new ones get; a key is warned a day before too few calls per ping bind it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.beside import lock_first

revision = "0022_ping_limits"
down_revision = "0020b_one_spelling"
branch_labels = None
depends_on = None


def upgrade() -> None:
    lock_first(op, ("rtb_keys", "campaigns", "cel_rows", "rtb_reservations"))
    zero = sa.text("0")
    op.add_column("rtb_keys", sa.Column("pings_won", sa.BigInteger(), server_default=zero, nullable=False))
    op.add_column("rtb_keys", sa.Column("pings_called", sa.BigInteger(), server_default=zero, nullable=False))
    op.add_column("rtb_keys", sa.Column("warned_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "rtb_reservations",
        sa.Column("held_room", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column(
        "campaigns",
        sa.Column("pings_yield_after_seconds", sa.Integer(), server_default=sa.text("10"), nullable=True),
    )
    op.create_check_constraint(
        op.f("ck_campaigns_pings_yield"), "campaigns", "pings_yield_after_seconds between 0 and 900"
    )

    op.add_column("cel_rows", sa.Column("clock", sa.Text(), server_default=sa.text("''"), nullable=False))


def downgrade() -> None:
    op.drop_column("cel_rows", "clock")
    op.drop_constraint(op.f("ck_campaigns_pings_yield"), "campaigns")
    op.drop_column("campaigns", "pings_yield_after_seconds")
    op.drop_column("rtb_reservations", "held_room")
    for name in ("warned_at", "pings_called", "pings_won"):
        op.drop_column("rtb_keys", name)
