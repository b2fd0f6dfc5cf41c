"""Trunks' passwords, bidders' secrets and settings are sealed; the database knows by which keys.

Each column is made of another type last, so that its table is written anew: what was bare is gone from its files.
Second factors stay sealed as they were, in a column for bytes: `tollbridge up` and `prepare` seal them by the new keys,
for only they know the older ones.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from store.key_ring import key_ring
from store.migrations.beside import lock_first

revision = "0039_sealed_secrets"
down_revision = "0035_factors"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("trunks", "id", "password", "trunk password"),
    ("ping_endpoints", "target_id", "secret", "bidder secret"),
    ("ping_endpoints", "target_id", "settings", "bidder settings"),
)
_ROWS_AT_ONCE = 1_000


def upgrade() -> None:
    op.create_table(
        "sealing_ring",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("newest", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_sealing_ring_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sealing_ring")),
    )
    op.create_table(
        "sealing_nodes",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("newest", sa.LargeBinary(), nullable=False),
        sa.Column("known", postgresql.ARRAY(sa.LargeBinary()), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_sealing_nodes")),
    )
    lock_first(op, ("trunks", "ping_endpoints", "users"))
    for table, key, column, purpose in _COLUMNS:
        op.execute(
            f"ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT, ALTER COLUMN {column} DROP NOT NULL"
        )
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE text USING {column}::text")
        _change(table, key, column, partial(_sealed, purpose))
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE bytea USING decode({column}, 'base64')")
    op.execute("ALTER TABLE users ALTER COLUMN totp_secret TYPE bytea USING convert_to(totp_secret, 'UTF8')")


def downgrade() -> None:
    """Open everything again. Second factors that are sealed by now open no more: their people need recovery codes."""
    lock_first(op, ("trunks", "ping_endpoints", "users"))
    op.execute(
        "ALTER TABLE users ALTER COLUMN totp_secret TYPE text USING 'v1:' || encode(totp_secret, 'base64')"
    )
    for table, key, column, purpose in _COLUMNS:
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE text USING encode({column}, 'base64')")
        _change(table, key, column, partial(_opened, purpose))
    for column, kind, default in (("secret", "text", "''"), ("settings", "jsonb", "'{}'")):
        op.execute(f"UPDATE ping_endpoints SET {column} = {default} WHERE {column} IS NULL")  # noqa: S608
        op.execute(
            f"ALTER TABLE ping_endpoints ALTER COLUMN {column} TYPE {kind} USING {column}::{kind},"
            f" ALTER COLUMN {column} SET NOT NULL, ALTER COLUMN {column} SET DEFAULT {default}"
        )
    op.drop_table("sealing_nodes")
    op.drop_table("sealing_ring")


def _change(table: str, key: str, column: str, changed: Callable[[str], str]) -> None:
    connection = op.get_bind()
    rows = connection.execute(
        sa.text(f"SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL")  # noqa: S608 (constants)
    ).all()
    values = [{"id": row[0], "text": changed(row[1])} for row in rows]
    for start in range(0, len(values), _ROWS_AT_ONCE):
        statement = sa.text(f"UPDATE {table} SET {column} = :text WHERE {key} = :id")  # noqa: S608
        connection.execute(statement, values[start : start + _ROWS_AT_ONCE])


def _sealed(purpose: str, text: str) -> str:
    return base64.b64encode(key_ring().seal_text(purpose, text)).decode()


def _opened(purpose: str, text: str) -> str:
    return key_ring().unseal_text(purpose, base64.b64decode(text))
