"""Money beyond the ledger: terms as documents, wallets and their holds, invoices, disputes, sales, carriers' prices.

The database keeps what a buyer owes beside the ledger (`wallets`), as part of the transaction that posts it and last of
all, so that nobody waits for the row longer than a commit takes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008_money"
down_revision = "0007_flows"
branch_labels = None
depends_on = None

_TABLES_LAST_FIRST = (
    "sales",
    "invoice_lines",
    "disputes",
    "wallet_notices",
    "wallets",
    "wallet_holds",
    "tier_counts",
    "invoices",
    "invoice_numbers",
)
_COLUMNS = (
    ("buyer_terms", "document"),
    ("buyer_terms", "highest_micros"),
    ("buyers", "prepaid"),
    ("buyers", "low_balance_micros"),
    ("buyers", "return_window_hours"),
    ("campaigns", "platform_fee_micros"),
    ("campaigns", "platform_fee_ppm"),
    ("publisher_terms", "document"),
    ("targets", "outbound_trunk_id"),
    ("tracking_numbers", "carrier_name"),
    ("tracking_numbers", "monthly_cost_micros"),
    ("tracking_numbers", "rented_from"),
    ("tracking_numbers", "rented_to"),
    ("trunks", "outbound_cost_per_minute_micros"),
    ("trunks", "outbound_increment_seconds"),
    ("trunks", "outbound_minimum_seconds"),
)
_CHECKS = (
    ("buyers", "prepaid", "credit_limit_micros is not null or not prepaid"),
    ("buyers", "return_window", "return_window_hours between 0 and 8784"),
    ("campaigns", "platform_fee", "platform_fee_micros >= 0 and platform_fee_ppm between 0 and 1000000"),
    ("tracking_numbers", "monthly_cost", "monthly_cost_micros = 0 or carrier_name is not null"),
    ("tracking_numbers", "monthly_cost_sign", "monthly_cost_micros >= 0"),
    ("trunks", "outbound_increment", "outbound_increment_seconds > 0"),
)

# Of what a buyer owes, and what it paid in advance. Deferred: the row is locked at commit only.
_KEEP_WALLET = """
CREATE FUNCTION keep_wallet() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO wallets AS w (buyer_id, owed_micros)
    VALUES (split_part(NEW.account, ':', 2)::bigint, NEW.amount_micros)
    ON CONFLICT (buyer_id) DO UPDATE SET owed_micros = w.owed_micros + excluded.owed_micros;
    RETURN NULL;
