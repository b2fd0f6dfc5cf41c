"""Bids count for what they are worth: how long a target's calls last, what its wins came to, and ceilings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from store.migrations.beside import lock_first

revision = "0019_bids_worth"
down_revision = "0018b_fill_promises"
branch_labels = None
depends_on = None

_ENDPOINTS = {
    "highest_bid_micros": (sa.BigInteger(), "1000000000", "highest_bid", "highest_bid_micros > 0"),
    "longest_minimum_seconds": (sa.Integer(), "600", "longest_minimum", "longest_minimum_seconds >= 0"),
    "most_refused_percent": (sa.Integer(), "60", "most_refused", "most_refused_percent between 0 and 100"),
    "least_paid_percent": (sa.Integer(), "25", "least_paid", "least_paid_percent between 0 and 100"),
}
_STAGES = ("highest_bid_micros", "longest_minimum_seconds")


def upgrade() -> None:
    lock_first(op, ("ping_endpoints", "plan_stages", "pings"), given_triggers=("targets",))
    for column, (kind, default, name, condition) in _ENDPOINTS.items():
        op.add_column(
            "ping_endpoints", sa.Column(column, kind, server_default=sa.text(default), nullable=False)
        )
        op.create_check_constraint(op.f(f"ck_ping_endpoints_{name}"), "ping_endpoints", condition)
    for column in _STAGES:
        kind, _, name, condition = _ENDPOINTS[column]
        op.add_column("plan_stages", sa.Column(column, kind, nullable=True))
        op.create_check_constraint(op.f(f"ck_plan_stages_{name}"), "plan_stages", condition)
    op.add_column("pings", sa.Column("worth_micros", sa.BigInteger(), nullable=True))
    op.create_table(
        "bidder_records",
        sa.Column("target_id", sa.BigInteger(), nullable=False),
        sa.Column("lasted", postgresql.ARRAY(sa.Integer()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("won", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("refused", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("unpaid", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("worth_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("paid_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rested_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rest_seconds", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("why", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("hides_caller", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(
            ["target_id"], ["targets.id"], name=op.f("fk_bidder_records_target_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("target_id", name=op.f("pk_bidder_records")),
    )


def downgrade() -> None:
    op.drop_table("bidder_records")
    op.drop_column("pings", "worth_micros")
    for column in _STAGES:
        op.drop_column("plan_stages", column)
    for column in _ENDPOINTS:
        op.drop_column("ping_endpoints", column)
