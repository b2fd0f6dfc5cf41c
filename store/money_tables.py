"""Money beyond the ledger itself: tiers, wallets, invoices, disputes, sales reported late.

What is owed stands in the ledger only (tables.ledger_postings); these tables say why, and what is still open.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
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
from sqlalchemy.dialects.postgresql import JSONB

from store.columns import Instant, identity, metadata, reference

# How many calls of a period were paid for, for prices that go by it: one row a contract, locked while a call settles.
tier_counts = Table(
    "tier_counts",
    metadata,
    # buyer:3:campaign:1:month
    Column("key", Text, primary_key=True),
    # The first day of the period, on the terms' own calendar.
    Column("period_start", Date, primary_key=True),
    # Paid calls; of `…:promise_loss`, millionths of a dollar.
    Column("used", BigInteger, nullable=False, server_default=text("0")),
)

# --- wallets -------------------------------------------------------------------------------------------------

# What a buyer owes and what is held for calls under way. A trigger of ledger_postings keeps `owed_micros` the sum of
# the buyer's receivable and wallet accounts: below zero it is money paid in advance.
wallets = Table(
    "wallets",
    metadata,
    Column("buyer_id", BigInteger, primary_key=True, autoincrement=False),
    Column("owed_micros", BigInteger, nullable=False, server_default=text("0")),
    Column("held_micros", BigInteger, nullable=False, server_default=text("0")),
    # Set while less than buyers.low_balance_micros is left, and while nothing is.
    Column("low_since", Instant),
    Column("paused_since", Instant),
    CheckConstraint("held_micros >= 0", name="held"),
)

wallet_holds = Table(
    "wallet_holds",
    metadata,
    Column("call_id", Uuid, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("buyer_id", BigInteger, nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    Column("taken_at", Instant, nullable=False, server_default=func.now()),
    Column("expires_at", Instant, nullable=False),
    Column("released_at", Instant),
    CheckConstraint("amount_micros >= 0", name="amount"),
    Index("ix_wallet_holds_held", "expires_at", postgresql_where=text("released_at is null")),
)

wallet_notices = Table(
    "wallet_notices",
    metadata,
    identity(),
    reference("buyer_id", "buyers"),
    # low, paused, resumed (billing.wallet_watch)
    Column("kind", Text, nullable=False),
    Column("available_micros", BigInteger, nullable=False),
    Column("noticed_at", Instant, nullable=False, server_default=func.now()),
    # When somebody was told; null: still to be sent.
    Column("told_at", Instant),
    Index("ix_wallet_notices_open", "id", postgresql_where=text("told_at is null")),
    Index(None, "buyer_id", "id"),
)

# Who is told of a notice by mail: one row a person of the buyer's, made with the notice.
wallet_mails = Table(
    "wallet_mails",
    metadata,
    Column("notice_id", BigInteger, ForeignKey("wallet_notices.id"), primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), primary_key=True),
    # Moved on before each try, so that two workers do not send the same mail.
    Column("next_try_at", Instant, nullable=False),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("sent_at", Instant),
    Index("ix_wallet_mails_open", "next_try_at", postgresql_where=text("sent_at is null")),
    Index(None, "user_id"),
)

# --- balances ------------------------------------------------------------------------------------------------

# The sum of each account over all sealed transactions: raised by the sealer, who is one at a time, so no settlement
# waits for it. A balance is this and what is not sealed yet (billing.account_queries).
sealed_balances = Table(
    "sealed_balances",
    metadata,
    Column("account", Text, primary_key=True),
    Column("amount_micros", BigInteger, nullable=False),
)

# --- invoices and statements ---------------------------------------------------------------------------------

# The last number given out of each series; the row stays locked until the invoice is committed: no gap, no double.
invoice_numbers = Table(
    "invoice_numbers",
    metadata,
    Column("series", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
)

invoices = Table(
    "invoices",
    metadata,
    identity(),
    # invoice (to a buyer), statement (to a publisher), credit_note
    Column("kind", Text, nullable=False),
    Column("party", Text, nullable=False),
    Column("party_id", BigInteger, nullable=False),
    # Given when it is issued.
    Column("number", Text, unique=True),
    # draft, issued, paid, void
    Column("state", Text, nullable=False, server_default=text("'draft'")),
    Column("period_start", Instant, nullable=False),
    Column("period_end", Instant, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("currency", Text, nullable=False, server_default=text("'USD'")),
    Column("total_micros", BigInteger, nullable=False),
    Column("made_at", Instant, nullable=False, server_default=func.now()),
    Column("issued_at", Instant),
    Column("closed_at", Instant),
    # The invoice that a credit note takes back.
    Column("corrects_id", BigInteger, ForeignKey("invoices.id")),
    CheckConstraint("state in ('draft', 'issued', 'paid', 'void')", name="state"),
    CheckConstraint("period_start < period_end", name="period"),
    CheckConstraint("party in ('buyer', 'publisher')", name="party"),
    Index(None, "party", "party_id", "period_start"),
)

invoice_lines = Table(
    "invoice_lines",
    metadata,
    Column("invoice_id", BigInteger, ForeignKey("invoices.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("party", Text, nullable=False),
    Column("party_id", BigInteger, nullable=False),
    Column("transaction_id", BigInteger, ForeignKey("ledger_transactions.id"), nullable=False),
    Column("call_id", Uuid),
    Column("happened_at", Instant, nullable=False),
    Column("description", Text, nullable=False),
    Column("connected_ms", BigInteger),
    Column("amount_micros", BigInteger, nullable=False),
    # What the amount stands on: terms, facts, witnesses (billing.invoice_evidence).
    Column("evidence", JSONB, nullable=False, server_default=text("'{}'")),
    # False when the invoice was voided: the transaction may be invoiced again.
    Column("live", Boolean, nullable=False, server_default=text("true")),
    Index(
        "uq_invoice_lines_once",
        "party",
        "party_id",
        "transaction_id",
        unique=True,
        postgresql_where=text("live"),
    ),
)

# --- corrections ---------------------------------------------------------------------------------------------

disputes = Table(
    "disputes",
    metadata,
    identity(),
    Column("call_id", Uuid, ForeignKey("calls.id"), nullable=False),
    reference("buyer_id", "buyers"),
    # billing.disputes.Reason
    Column("reason", Text, nullable=False),
    Column("note", Text, nullable=False, server_default=text("''")),
    # open, accepted, partly, refused
    Column("state", Text, nullable=False, server_default=text("'open'")),
    Column("price_micros", BigInteger, nullable=False),
    Column("credit_micros", BigInteger),
    Column("claw_back_micros", BigInteger),
    # What was looked at: recording, answers, witnesses.
    Column("evidence", JSONB, nullable=False, server_default=text("'{}'")),
    Column("answer", Text, nullable=False, server_default=text("''")),
    Column("opened_at", Instant, nullable=False),
    Column("decided_at", Instant),
    Column("opening_id", BigInteger, ForeignKey("ledger_transactions.id")),
    Column("decision_id", BigInteger, ForeignKey("ledger_transactions.id")),
    CheckConstraint("state in ('open', 'accepted', 'partly', 'refused')", name="state"),
    Index("uq_disputes_live", "call_id", unique=True, postgresql_where=text("state <> 'refused'")),
)

# A sale that came of a call, reported later; each correction is a new version.
sales = Table(
    "sales",
    metadata,
    identity(),
    Column("call_id", Uuid, ForeignKey("calls.id"), nullable=False),
    # The reporter's own key: reporting twice changes nothing.
    Column("key", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("price_micros", BigInteger, nullable=False),
    Column("payout_micros", BigInteger, nullable=False),
    Column("transaction_id", BigInteger, ForeignKey("ledger_transactions.id")),
    Column("reported_at", Instant, nullable=False, server_default=func.now()),
    UniqueConstraint("call_id", "key", "version"),
)

# By which a buyer's or a campaign's machines report sales (web/postbacks). The key itself is shown once.
sale_keys = Table(
    "sale_keys",
    metadata,
    identity(),
    Column("name", Text, nullable=False, server_default=text("''")),
    Column("key_digest", LargeBinary, nullable=False, unique=True),
    # Whose calls may be named; both: calls of this campaign that this buyer had.
    reference("buyer_id", "buyers", nullable=True),
    reference("campaign_id", "campaigns", nullable=True),
    Column("rate_per_minute", Integer, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    CheckConstraint("buyer_id is not null or campaign_id is not null", name="whose"),
    CheckConstraint("rate_per_minute >= 0", name="rate"),
)
