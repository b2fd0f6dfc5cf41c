"""Callers' numbers go from answers to repeated requests, which are sealed from now on, and from saved views."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.key_ring import key_ring
from store.migrations.beside import lock_first

revision = "0043_no_callers_in_answers"
down_revision = "0042_directory"
branch_labels = None
depends_on = None

_UNIQUE = "uq_api_answers_user_id_key"
_DIGESTS = "UPDATE api_answers SET request_digest = :after WHERE user_id = :user_id AND key = :key"


def upgrade() -> None:
    """Answers live for a day: the bodies go, and a repeat is told that its request was done before."""
    lock_first(op, ("api_answers", "saved_views"))
    op.execute("UPDATE api_answers SET body = NULL, headers = NULL")
    connection = op.get_bind()
    # A digest without a key tells the number to anyone who tries all of them.
    if rows := connection.execute(sa.text("SELECT user_id, key, request_digest FROM api_answers")).all():
        changed = [
            {
                "user_id": row.user_id,
                "key": row.key,
                "after": key_ring().blind("api request", row.request_digest.hex()),
            }
            for row in rows
        ]
        connection.execute(sa.text(_DIGESTS), changed)
    # Rotating finds sealed values by their rows' key.
    op.drop_constraint(_UNIQUE, "api_answers")
    op.create_primary_key(op.f("pk_api_answers"), "api_answers", ["user_id", "key"])
    op.execute(
        "UPDATE saved_views SET query = ltrim(regexp_replace(query, '(^|&)caller=[^&]*', '', 'g'), '&')"
        " WHERE query ~ '(^|&)caller='"
    )


def downgrade() -> None:
    """The version before reads answers as they are: it has none of them, and takes other digests for other requests."""
    lock_first(op, ("api_answers",))
    op.execute("UPDATE api_answers SET body = NULL, headers = NULL")
    op.drop_constraint(op.f("pk_api_answers"), "api_answers")
    op.create_unique_constraint(op.f(_UNIQUE), "api_answers", ["user_id", "key"])
