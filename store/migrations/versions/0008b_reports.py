"""Reports: what each ledger transaction adds to which dimensions, and sums of it.

A trigger notes each transaction in the transaction that posts it. A late tag notes it again; folding the same
transaction again takes back what it added before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008b_reports"
down_revision = "0008_money"
branch_labels = None
depends_on = None

_MEASURES = (
    *("calls", "connected", "converted", "duplicates", "refused", "connected_ms"),
    *("revenue_micros", "payout_micros", "carrier_cost_micros", "ping_cost_micros", "platform_fee_micros"),
)

# The one definition of what a ledger transaction adds to reports: folding, rebuilding and readers share it. Payments
# and wallets add nothing. What a bidder takes for a question belongs to the bidder's target (`part`).
_CONTRIBUTIONS = """
CREATE VIEW report_contributions AS
SELECT t.id AS transaction_id, coalesce(p.part, 0) AS part, coalesce(c.started_at, t.posted_at) AS at, t.call_id,
    coalesce(c.publisher_id, p.publisher, 0) AS publisher, coalesce(c.campaign_id, 0) AS campaign,
    coalesce(g.buyer_id, CASE WHEN p.part > 0 THEN NULL ELSE c.buyer_id END, p.buyer, 0) AS buyer,
    CASE WHEN p.part > 0 THEN p.part ELSE coalesce(c.target_id, 0) END AS target,
    coalesce(c.tracking_number_id, CASE WHEN t.kind ~ '^number_month:[0-9]{1,18}:'
        THEN split_part(t.kind, ':', 2)::bigint END, 0) AS number,
    left(coalesce(c.tags ->> 'state', ''), 60) AS state,
    left(coalesce(c.tags ->> 'loan_type', ''), 60) AS loan_type,
    left(coalesce(c.tags ->> 'source', c.tags ->> 'utm_source', ''), 60) AS source,
    s.is_call::integer::bigint AS calls, (s.is_call AND c.conversion ->> 'verdict' <> 'not_connected')::integer::bigint AS connected,
    (s.is_call AND coalesce(c.converted, false))::integer::bigint AS converted,
    (s.is_call AND c.conversion ->> 'verdict' = 'duplicate')::integer::bigint AS duplicates,
    (s.is_call AND c.outcome = 'no_buyer')::integer::bigint AS refused,
    CASE WHEN s.is_call THEN coalesce(c.connected_ms, 0) ELSE 0 END AS connected_ms,
    coalesce(p.revenue, 0)::bigint AS revenue_micros, coalesce(p.payout, 0)::bigint AS payout_micros,
    coalesce(p.carrier_cost, 0)::bigint AS carrier_cost_micros, coalesce(p.ping_cost, 0)::bigint AS ping_cost_micros,
    coalesce(p.platform_fee, 0)::bigint AS platform_fee_micros
FROM ledger_transactions t
LEFT JOIN calls c ON c.id = t.call_id
LEFT JOIN LATERAL (
    SELECT CASE WHEN account LIKE 'bidder:%' THEN split_part(account, ':', 2)::bigint ELSE 0 END AS part,
        -sum(amount_micros) FILTER (WHERE account = 'revenue') AS revenue,
        sum(amount_micros) FILTER (WHERE account = 'payout') AS payout,
        sum(amount_micros) FILTER (WHERE account = 'carrier_cost') AS carrier_cost,
        -sum(amount_micros) FILTER (WHERE account LIKE 'bidder:%') AS ping_cost,
        sum(amount_micros) FILTER (WHERE account = 'platform_fee') AS platform_fee,
        max(split_part(account, ':', 2)::bigint) FILTER (WHERE account ~ '^buyer:[0-9]{1,18}:') AS buyer,
        max(split_part(account, ':', 2)::bigint) FILTER (WHERE account ~ '^publisher:[0-9]{1,18}:') AS publisher
    FROM ledger_postings WHERE transaction_id = t.id GROUP BY 1
) p ON true
LEFT JOIN targets g ON g.id = p.part AND p.part > 0
CROSS JOIN LATERAL (SELECT t.kind = 'settlement' AND coalesce(p.part, 0) = 0 AS is_call) s
WHERE s.is_call OR p.revenue <> 0 OR p.payout <> 0 OR p.carrier_cost <> 0 OR p.ping_cost <> 0 OR p.platform_fee <> 0
"""

_NOTE_POSTED = """
CREATE FUNCTION note_posted_for_reports() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO report_pending SELECT id FROM made;
    RETURN NULL;
END $$
"""
_NOTE_TAGGED = """
CREATE FUNCTION note_tagged_for_reports() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO report_pending SELECT id FROM ledger_transactions WHERE call_id = NEW.id ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "report_pending",
        sa.Column("transaction_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("transaction_id", name=op.f("pk_report_pending")),
    )
    _create_facts()
    op.create_table(
        "rollups",
        sa.Column("grain", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("pair", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("bucket", sa.DateTime(timezone=True), nullable=False),
        sa.Column("a", sa.Text(collation="C"), server_default=sa.text("''"), nullable=False),
        sa.Column("b", sa.Text(collation="C"), server_default=sa.text("''"), nullable=False),
        *_measures(),
        sa.PrimaryKeyConstraint("grain", "pair", "bucket", "a", "b", name=op.f("pk_rollups")),
    )
    # What is folded again and again fits its page.
    op.execute("ALTER TABLE rollups SET (fillfactor = 80)")
    op.execute(_CONTRIBUTIONS)
    op.execute("INSERT INTO report_pending SELECT id FROM ledger_transactions")
    op.execute(_NOTE_POSTED)
    op.execute(
        "CREATE TRIGGER ledger_note_posted AFTER INSERT ON ledger_transactions REFERENCING NEW TABLE AS made"
        " FOR EACH STATEMENT EXECUTE FUNCTION note_posted_for_reports()"
    )
    op.execute(_NOTE_TAGGED)
    op.execute(
        "CREATE TRIGGER calls_note_tagged AFTER UPDATE OF tags ON calls FOR EACH ROW"
        " WHEN (OLD.state = 'settled' AND OLD.tags IS DISTINCT FROM NEW.tags)"
        " EXECUTE FUNCTION note_tagged_for_reports()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER calls_note_tagged ON calls")
    op.execute("DROP TRIGGER ledger_note_posted ON ledger_transactions")
    op.execute("DROP FUNCTION note_tagged_for_reports()")
    op.execute("DROP FUNCTION note_posted_for_reports()")
    op.execute("DROP VIEW report_contributions")
    for table in ("rollups", "report_facts", "report_pending"):
        op.drop_table(table)


def _create_facts() -> None:
    op.create_table(
        "report_facts",
        sa.Column("transaction_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("publisher", "campaign", "buyer", "target", "number")
        ),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("state", "loan_type", "source")),
        *_measures(),
        sa.PrimaryKeyConstraint("transaction_id", "part", name=op.f("pk_report_facts")),
    )
    op.create_index(op.f("ix_report_facts_at"), "report_facts", ["at"])
    for name in ("publisher", "buyer", "target", "number", "state"):
        op.create_index(op.f(f"ix_report_facts_{name}_at"), "report_facts", [name, "at"])


def _measures() -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in _MEASURES]
