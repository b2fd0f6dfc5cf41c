"""Whatever was noted before there was a list of it is put there, beside whoever writes notes."""

from __future__ import annotations

from alembic import op

from store.migrations.beside import fill_beside

revision = "0026b_fill_unsealed_notes"
down_revision = "0026_signed_seals"
branch_labels = None
depends_on = None

_FILL = """
INSERT INTO unsealed_notes SELECT id FROM audit_log WHERE id = ANY (:ids) ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    fill_beside(op, "audit_log", _FILL)


def downgrade() -> None:
    """The list goes with the migration before."""
