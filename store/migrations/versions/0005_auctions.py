"""What the router keeps while it works: turns, histories, auctions, reservations, suppressed callers, old markets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005_auctions"
down_revision = "0004_routing"
branch_labels = None
depends_on = None

_TABLES_LAST_FIRST = (
    "target_history",
    "stage_turns",
    "stage_passes",
    "rtb_reservations",
    "endpoint_health",
    "rtb_keys",
    "no_buyer_requests",
    "buyer_suppressions",
    "pings",
    "market_snapshots",
    "market_parts",
)

_COLUMNS = (
    ("cap_counters", "period_start"),
    ("leases", "kind"),
    ("leases", "amount"),
    ("leases", "period_start"),
    ("leases", "target_id"),
)


def upgrade() -> None:
    _create_tables()
    _change_tables()


def downgrade() -> None:
    op.drop_index("ix_calls_caller", table_name="calls")
    op.execute("DELETE FROM leases WHERE counter_key NOT IN (SELECT key FROM cap_counters)")
    op.create_foreign_key(op.f("fk_leases_counter_key"), "leases", "cap_counters", ["counter_key"], ["key"])
    op.execute("DELETE FROM cap_counters WHERE used > 2147483647")
    op.alter_column("cap_counters", "used", existing_type=sa.BigInteger(), type_=sa.INTEGER())
    for table, column in reversed(_COLUMNS):
        op.drop_column(table, column)
    for table in _TABLES_LAST_FIRST:
        op.drop_table(table)


def _create_tables() -> None:
    op.create_table(
        "market_parts",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_market_parts")),
    )
    op.create_table(
        "market_snapshots",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_market_snapshots")),
    )
    op.create_table(
        "pings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("entry", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("stage_id", sa.BigInteger(), nullable=False),
        sa.Column("target_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), server_default=sa.text("'ping'"), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("bid_micros", sa.BigInteger(), nullable=True),
        sa.Column("minimum_connected_ms", sa.Integer(), nullable=True),
        sa.Column("reference", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("arrived_us", sa.BigInteger(), nullable=True),
        sa.Column("request", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("answer", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("detail", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cost_transaction_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pings")),
        sa.UniqueConstraint("entry", name=op.f("uq_pings_entry")),
    )
    op.create_index(
        "ix_pings_cost_open",
        "pings",
        ["id"],
        unique=False,
        postgresql_where=sa.text("cost_micros > 0 and cost_transaction_id is null"),
    )
    op.create_index(op.f("ix_pings_call_id"), "pings", ["call_id"], unique=False)
    op.create_index(op.f("ix_pings_target_id_sent_at"), "pings", ["target_id", "sent_at"], unique=False)
    op.create_table(
        "buyer_suppressions",
        sa.Column("buyer_id", sa.BigInteger(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("caller ~ '^\\+[0-9]{5,15}$'", name=op.f("ck_buyer_suppressions_caller")),
        sa.ForeignKeyConstraint(["buyer_id"], ["buyers.id"], name=op.f("fk_buyer_suppressions_buyer_id")),
        sa.PrimaryKeyConstraint("buyer_id", "caller", name=op.f("pk_buyer_suppressions")),
    )
    op.create_index(op.f("ix_buyer_suppressions_caller"), "buyer_suppressions", ["caller"], unique=False)
    op.create_table(
        "no_buyer_requests",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=True),
        sa.Column("recording", sa.Text(), nullable=True),
        sa.Column("node", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("detail", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_no_buyer_requests_campaign_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_no_buyer_requests")),
        sa.UniqueConstraint("call_id", "kind", name=op.f("uq_no_buyer_requests_call_id_kind")),
    )
    op.create_index(
        "ix_no_buyer_requests_open",
        "no_buyer_requests",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("done_at is null"),
    )
    op.create_table(
        "rtb_keys",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("key_digest", sa.LargeBinary(), nullable=False),
        sa.Column("publisher_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("dialect", sa.Text(), server_default=sa.text("'tollbridge'"), nullable=False),
        sa.Column("rate_per_minute", sa.Integer(), server_default=sa.text("600"), nullable=False),
        sa.Column("settings", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.CheckConstraint("rate_per_minute >= 0", name=op.f("ck_rtb_keys_rate_per_minute")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_rtb_keys_campaign_id")),
        sa.ForeignKeyConstraint(["publisher_id"], ["publishers.id"], name=op.f("fk_rtb_keys_publisher_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rtb_keys")),
        sa.UniqueConstraint("key_digest", name=op.f("uq_rtb_keys_key_digest")),
    )
    op.create_table(
        "endpoint_health",
        sa.Column("target_id", sa.BigInteger(), nullable=False),
        sa.Column("window_started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("rested_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("probing", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("detail", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["target_id"], ["targets.id"], name=op.f("fk_endpoint_health_target_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("target_id", name=op.f("pk_endpoint_health")),
    )
    op.create_table(
        "rtb_reservations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rtb_key_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("publisher_id", sa.BigInteger(), nullable=False),
        sa.Column("tracking_number_id", sa.BigInteger(), nullable=True),
        sa.Column("caller", sa.Text(), nullable=True),
        sa.Column("target_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("payout_micros", sa.BigInteger(), nullable=True),
        sa.Column("bid_micros", sa.BigInteger(), nullable=True),
        sa.Column("minimum_connected_ms", sa.Integer(), nullable=True),
        sa.Column("dial", sa.Text(), nullable=True),
        sa.Column("detail", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_rtb_reservations_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["publisher_id"], ["publishers.id"], name=op.f("fk_rtb_reservations_publisher_id")
        ),
        sa.ForeignKeyConstraint(["rtb_key_id"], ["rtb_keys.id"], name=op.f("fk_rtb_reservations_rtb_key_id")),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name=op.f("fk_rtb_reservations_target_id")),
        sa.ForeignKeyConstraint(
            ["tracking_number_id"],
            ["tracking_numbers.id"],
            name=op.f("fk_rtb_reservations_tracking_number_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rtb_reservations")),
    )
    op.create_index(
        "ix_rtb_reservations_arrival",
        "rtb_reservations",
        ["tracking_number_id", "caller", "expires_at"],
        unique=False,
    )
    op.create_index(
        "ix_rtb_reservations_repeat", "rtb_reservations", ["rtb_key_id", "caller", "expires_at"], unique=False
    )
    op.create_index(
        "uq_rtb_reservations_live",
        "rtb_reservations",
        ["publisher_id", "campaign_id", "caller"],
        unique=True,
        postgresql_where=sa.text("state in ('deciding', 'open', 'confirmed')"),
    )
    op.create_index(
        "ix_rtb_reservations_ending",
        "rtb_reservations",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("state in ('deciding', 'open', 'confirmed')"),
    )
    op.create_index(
        "ix_rtb_reservations_call",
        "rtb_reservations",
        ["call_id"],
        unique=False,
        postgresql_where=sa.text("call_id is not null"),
    )
    op.create_table(
        "stage_passes",
        sa.Column("stage_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("target_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("pass", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stage_id", "target_id", name=op.f("pk_stage_passes")),
    )
    op.create_table(
        "stage_turns",
        sa.Column("stage_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("turn", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reached", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("stage_id", name=op.f("pk_stage_turns")),
    )
    op.create_table(
        "target_history",
        sa.Column("target_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_offered_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("connected", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("converted", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("target_id", name=op.f("pk_target_history")),
    )


def _change_tables() -> None:
    op.create_index("ix_calls_caller", "calls", ["caller", "started_at"], unique=False)
    op.add_column(
        "cap_counters",
        sa.Column("period_start", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.alter_column(
        "cap_counters", "used", existing_type=sa.INTEGER(), type_=sa.BigInteger(), existing_nullable=False
    )
    op.add_column(
        "leases", sa.Column("kind", sa.Text(), server_default=sa.text("'concurrency'"), nullable=False)
    )
    op.add_column("leases", sa.Column("amount", sa.BigInteger(), server_default=sa.text("1"), nullable=False))
    op.add_column(
        "leases", sa.Column("period_start", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("leases", sa.Column("target_id", sa.BigInteger(), nullable=True))
    op.drop_constraint(op.f("fk_leases_counter_key"), "leases", type_="foreignkey")
