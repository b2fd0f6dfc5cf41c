"""Buyers take only calls that follow rules of their own, within what is agreed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012_own_rules"
down_revision = "0011_trunk_states"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "target_limits",
        sa.Column("own_rules", postgresql.JSONB(), nullable=False, server_default=sa.text("'[]'")),
    )


def downgrade() -> None:
    op.drop_column("target_limits", "own_rules")
