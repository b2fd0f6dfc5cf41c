"""Seals that are signed, and a chain of them for the audit log, which is never changed from now on.

What was sealed before is sealed again, and signed: a root that nobody signed proves nothing against who can write the
database.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from store.migrations.beside import lock_first

revision = "0026_signed_seals"
down_revision = "0025b_fill_unsealed"
branch_labels = None
depends_on = None

_AUDIT = ("audit_log", "audit_seals", "audit_sealed_notes")
_SEALED_TABLES = ("ledger_seals", "ledger_sealed_transactions")
# A node of before may have sealed what is on the list.
_LIST_SEALED = (
    "INSERT INTO unsealed_transactions SELECT transaction_id FROM ledger_sealed_transactions WHERE batch > {batch}"
    " ON CONFLICT DO NOTHING"
)
_SEAL_AGAIN = (
    "ALTER TABLE ledger_sealed_transactions DISABLE TRIGGER USER",
    "ALTER TABLE ledger_seals DISABLE TRIGGER USER",
    "TRUNCATE ledger_sealed_transactions, ledger_seals",
    "ALTER TABLE ledger_sealed_transactions ENABLE TRIGGER USER",
    "ALTER TABLE ledger_seals ENABLE TRIGGER USER",
    "DELETE FROM sealed_balances",
)
_SIGNED = ("salt", "public_key", "signature")


def upgrade() -> None:
    # Nobody waits for the long list: the locks come after it, and then what was sealed meanwhile.
    batch = op.get_bind().scalar(sa.text("SELECT coalesce(max(batch), -1) FROM ledger_seals"))
    op.execute(_LIST_SEALED.format(batch=-1))
    lock_first(op, _SEALED_TABLES, given_triggers=("ledger_transactions", "audit_log"))
    for statement in (_LIST_SEALED.format(batch=batch), *_SEAL_AGAIN):
        op.execute(statement)
    op.alter_column("ledger_seals", "transaction_count", new_column_name="entry_count")
    op.alter_column("ledger_seals", "sealed_at", server_default=None)
    for name in _SIGNED:
        op.add_column("ledger_seals", sa.Column(name, sa.LargeBinary(), nullable=False))
    _create_evidence()
    _create_audit_chain()
    op.execute(
        """
        CREATE FUNCTION refuse_change_of_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% of % refused: what was noted is never changed', TG_OP, TG_TABLE_NAME
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'audit_immutable';
        END $$
        """
    )
    for table in _AUDIT:
        op.execute(
            f"CREATE TRIGGER {table}_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit_log()"
        )
    op.execute(
        """
        CREATE FUNCTION note_unsealed() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO unsealed_notes SELECT id FROM made;
            RETURN NULL;
        END $$
        """
    )
    # Waits for whoever is writing a note now, so that the fill, which comes next, sees it.
    op.execute(
        "CREATE TRIGGER audit_note_unsealed AFTER INSERT ON audit_log REFERENCING NEW TABLE AS made"
        " FOR EACH STATEMENT EXECUTE FUNCTION note_unsealed()"
    )


def _create_evidence() -> None:
    op.create_table(
        "ledger_evidence",
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("attempts", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("sequences", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("last_cel_row_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["ledger_transactions.id"], name=op.f("fk_ledger_evidence_transaction_id")
        ),
        sa.PrimaryKeyConstraint("transaction_id", name=op.f("pk_ledger_evidence")),
    )
    op.execute(
        "CREATE TRIGGER ledger_evidence_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_evidence"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_ledger()"
    )


def _create_audit_chain() -> None:
    op.create_table(
        "audit_seals",
        sa.Column("batch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("previous_root", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("entry_count", sa.Integer(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.LargeBinary(), nullable=False) for name in _SIGNED),
        sa.PrimaryKeyConstraint("batch", name=op.f("pk_audit_seals")),
    )
    op.create_table(
        "audit_sealed_notes",
        sa.Column("note_id", sa.BigInteger(), nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["note_id"], ["audit_log.id"], name=op.f("fk_audit_sealed_notes_note_id")),
        sa.ForeignKeyConstraint(["batch"], ["audit_seals.batch"], name=op.f("fk_audit_sealed_notes_batch")),
        sa.PrimaryKeyConstraint("note_id", name=op.f("pk_audit_sealed_notes")),
        sa.UniqueConstraint("batch", "position", name=op.f("uq_audit_sealed_notes_batch_position")),
    )
    op.create_table(
        "unsealed_notes",
        sa.Column("note_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("note_id", name=op.f("pk_unsealed_notes")),
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER audit_note_unsealed ON audit_log")
    op.execute("DROP TRIGGER audit_log_immutable ON audit_log")
    for table in ("unsealed_notes", "audit_sealed_notes", "audit_seals", "ledger_evidence"):
        op.drop_table(table)
    op.execute("DROP FUNCTION note_unsealed()")
    op.execute("DROP FUNCTION refuse_change_of_audit_log()")
    for statement in (_LIST_SEALED.format(batch=-1), *_SEAL_AGAIN):
        op.execute(statement)
    for name in _SIGNED:
        op.drop_column("ledger_seals", name)
    op.alter_column("ledger_seals", "sealed_at", server_default=sa.text("now()"))
    op.alter_column("ledger_seals", "entry_count", new_column_name="transaction_count")
