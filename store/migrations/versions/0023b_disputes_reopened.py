"""A refused call is disputed again only as the dispute that was opened again.

Those who dispute wait for this, nobody else: disputes are few, and between the fill and its rules there is no gap.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.beside import lock_first

revision = "0023b_disputes_reopened"
down_revision = "0023_disputes"
branch_labels = None
depends_on = None

_NAME_REOPENED = """
    UPDATE disputes d SET reopens_id = earlier.id
    FROM (SELECT id AS later_id, lag(id) OVER (PARTITION BY call_id ORDER BY id) AS id FROM disputes) earlier
    WHERE earlier.later_id = d.id AND earlier.id IS NOT NULL
"""


def upgrade() -> None:
    lock_first(op, ("disputes",))
    op.execute(_NAME_REOPENED)
    op.create_unique_constraint(op.f("uq_disputes_reopens_id"), "disputes", ["reopens_id"])
    op.create_index(
        "uq_disputes_first",
        "disputes",
        ["call_id"],
        unique=True,
        postgresql_where=sa.text("reopens_id is null"),
    )
    op.create_index("ix_disputes_buyer_state", "disputes", ["buyer_id", "state"])
    op.create_foreign_key(op.f("fk_disputes_reopens_id"), "disputes", "disputes", ["reopens_id"], ["id"])


def downgrade() -> None:
    op.drop_constraint(op.f("fk_disputes_reopens_id"), "disputes")
    for index in ("ix_disputes_buyer_state", "uq_disputes_first"):
        op.drop_index(index, table_name="disputes")
    op.drop_constraint(op.f("uq_disputes_reopens_id"), "disputes")
