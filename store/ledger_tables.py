"""The ledger: transactions, their postings, and the seals that chain them. Shapes only (billing/ledger.py)."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from store.columns import Instant, identity, metadata

ledger_transactions = Table(
    "ledger_transactions",
    metadata,
    identity(),
    Column("call_id", Uuid, ForeignKey("calls.id")),
    Column("kind", Text, nullable=False),
    Column("posted_at", Instant, nullable=False, server_default=func.now()),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    Column("corrects_id", BigInteger, ForeignKey("ledger_transactions.id")),
    UniqueConstraint("call_id", "kind"),
    Index(None, "posted_at"),
    # What belongs to no call bears its own key after a colon, and happens once as well.
    Index(
        "uq_ledger_transactions_keyed",
        "kind",
        unique=True,
        postgresql_where=text("call_id is null and strpos(kind, ':') > 0"),
    ),
    Index(
        "ix_ledger_transactions_corrects_id", "corrects_id", postgresql_where=text("corrects_id is not null")
    ),
)

ledger_postings = Table(
    "ledger_postings",
    metadata,
    Column("transaction_id", BigInteger, ForeignKey("ledger_transactions.id"), primary_key=True),
    Column("account", Text, primary_key=True),
    Column("amount_micros", BigInteger, nullable=False),
    CheckConstraint("amount_micros <> 0", name="amount"),
    Index(None, "account"),
)


def _seals(name: str) -> Table:
    """Batches of a chain. Each names the root before it: a change, a gap or a reordering breaks the chain. The key that
    signs the roots is not in the database (billing/seal.py)."""
    return Table(
        name,
        metadata,
        Column("batch", BigInteger, primary_key=True, autoincrement=False),
        Column("previous_root", LargeBinary, nullable=False),
        Column("root", LargeBinary, nullable=False),
        Column("entry_count", Integer, nullable=False),
        Column("sealed_at", Instant, nullable=False),
        # Blinds what one party may not read in a proof that it is given.
        Column("salt", LargeBinary, nullable=False),
        Column("public_key", LargeBinary, nullable=False),
        Column("signature", LargeBinary, nullable=False),
        # Whoever adds a row must not stop those who read it.
        CheckConstraint(
            "batch between 1 and 4611686018427387904"
            " and sealed_at between '2000-01-01 00:00:00Z' and '9000-01-01 00:00:00Z'",
            name="possible",
        ),
    )


ledger_seals = _seals("ledger_seals")

ledger_sealed_transactions = Table(
    "ledger_sealed_transactions",
    metadata,
    Column("transaction_id", BigInteger, ForeignKey("ledger_transactions.id"), primary_key=True),
    Column("batch", BigInteger, ForeignKey("ledger_seals.batch"), nullable=False),
    Column("position", Integer, nullable=False),
    UniqueConstraint("batch", "position"),
)

# What a settled call stood on when it was sealed (billing/seal_evidence.py): which of its rows, and their digest. The
# salt is the batch's; no answers and tags are named by what was sealed before they were covered.
ledger_evidence = Table(
    "ledger_evidence",
    metadata,
    Column("transaction_id", BigInteger, ForeignKey("ledger_transactions.id"), primary_key=True),
    Column("salt", LargeBinary, primary_key=True),
    Column("attempts", ARRAY(Integer), nullable=False),
    Column("sequences", ARRAY(Integer), nullable=False),
    Column("last_cel_row_id", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("answers", ARRAY(Integer)),
    Column("tags", ARRAY(Text)),
    Column("caller_digest", LargeBinary),
)

# What is posted and in no batch yet: a trigger adds each transaction as it is posted, the sealer takes it away. A
# transaction that stays open for hours is here once it is committed, like any other.
unsealed_transactions = Table(
    "unsealed_transactions",
    metadata,
    Column("transaction_id", BigInteger, primary_key=True, autoincrement=False),
)

# The audit log's own chain, of the same shape.
audit_seals = _seals("audit_seals")

audit_sealed_notes = Table(
    "audit_sealed_notes",
    metadata,
    Column("note_id", BigInteger, ForeignKey("audit_log.id"), primary_key=True),
    Column("batch", BigInteger, ForeignKey("audit_seals.batch"), nullable=False),
    Column("position", Integer, nullable=False),
    UniqueConstraint("batch", "position"),
)

unsealed_notes = Table(
    "unsealed_notes",
    metadata,
    Column("note_id", BigInteger, primary_key=True, autoincrement=False),
)
