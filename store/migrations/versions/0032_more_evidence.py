"""More of a settled call is sealed: its times, numbers, flow, tags, answers and, blinded, its caller.

The evidence bears its batch's salt, which nobody knows before the batch is there: who writes evidence of their own takes
the place of no other. What was sealed before stays as it is: its digests cover what they did.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032_more_evidence"
down_revision = "0031_calls_not_taken"
branch_labels = None
depends_on = None

_SALT_OF_SEALED = """
UPDATE ledger_evidence e SET salt = s.salt
FROM ledger_sealed_transactions m JOIN ledger_seals s ON s.batch = m.batch WHERE m.transaction_id = e.transaction_id
"""
_SEALS = ("ledger_seals", "audit_seals")
_SEAL = (
    "batch between 1 and 4611686018427387904"
    " and sealed_at between '2000-01-01 00:00:00Z' and '9000-01-01 00:00:00Z'"
)
# Evidence of the new kind says nothing to the version before: all is sealed again, the folder of roots moved away.
_SEAL_AGAIN = (
    "INSERT INTO unsealed_transactions SELECT transaction_id FROM ledger_sealed_transactions ON CONFLICT DO NOTHING",
    "TRUNCATE ledger_sealed_transactions, ledger_seals, ledger_evidence",
    "DELETE FROM sealed_balances",
)
_IMMUTABLE = ("ledger_evidence", "ledger_sealed_transactions", "ledger_seals")


def _triggers(what: str) -> None:
    for table in _IMMUTABLE:
        op.execute(f"ALTER TABLE {table} {what} TRIGGER USER")


def upgrade() -> None:
    op.add_column(
        "ledger_evidence", sa.Column("salt", sa.LargeBinary(), nullable=False, server_default=sa.text("''"))
    )
    _triggers("DISABLE")
    op.execute(_SALT_OF_SEALED)
    _triggers("ENABLE")
    op.alter_column("ledger_evidence", "salt", server_default=None)
    op.add_column("ledger_evidence", sa.Column("answers", postgresql.ARRAY(sa.Integer())))
    op.add_column("ledger_evidence", sa.Column("tags", postgresql.ARRAY(sa.Text())))
    op.add_column("ledger_evidence", sa.Column("caller_digest", sa.LargeBinary()))
    op.drop_constraint(op.f("pk_ledger_evidence"), "ledger_evidence")
    op.create_primary_key(op.f("pk_ledger_evidence"), "ledger_evidence", ["transaction_id", "salt"])
    for table in _SEALS:
        op.create_check_constraint(op.f(f"ck_{table}_possible"), table, _SEAL)


def downgrade() -> None:
    for table in _SEALS:
        op.drop_constraint(op.f(f"ck_{table}_possible"), table)
    _triggers("DISABLE")
    for statement in _SEAL_AGAIN:
        op.execute(statement)
    _triggers("ENABLE")
    op.drop_constraint(op.f("pk_ledger_evidence"), "ledger_evidence")
    op.create_primary_key(op.f("pk_ledger_evidence"), "ledger_evidence", ["transaction_id"])
    for column in ("caller_digest", "tags", "answers", "salt"):
        op.drop_column("ledger_evidence", column)
