"""Cash counted once, and calls credited once.

An invoice names the transaction that paid it. A call that was credited whole counts as converted no more; reports keep how
many there are beside those that count.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.beside import lock_first

revision = "0024_cash"
down_revision = "0023c_move_open_disputes"
branch_labels = None
depends_on = None

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


def upgrade() -> None:
    lock_first(op, ("invoices", "rollups", "report_facts"), given_triggers=("ledger_transactions", "calls"))
    op.add_column("invoices", sa.Column("paid_by_id", sa.BigInteger(), nullable=True))
    op.execute(
        "ALTER TABLE invoices ADD CONSTRAINT fk_invoices_paid_by_id"
        " FOREIGN KEY (paid_by_id) REFERENCES ledger_transactions (id) NOT VALID"
    )
    op.create_unique_constraint(op.f("uq_invoices_paid_by_id"), "invoices", ["paid_by_id"])
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


def downgrade() -> None:
    op.execute("DROP TRIGGER calls_note_credited ON calls")
    op.execute("DROP VIEW report_contributions")
    op.execute(_CONTRIBUTIONS.format(credited=""))
    for table in ("rollups", "report_facts"):
        op.drop_column(table, "credited")
    op.drop_column("invoices", "paid_by_id")
