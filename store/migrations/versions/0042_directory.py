"""People may sign in by the house's directory (OIDC): who they are there, and which of its groups may do what here."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.beside import lock_first

revision = "0042_directory"
down_revision = "0041b_states_of_recordings"
branch_labels = None
depends_on = None

_DIRECTORY = "(directory_issuer is null) = (directory_subject is null)"
_DIRECTORY_ONLY = "directory_subject is null or password_hash = ''"


def upgrade() -> None:
    # A house has few people: their table is altered at once.
    lock_first(op, ("users",), given_triggers=("buyers", "publishers"))
    op.add_column("users", sa.Column("directory_issuer", sa.Text()))
    op.add_column("users", sa.Column("directory_subject", sa.Text()))
    op.add_column("users", sa.Column("directory_confirmed_until", sa.DateTime(timezone=True)))
    op.create_check_constraint("directory", "users", _DIRECTORY)
    op.create_check_constraint("directory_only", "users", _DIRECTORY_ONLY)
    op.create_index("ix_users_directory", "users", ["directory_issuer", "directory_subject"], unique=True)
    op.create_table(
        "directory_grants",
        sa.Column("user_id", sa.BigInteger(), sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("refresh_token", sa.LargeBinary()),
        sa.Column("id_token", sa.LargeBinary()),
        sa.Column("asked_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "directory_groups",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False, unique=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("buyer_id", sa.BigInteger(), sa.ForeignKey("buyers.id")),
        sa.Column("publisher_id", sa.BigInteger(), sa.ForeignKey("publishers.id")),
        sa.CheckConstraint("(buyer_id is not null) = (role = 'buyer')", name="buyer"),
        sa.CheckConstraint("(publisher_id is not null) = (role = 'publisher')", name="publisher"),
    )


def downgrade() -> None:
    """Who signed in by the directory has no password then: an admin makes them a link."""
    op.drop_table("directory_groups")
    op.drop_table("directory_grants")
    op.drop_index("ix_users_directory", "users")
    op.drop_constraint(op.f("ck_users_directory_only"), "users")
    op.drop_constraint(op.f("ck_users_directory"), "users")
    op.drop_column("users", "directory_confirmed_until")
    op.drop_column("users", "directory_subject")
    op.drop_column("users", "directory_issuer")
