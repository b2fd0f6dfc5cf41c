"""Which reservations that are there hold or held room, beside whoever makes and takes them."""

from __future__ import annotations

from alembic import op

from store.migrations.beside import fill_beside

revision = "0022b_fill_held_room"
down_revision = "0022_ping_limits"
branch_labels = None
depends_on = None

_HELD = """
UPDATE rtb_reservations SET held_room = true
WHERE id = ANY (:ids) AND NOT held_room AND state IN ('confirmed', 'used')
"""


def upgrade() -> None:
    fill_beside(op, "rtb_reservations", _HELD)


def downgrade() -> None:
    """The column goes with the migration before."""
