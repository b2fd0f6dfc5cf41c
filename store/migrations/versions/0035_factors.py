"""Who somebody is counts from when they last showed it, and admins and managers show a second factor.

A session knows when its owner last showed who they are and a second factor, and until when it may stay unused.
A one-time code knows the session or token that made it, and the channel that used it: both end together. Answers to an
Idempotency-Key that may hold a secret are forgotten; that their keys were used is not.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.beside import lock_first

revision = "0035_factors"
down_revision = "0034_lists_of_the_owner"
branch_labels = None
depends_on = None

_SESSION = (
    sa.Column("verified_at", sa.DateTime(timezone=True)),
    sa.Column("factor_at", sa.DateTime(timezone=True)),
    sa.Column("idle_until", sa.DateTime(timezone=True)),
)
_CODE = (
    sa.Column("holder_digest", sa.LargeBinary),
    sa.Column("node", sa.Text),
    sa.Column("channel", sa.Text),
)


def upgrade() -> None:
    lock_first(op, ("dial_codes", "api_answers", "users", "web_sessions"))
    for column in _SESSION:
        op.add_column("web_sessions", column)
    op.add_column("users", sa.Column("factor_asked_at", sa.DateTime(timezone=True)))
    op.execute("UPDATE users SET factor_asked_at = now() WHERE role IN ('admin', 'manager')")
    for column in _CODE:
        op.add_column("dial_codes", column)
    op.create_index(
        "ix_dial_codes_at_work", "dial_codes", ["node"], postgresql_where=sa.text("channel IS NOT NULL")
    )
    op.execute("UPDATE api_answers SET body = NULL, headers = NULL")
    op.create_index("ix_api_answers_created_at", "api_answers", ["created_at"])


def downgrade() -> None:
    op.drop_index("ix_api_answers_created_at", table_name="api_answers")
    op.drop_index("ix_dial_codes_at_work", table_name="dial_codes")
    for table, columns in (("dial_codes", _CODE), ("web_sessions", _SESSION)):
        for column in columns:
            op.drop_column(table, column.name)
    op.drop_column("users", "factor_asked_at")
