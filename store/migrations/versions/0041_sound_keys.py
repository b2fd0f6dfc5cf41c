"""Recordings and voice messages are sealed on the disk, by a key of their call that can be destroyed.

The workers seal what is stored in the clear once they run; nothing is changed here but the tables.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.beside import lock_first

revision = "0041_sound_keys"
down_revision = "0040c_no_plain_callers"
branch_labels = None
depends_on = None

_STATES = "'recording', 'stored', 'refused', 'missing'"


def upgrade() -> None:
    lock_first(op, ("recordings",), ("calls",))
    _have_states(f"{_STATES}, 'erased'")
    op.create_table(
        "sound_keys",
        sa.Column("call_id", sa.Uuid, sa.ForeignKey("calls.id"), primary_key=True),
        sa.Column("key_sealed", sa.LargeBinary),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("destroyed_at", sa.DateTime(timezone=True)),
        sa.Column("files_gone_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "(key_sealed is null) = (destroyed_at is not null)", name=op.f("ck_sound_keys_destroyed")
        ),
    )
    op.create_index(
        "ix_sound_keys_files_left",
        "sound_keys",
        ["destroyed_at"],
        postgresql_where=sa.text("destroyed_at is not null and files_gone_at is null"),
    )


def downgrade() -> None:
    if op.get_bind().scalar(sa.text("SELECT EXISTS (SELECT FROM sound_keys)")):
        raise RuntimeError("sounds are sealed by keys in this table: without them they are lost")
    op.drop_table("sound_keys")
    _have_states(_STATES)


def _have_states(states: str) -> None:
    """No row has to be looked at: each that is there is in one of the states of before."""
    op.drop_constraint(op.f("ck_recordings_state"), "recordings", type_="check")
    op.execute(
        f"ALTER TABLE recordings ADD CONSTRAINT ck_recordings_state CHECK (state IN ({states})) NOT VALID"
    )
