"""Numbers abroad are rung only where an admin lists them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020_dial_destinations"
down_revision = "0019_bids_worth"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dial_destinations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "cost_per_minute_micros", sa.BigInteger(), server_default=sa.text("500000"), nullable=False
        ),
        sa.Column("target_minutes_per_day", sa.Integer(), server_default=sa.text("120"), nullable=False),
        sa.Column(
            "target_micros_per_day", sa.BigInteger(), server_default=sa.text("100000000"), nullable=False
        ),
        sa.Column("trunk_minutes_per_day", sa.Integer(), server_default=sa.text("480"), nullable=False),
        sa.Column(
            "trunk_micros_per_day", sa.BigInteger(), server_default=sa.text("400000000"), nullable=False
        ),
        sa.CheckConstraint(r"prefix ~ '^\+[0-9]{2,15}$'", name=op.f("ck_dial_destinations_prefix")),
        sa.CheckConstraint(
            "cost_per_minute_micros >= 0 and target_minutes_per_day >= 0 and target_micros_per_day >= 0"
            " and trunk_minutes_per_day >= 0 and trunk_micros_per_day >= 0",
            name=op.f("ck_dial_destinations_ceilings"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dial_destinations")),
        sa.UniqueConstraint("prefix", name=op.f("uq_dial_destinations_prefix")),
    )
    op.execute(
        "CREATE TRIGGER dial_destinations_raise_market_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE"
        " ON dial_destinations FOR EACH STATEMENT EXECUTE FUNCTION raise_market_version()"
    )


def downgrade() -> None:
    op.drop_table("dial_destinations")
