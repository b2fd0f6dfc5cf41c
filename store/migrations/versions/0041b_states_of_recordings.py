"""PostgreSQL looks once whether every recording is in a state there is. It holds up nobody."""

from __future__ import annotations

from alembic import op

revision = "0041b_states_of_recordings"
down_revision = "0041_sound_keys"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE recordings VALIDATE CONSTRAINT ck_recordings_state")


def downgrade() -> None:
    """Nothing to take back: what was looked at is as it was."""