END $$
"""
_OF_A_BUYER = "^buyer:[0-9]{1,18}:(receivable|wallet)$"
_FILL_WALLETS = f"""
INSERT INTO wallets (buyer_id, owed_micros)
SELECT split_part(account, ':', 2)::bigint, sum(amount_micros)
FROM ledger_postings WHERE account ~ '{_OF_A_BUYER}' GROUP BY 1
"""  # noqa: S608 (constants of this file)

# Room in a wallet for one attempt, or false and nothing taken. The most the buyer's terms can ask is held, so that a
# bonus is covered too. Asking again takes nothing more.
_TAKE_HOLD = """
CREATE FUNCTION take_wallet_hold(
    p_call_id uuid, p_attempt integer, p_buyer_id bigint, p_campaign_id bigint, p_amount bigint, p_expires_at timestamptz
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_amount bigint;
BEGIN
    PERFORM FROM wallet_holds
    WHERE call_id = p_call_id AND attempt = p_attempt AND buyer_id = p_buyer_id AND released_at IS NULL;
    IF FOUND THEN
        RETURN true;
    END IF;
    -- The attempt was meant for another buyer before.
    WITH old AS (
        UPDATE wallet_holds SET released_at = now()
        WHERE call_id = p_call_id AND attempt = p_attempt AND released_at IS NULL
        RETURNING buyer_id, amount_micros
    )
    UPDATE wallets w SET held_micros = greatest(w.held_micros - old.amount_micros, 0)
    FROM old WHERE w.buyer_id = old.buyer_id;
    SELECT greatest(p_amount, 1, coalesce((
        SELECT highest_micros FROM buyer_terms
        WHERE buyer_id = p_buyer_id AND campaign_id = p_campaign_id AND goes_live_at <= now()
        ORDER BY goes_live_at DESC LIMIT 1), 0)) INTO v_amount;
    INSERT INTO wallets (buyer_id) VALUES (p_buyer_id) ON CONFLICT DO NOTHING;
    UPDATE wallets w SET held_micros = w.held_micros + v_amount FROM buyers b
    WHERE w.buyer_id = p_buyer_id AND b.id = p_buyer_id
        AND (b.credit_limit_micros IS NULL OR b.credit_limit_micros - w.owed_micros - w.held_micros >= v_amount);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO wallet_holds (call_id, attempt, buyer_id, amount_micros, expires_at)
    VALUES (p_call_id, p_attempt, p_buyer_id, v_amount, p_expires_at)
    ON CONFLICT (call_id, attempt) DO UPDATE SET buyer_id = excluded.buyer_id,
        amount_micros = excluded.amount_micros, taken_at = now(), expires_at = excluded.expires_at, released_at = NULL;
    RETURN true;
END $$
"""

_REFUSE_CHANGE = """
CREATE FUNCTION refuse_change_of_live_terms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of live % refused: calls were judged by them, save new ones that go live later',
        TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'terms_immutable';
END $$
"""
_TERMS = ("buyer_terms", "publisher_terms")


def upgrade() -> None:
    _create_tables()
    _change_tables()
    for table, name, rule in _CHECKS:
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, rule)
    op.execute(_KEEP_WALLET)
    op.execute(_FILL_WALLETS)
    op.execute(
        "CREATE CONSTRAINT TRIGGER ledger_keep_wallet AFTER INSERT ON ledger_postings"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        f" WHEN (NEW.account ~ '{_OF_A_BUYER}') EXECUTE FUNCTION keep_wallet()"
    )
    op.execute(_TAKE_HOLD)
    op.execute(_REFUSE_CHANGE)
    for table in _TERMS:
        op.execute(
            f"CREATE TRIGGER {table}_immutable BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW"
            " WHEN (OLD.document IS NOT NULL AND OLD.goes_live_at <= now())"
            " EXECUTE FUNCTION refuse_change_of_live_terms()"
        )


def downgrade() -> None:
    for table in _TERMS:
        op.execute(f"DROP TRIGGER {table}_immutable ON {table}")
    op.execute("DROP FUNCTION refuse_change_of_live_terms()")
    op.execute("DROP FUNCTION take_wallet_hold(uuid, integer, bigint, bigint, bigint, timestamptz)")
    op.execute("DROP TRIGGER ledger_keep_wallet ON ledger_postings")
    op.execute("DROP FUNCTION keep_wallet()")
    for table, name, _ in _CHECKS:
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table)
    op.drop_index("uq_ledger_transactions_keyed", table_name="ledger_transactions")
    op.drop_index("ix_ledger_transactions_corrects_id", table_name="ledger_transactions")
    for table, column in reversed(_COLUMNS):
        op.drop_column(table, column)
    for table in _TABLES_LAST_FIRST:
        op.drop_table(table)


def _create_tables() -> None:
    op.create_table(
        "invoice_numbers",
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("series", name=op.f("pk_invoice_numbers")),
    )
    op.create_table(
        "invoices",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default=sa.text("'draft'"), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), server_default=sa.text("'USD'"), nullable=False),
        sa.Column("total_micros", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("corrects_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("party in ('buyer', 'publisher')", name=op.f("ck_invoices_party")),
        sa.CheckConstraint("state in ('draft', 'issued', 'paid', 'void')", name=op.f("ck_invoices_state")),
        sa.CheckConstraint("period_start < period_end", name=op.f("ck_invoices_period")),
        sa.ForeignKeyConstraint(["corrects_id"], ["invoices.id"], name=op.f("fk_invoices_corrects_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoices")),
        sa.UniqueConstraint("number", name=op.f("uq_invoices_number")),
    )
    op.create_index(
        op.f("ix_invoices_party_party_id_period_start"),
        "invoices",
        ["party", "party_id", "period_start"],
        unique=False,
    )
    op.create_table(
        "tier_counts",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("used", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("key", "period_start", name=op.f("pk_tier_counts")),
    )
    op.create_table(
        "wallet_holds",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("buyer_id", sa.BigInteger(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount_micros >= 0", name=op.f("ck_wallet_holds_amount")),
        sa.PrimaryKeyConstraint("call_id", "attempt", name=op.f("pk_wallet_holds")),
    )
    op.create_index(
        "ix_wallet_holds_held",
        "wallet_holds",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("released_at is null"),
    )
    op.create_table(
        "wallets",
        sa.Column("buyer_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("owed_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("held_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("low_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_since", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("held_micros >= 0", name=op.f("ck_wallets_held")),
        sa.PrimaryKeyConstraint("buyer_id", name=op.f("pk_wallets")),
    )
    op.create_table(
        "wallet_notices",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("buyer_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("available_micros", sa.BigInteger(), nullable=False),
        sa.Column("noticed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["buyer_id"], ["buyers.id"], name=op.f("fk_wallet_notices_buyer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wallet_notices")),
    )
    op.create_index(
        "ix_wallet_notices_open",
        "wallet_notices",
        ["id"],
        unique=False,
        postgresql_where=sa.text("told_at is null"),
    )
    op.create_table(
        "disputes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("buyer_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("price_micros", sa.BigInteger(), nullable=False),
        sa.Column("credit_micros", sa.BigInteger(), nullable=True),
        sa.Column("claw_back_micros", sa.BigInteger(), nullable=True),
        sa.Column("evidence", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("answer", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opening_id", sa.BigInteger(), nullable=True),
        sa.Column("decision_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state in ('open', 'accepted', 'partly', 'refused')", name=op.f("ck_disputes_state")
        ),
        sa.ForeignKeyConstraint(["buyer_id"], ["buyers.id"], name=op.f("fk_disputes_buyer_id")),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_disputes_call_id")),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["ledger_transactions.id"], name=op.f("fk_disputes_decision_id")
        ),
        sa.ForeignKeyConstraint(
            ["opening_id"], ["ledger_transactions.id"], name=op.f("fk_disputes_opening_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disputes")),
    )
    op.create_index(
        "uq_disputes_live",
        "disputes",
        ["call_id"],
        unique=True,
        postgresql_where=sa.text("state <> 'refused'"),
    )
    op.create_table(
        "invoice_lines",
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("connected_ms", sa.BigInteger(), nullable=True),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("live", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_invoice_lines_invoice_id")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["ledger_transactions.id"], name=op.f("fk_invoice_lines_transaction_id")
        ),
        sa.PrimaryKeyConstraint("invoice_id", "position", name=op.f("pk_invoice_lines")),
    )
    op.create_index(
        "uq_invoice_lines_once",
        "invoice_lines",
        ["party", "party_id", "transaction_id"],
        unique=True,
        postgresql_where=sa.text("live"),
    )
    op.create_table(
        "sales",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("price_micros", sa.BigInteger(), nullable=False),
        sa.Column("payout_micros", sa.BigInteger(), nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=True),
        sa.Column("reported_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_sales_call_id")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["ledger_transactions.id"], name=op.f("fk_sales_transaction_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sales")),
        sa.UniqueConstraint("call_id", "key", "version", name=op.f("uq_sales_call_id_key_version")),
    )


def _change_tables() -> None:
    op.add_column("buyer_terms", sa.Column("document", postgresql.JSONB(), nullable=True))
    op.add_column("buyer_terms", sa.Column("highest_micros", sa.BigInteger(), nullable=True))
    op.add_column(
        "buyers", sa.Column("prepaid", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("buyers", sa.Column("low_balance_micros", sa.BigInteger(), nullable=True))
    op.add_column(
        "buyers",
        sa.Column("return_window_hours", sa.Integer(), server_default=sa.text("168"), nullable=False),
    )
    op.add_column(
        "campaigns",
        sa.Column("platform_fee_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column(
        "campaigns", sa.Column("platform_fee_ppm", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.create_index(
        "ix_ledger_transactions_corrects_id",
        "ledger_transactions",
        ["corrects_id"],
        unique=False,
        postgresql_where=sa.text("corrects_id is not null"),
    )
    op.create_index(
        "uq_ledger_transactions_keyed",
        "ledger_transactions",
        ["kind"],
        unique=True,
        postgresql_where=sa.text("call_id is null and strpos(kind, ':') > 0"),
    )
    op.add_column("publisher_terms", sa.Column("document", postgresql.JSONB(), nullable=True))
    op.add_column("targets", sa.Column("outbound_trunk_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_targets_outbound_trunk_id"), "targets", "trunks", ["outbound_trunk_id"], ["id"]
    )
    op.add_column("tracking_numbers", sa.Column("carrier_name", sa.Text(), nullable=True))
    op.add_column(
        "tracking_numbers",
        sa.Column("monthly_cost_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column("tracking_numbers", sa.Column("rented_from", sa.Date(), nullable=True))
    op.add_column("tracking_numbers", sa.Column("rented_to", sa.Date(), nullable=True))
    op.add_column(
        "trunks",
        sa.Column(
            "outbound_cost_per_minute_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
    )
    op.add_column(
        "trunks",
        sa.Column("outbound_increment_seconds", sa.Integer(), server_default=sa.text("6"), nullable=False),
    )
    op.add_column(
        "trunks",
        sa.Column("outbound_minimum_seconds", sa.Integer(), server_default=sa.text("6"), nullable=False),
    )
