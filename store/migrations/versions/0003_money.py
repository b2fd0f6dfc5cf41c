"""The ledger, and the rules the database itself keeps (DESIGN 6).

A transaction whose postings do not sum to zero cannot be committed; nothing in the ledger can be changed or removed.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003_money"
down_revision = "0002_calls"
branch_labels = None
depends_on = None

_TABLES_LAST_FIRST = (
    "ledger_sealed_transactions",
    "ledger_postings",
    "ledger_transactions",
    "ledger_seals",
)


def upgrade() -> None:
    _create_tables()
    op.execute(
        """
        CREATE FUNCTION refuse_unbalanced_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            difference numeric;
        BEGIN
            SELECT sum(amount_micros) INTO difference FROM ledger_postings
            WHERE transaction_id = NEW.transaction_id;
            IF difference <> 0 THEN
                RAISE EXCEPTION 'ledger transaction % is out of balance by % micros', NEW.transaction_id, difference
                    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_transaction_balanced';
            END IF;
            RETURN NULL;
        END $$
        """
    )
    # Deferred: a transaction is judged when it is whole, at commit.
    op.execute(
        """
        CREATE CONSTRAINT TRIGGER ledger_transaction_balanced AFTER INSERT ON ledger_postings
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_unbalanced_transaction()
        """
    )
    op.execute(
        """
        CREATE FUNCTION refuse_change_of_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% of % refused: the ledger is never changed, corrections are new transactions',
                TG_OP, TG_TABLE_NAME
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_immutable';
        END $$
        """
    )
    for table in _TABLES_LAST_FIRST:
        op.execute(
            f"CREATE TRIGGER {table}_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_ledger()"
        )


def downgrade() -> None:
    for table in _TABLES_LAST_FIRST:
        op.drop_table(table)
    op.execute("DROP FUNCTION refuse_change_of_ledger()")
    op.execute("DROP FUNCTION refuse_unbalanced_transaction()")


def _create_tables() -> None:
    op.create_table(
        "ledger_seals",
        sa.Column("batch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("previous_root", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("transaction_count", sa.Integer(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("batch", name=op.f("pk_ledger_seals")),
    )
    op.create_table(
        "ledger_transactions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("detail", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("corrects_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_ledger_transactions_call_id")),
        sa.ForeignKeyConstraint(
            ["corrects_id"], ["ledger_transactions.id"], name=op.f("fk_ledger_transactions_corrects_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_transactions")),
        sa.UniqueConstraint("call_id", "kind", name=op.f("uq_ledger_transactions_call_id_kind")),
    )
    op.create_index(
        op.f("ix_ledger_transactions_posted_at"), "ledger_transactions", ["posted_at"], unique=False
    )
    op.create_table(
        "ledger_postings",
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_micros <> 0", name=op.f("ck_ledger_postings_amount")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["ledger_transactions.id"], name=op.f("fk_ledger_postings_transaction_id")
        ),
        sa.PrimaryKeyConstraint("transaction_id", "account", name=op.f("pk_ledger_postings")),
    )
    op.create_index(op.f("ix_ledger_postings_account"), "ledger_postings", ["account"], unique=False)
    op.create_table(
        "ledger_sealed_transactions",
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch"], ["ledger_seals.batch"], name=op.f("fk_ledger_sealed_transactions_batch")
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["ledger_transactions.id"],
            name=op.f("fk_ledger_sealed_transactions_transaction_id"),
        ),
        sa.PrimaryKeyConstraint("transaction_id", name=op.f("pk_ledger_sealed_transactions")),
        sa.UniqueConstraint("batch", "position", name=op.f("uq_ledger_sealed_transactions_batch_position")),
    )
