"""What was bid for the reservations that are there, beside whoever makes and takes them."""

from __future__ import annotations

from alembic import op

from store.migrations.beside import fill_beside

revision = "0018b_fill_promises"
down_revision = "0018_promises"
branch_labels = None
depends_on = None

_HAD_NO_AUCTION = "jsonb_typeof(coalesce(detail -> 'auction', 'null')) = 'null'"

# What the buyer's terms listed stood there as if it had been bid.
_NOT_BID = f"""
UPDATE rtb_reservations SET bid_micros = NULL
WHERE id = ANY (:ids) AND bid_micros IS NOT NULL AND {_HAD_NO_AUCTION}
"""  # noqa: S608 (a constant of this file)
_BID = f"""
UPDATE rtb_reservations SET bid_minimum_connected_ms = minimum_connected_ms
WHERE id = ANY (:ids) AND bid_minimum_connected_ms IS NULL AND minimum_connected_ms IS NOT NULL
    AND NOT {_HAD_NO_AUCTION}
"""  # noqa: S608 (a constant of this file)


def upgrade() -> None:
    fill_beside(op, "rtb_reservations", _NOT_BID)
    fill_beside(op, "rtb_reservations", _BID)


def downgrade() -> None:
    """The columns go with the migration before."""
