"""What a publisher's ping was promised is a record of its own, beside the bid of an auction; and what a campaign may
lose by promises in a day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.beside import lock_first

revision = "0018_promises"
down_revision = "0017_take_together_at_once"
branch_labels = None
depends_on = None


def upgrade() -> None:
    lock_first(op, ("campaigns", "rtb_reservations"))
    op.add_column("rtb_reservations", sa.Column("bid_minimum_connected_ms", sa.Integer()))
    op.add_column("rtb_reservations", sa.Column("share_ppm", sa.Integer()))
    op.add_column(
        "rtb_reservations",
        sa.Column("margin_micros", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
    )
    op.add_column(
        "campaigns",
        sa.Column("daily_loss_micros", sa.BigInteger(), nullable=False, server_default=sa.text("100000000")),
    )
    op.create_check_constraint("daily_loss", "campaigns", "daily_loss_micros >= 0")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_campaigns_daily_loss"), "campaigns")
    op.drop_column("campaigns", "daily_loss_micros")
    for name in ("margin_micros", "share_ppm", "bid_minimum_connected_ms"):
        op.drop_column("rtb_reservations", name)
