"""Cash counted once, and calls credited once.

An invoice names the transaction that paid it. A call that was credited whole counts as converted no more; reports keep how
many there are beside those that count. What carriers and the platform take is kept by time, so that a change never
reaches calls that started before it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024_cash"
down_revision = "0023_disputes"
branch_labels = None
depends_on = None

# What was paid before is known by the number in its transaction's kind.
_FILL_PAID_BY = """
UPDATE invoices i SET paid_by_id = t.id FROM ledger_transactions t
WHERE i.state = 'paid' AND t.call_id IS NULL AND strpos(t.kind, ':') > 0 AND t.kind = 'invoice_paid:' || i.number
"""

# As it was (0008b), and calls that had converted and count no more.
_CONTRIBUTIONS = """
CREATE VIEW report_contributions AS
SELECT t.id AS transaction_id, coalesce(p.part, 0) AS part, coalesce(c.started_at, t.posted_at) AS at, t.call_id,
    coalesce(c.publisher_id, p.publisher, 0) AS publisher, coalesce(c.campaign_id, 0) AS campaign,
    coalesce(g.buyer_id, CASE WHEN p.part > 0 THEN NULL ELSE c.buyer_id END, p.buyer, 0) AS buyer,
    CASE WHEN p.part > 0 THEN p.part ELSE coalesce(c.target_id, 0) END AS target,
    coalesce(c.tracking_number_id, CASE WHEN t.kind ~ '^number_month:[0-9]{{1,18}}:'
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
    coalesce(p.platform_fee, 0)::bigint AS platform_fee_micros{credited}
FROM ledger_transactions t
LEFT JOIN calls c ON c.id = t.call_id
LEFT JOIN LATERAL (
    SELECT CASE WHEN account LIKE 'bidder:%' THEN split_part(account, ':', 2)::bigint ELSE 0 END AS part,
        -sum(amount_micros) FILTER (WHERE account = 'revenue') AS revenue,
        sum(amount_micros) FILTER (WHERE account = 'payout') AS payout,
        sum(amount_micros) FILTER (WHERE account = 'carrier_cost') AS carrier_cost,
        -sum(amount_micros) FILTER (WHERE account LIKE 'bidder:%') AS ping_cost,
        sum(amount_micros) FILTER (WHERE account = 'platform_fee') AS platform_fee,
        max(split_part(account, ':', 2)::bigint) FILTER (WHERE account ~ '^buyer:[0-9]{{1,18}}:') AS buyer,
        max(split_part(account, ':', 2)::bigint) FILTER (WHERE account ~ '^publisher:[0-9]{{1,18}}:') AS publisher
    FROM ledger_postings WHERE transaction_id = t.id GROUP BY 1
) p ON true
LEFT JOIN targets g ON g.id = p.part AND p.part > 0
CROSS JOIN LATERAL (SELECT t.kind = 'settlement' AND coalesce(p.part, 0) = 0 AS is_call) s
WHERE s.is_call OR p.revenue <> 0 OR p.payout <> 0 OR p.carrier_cost <> 0 OR p.ping_cost <> 0 OR p.platform_fee <> 0
"""
_CREDITED = """,
    (s.is_call AND c.converted IS FALSE AND c.conversion ->> 'verdict' = 'converted')::integer::bigint AS credited"""

_VERSIONED = {
    "trunk_rates": (
        "trunks",
        "trunk_id",
        (
            *("cost_per_minute_micros", "cost_increment_seconds", "cost_minimum_seconds"),
            *("outbound_cost_per_minute_micros", "outbound_increment_seconds", "outbound_minimum_seconds"),
        ),
    ),
    "platform_fees": ("campaigns", "campaign_id", ("platform_fee_micros", "platform_fee_ppm")),
}
# The first version has held for ever; each later one from when it is saved. Saved twice in one transaction it is one.
_KEEP = """
CREATE FUNCTION keep_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {table} ({key}, goes_live_at, {columns})
    SELECT NEW.id, CASE WHEN EXISTS (SELECT FROM {table} WHERE {key} = NEW.id) THEN now() ELSE 'epoch' END, {new}
    ON CONFLICT ({key}, goes_live_at) DO UPDATE SET ({columns}) = ROW ({excluded});
    RETURN NULL;
END $$
"""
_REFUSE_CHANGE = """
CREATE FUNCTION refuse_change_of_live_rates() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a change of live % was refused: calls were costed by them', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'rates_immutable';
END $$
"""


def upgrade() -> None:
    op.add_column("invoices", sa.Column("paid_by_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_invoices_paid_by_id"), "invoices", "ledger_transactions", ["paid_by_id"], ["id"]
    )
    op.create_unique_constraint(op.f("uq_invoices_paid_by_id"), "invoices", ["paid_by_id"])
    op.execute(_FILL_PAID_BY)
    for table in ("report_facts", "rollups"):
        op.add_column(
            table, sa.Column("credited", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
        )
    op.execute("DROP VIEW report_contributions")
    op.execute(_CONTRIBUTIONS.format(credited=_CREDITED))
    op.execute(
        "CREATE TRIGGER calls_note_credited AFTER UPDATE OF converted ON calls FOR EACH ROW"
        " WHEN (OLD.state = 'settled' AND OLD.converted IS DISTINCT FROM NEW.converted)"
        " EXECUTE FUNCTION note_tagged_for_reports()"
    )
    op.execute(
        "UPDATE calls SET converted = false FROM disputes d WHERE d.call_id = calls.id AND d.state = 'accepted'"
    )
    _create_versions()


def _create_versions() -> None:
    op.create_table(
        "trunk_rates",
        sa.Column("trunk_id", sa.BigInteger(), nullable=False),
        sa.Column("goes_live_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cost_per_minute_micros", sa.BigInteger(), nullable=False),
        sa.Column("cost_increment_seconds", sa.Integer(), nullable=False),
        sa.Column("cost_minimum_seconds", sa.Integer(), nullable=False),
        sa.Column("outbound_cost_per_minute_micros", sa.BigInteger(), nullable=False),
        sa.Column("outbound_increment_seconds", sa.Integer(), nullable=False),
        sa.Column("outbound_minimum_seconds", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trunk_id"], ["trunks.id"], name=op.f("fk_trunk_rates_trunk_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trunk_id", "goes_live_at", name=op.f("pk_trunk_rates")),
    )
    op.create_table(
        "platform_fees",
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("goes_live_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("platform_fee_micros", sa.BigInteger(), nullable=False),
        sa.Column("platform_fee_ppm", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_platform_fees_campaign_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("campaign_id", "goes_live_at", name=op.f("pk_platform_fees")),
    )
    op.execute(_REFUSE_CHANGE)
    for table, (owner, key, columns) in _VERSIONED.items():
        names = ", ".join(columns)
        op.execute(
            f"INSERT INTO {table} ({key}, goes_live_at, {names}) SELECT id, 'epoch', {names} FROM {owner}"  # noqa: S608
        )
        new = ", ".join(f"NEW.{one}" for one in columns)
        excluded = ", ".join(f"excluded.{one}" for one in columns)
        op.execute(_KEEP.format(table=table, key=key, columns=names, new=new, excluded=excluded))
        changed = " OR ".join(f"OLD.{one} <> NEW.{one}" for one in columns)
        for event, when in (("INSERT", ""), ("UPDATE", f"WHEN ({changed})")):
            op.execute(
                f"CREATE TRIGGER {owner}_keep_{table}_{event.lower()} AFTER {event} ON {owner} FOR EACH ROW"
                f" {when} EXECUTE FUNCTION keep_{table}()"
            )
        op.execute(
            f"CREATE TRIGGER {table}_immutable BEFORE UPDATE ON {table} FOR EACH ROW"
            " WHEN (OLD.goes_live_at < now()) EXECUTE FUNCTION refuse_change_of_live_rates()"
        )


def downgrade() -> None:
    for table, (owner, _, _) in _VERSIONED.items():
        for event in ("insert", "update"):
            op.execute(f"DROP TRIGGER {owner}_keep_{table}_{event} ON {owner}")
        op.execute(f"DROP FUNCTION keep_{table}()")
        op.drop_table(table)
    op.execute("DROP FUNCTION refuse_change_of_live_rates()")
    op.execute("DROP TRIGGER calls_note_credited ON calls")
    op.execute("DROP VIEW report_contributions")
    op.execute(_CONTRIBUTIONS.format(credited=""))
    for table in ("rollups", "report_facts"):
        op.drop_column(table, "credited")
    op.drop_column("invoices", "paid_by_id")
