"""Indexes on tables that grow with calls and pings, made beside whoever writes there.

What a bidder's wins came to is read from its posts; how many pings became calls from those that held room, without
reading the rows themselves, which are long.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.beside import create_index_beside

revision = "0027_indexes_beside"
down_revision = "0026b_fill_unsealed_notes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index_beside(
        op, "ix_pings_posts", "pings", ["target_id", "sent_at"], postgresql_where=sa.text("kind = 'post'")
    )
    create_index_beside(
        op,
        "ix_rtb_reservations_judged",
        "rtb_reservations",
        ["rtb_key_id", "created_at", "state"],
        postgresql_where=sa.text("held_room"),
    )


def downgrade() -> None:
    op.drop_index("ix_rtb_reservations_judged", table_name="rtb_reservations")
    op.drop_index("ix_pings_posts", table_name="pings")
