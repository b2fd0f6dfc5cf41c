"""How a node's trunks are with their carriers, and how often their addresses are asked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011_trunk_states"
down_revision = "0010_web"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "trunks",
        sa.Column("check_every_seconds", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.create_table(
        "trunk_states",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("trunk_id", sa.BigInteger(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("round_trip_us", sa.Integer(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["trunk_id"], ["trunks.id"], name=op.f("fk_trunk_states_trunk_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("node", "trunk_id", "peer", name=op.f("pk_trunk_states")),
    )


def downgrade() -> None:
    op.drop_table("trunk_states")
    op.drop_column("trunks", "check_every_seconds")
