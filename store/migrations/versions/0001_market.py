"""The market: publishers, buyers, campaigns, numbers, targets, licences, plans, terms, trunks, flows.

Any change of them raises market_version, whoever makes it, so that snapshots notice.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001_market"
down_revision = None
branch_labels = None
depends_on = None

_TABLES_LAST_FIRST = (
    "plan_entries",
    "tracking_numbers",
    "targets",
    "publisher_terms",
    "plan_stages",
    "licences",
    "buyer_terms",
    "trunks",
    "publishers",
    "market_version",
    "flows",
    "campaigns",
    "buyers",
)

_VERSIONED = tuple(table for table in _TABLES_LAST_FIRST if table != "market_version")


def upgrade() -> None:
    _create_tables()
    op.execute("INSERT INTO market_version (id, version) VALUES (1, 1)")
    op.execute(
        """
        CREATE FUNCTION raise_market_version() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE market_version SET version = version + 1 WHERE id = 1;
            RETURN NULL;
        END $$
        """
    )
    for table in _VERSIONED:
        op.execute(
            f"CREATE TRIGGER {table}_raise_market_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION raise_market_version()"
        )


def downgrade() -> None:
    for table in _TABLES_LAST_FIRST:
        op.drop_table(table)
    op.execute("DROP FUNCTION raise_market_version()")


def _create_tables() -> None:
    op.create_table(
        "buyers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_buyers")),
        sa.UniqueConstraint("name", name=op.f("uq_buyers_name")),
    )
    op.create_table(
        "campaigns",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("flow_name", sa.Text(), nullable=False),
        sa.Column(
            "duplicate_window_seconds", sa.Integer(), server_default=sa.text("2592000"), nullable=False
        ),
        sa.Column("maximum_attempts", sa.Integer(), server_default=sa.text("5"), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("name", name=op.f("uq_campaigns_name")),
    )
    op.create_table(
        "flows",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("definition", postgresql.JSONB(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flows")),
        sa.UniqueConstraint("name", "version", name=op.f("uq_flows_name_version")),
    )
    op.create_table(
        "market_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_market_version")),
    )
    op.create_table(
        "publishers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publishers")),
        sa.UniqueConstraint("name", name=op.f("uq_publishers_name")),
    )
    op.create_table(
        "trunks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("carrier_name", sa.Text(), nullable=False),
        sa.Column("addresses", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("registrar_uri", sa.Text(), nullable=True),
        sa.Column("username", sa.Text(), nullable=True),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("cost_per_minute_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cost_increment_seconds", sa.Integer(), server_default=sa.text("6"), nullable=False),
        sa.Column("cost_minimum_seconds", sa.Integer(), server_default=sa.text("6"), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.CheckConstraint("cost_increment_seconds > 0", name=op.f("ck_trunks_increment")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trunks")),
        sa.UniqueConstraint("name", name=op.f("uq_trunks_name")),
    )
    op.create_table(
        "buyer_terms",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("buyer_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("goes_live_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("minimum_connected_ms", sa.Integer(), server_default=sa.text("90000"), nullable=False),
        sa.Column("price_micros", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("minimum_connected_ms >= 0", name=op.f("ck_buyer_terms_minimum")),
        sa.CheckConstraint("price_micros >= 0", name=op.f("ck_buyer_terms_price")),
        sa.ForeignKeyConstraint(["buyer_id"], ["buyers.id"], name=op.f("fk_buyer_terms_buyer_id")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_buyer_terms_campaign_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_buyer_terms")),
        sa.UniqueConstraint(
            "buyer_id",
            "campaign_id",
            "goes_live_at",
            name=op.f("uq_buyer_terms_buyer_id_campaign_id_goes_live_at"),
        ),
    )
    op.create_table(
        "licences",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("buyer_id", sa.BigInteger(), nullable=False),
        sa.Column("nmls_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("status", sa.Text(), server_default=sa.text("'active'"), nullable=False),
        sa.ForeignKeyConstraint(["buyer_id"], ["buyers.id"], name=op.f("fk_licences_buyer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_licences")),
    )
    op.create_index(
        op.f("ix_licences_buyer_id_state_product"), "licences", ["buyer_id", "state", "product"], unique=False
    )
    op.create_table(
        "plan_stages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_plan_stages_campaign_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_stages")),
        sa.UniqueConstraint("campaign_id", "position", name=op.f("uq_plan_stages_campaign_id_position")),
    )
    op.create_table(
        "publisher_terms",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("publisher_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("goes_live_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payout_micros", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("payout_micros >= 0", name=op.f("ck_publisher_terms_payout")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_publisher_terms_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["publisher_id"], ["publishers.id"], name=op.f("fk_publisher_terms_publisher_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publisher_terms")),
        sa.UniqueConstraint(
            "publisher_id",
            "campaign_id",
            "goes_live_at",
            name=op.f("uq_publisher_terms_publisher_id_campaign_id_goes_live_at"),
        ),
    )
    op.create_table(
        "targets",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("buyer_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sip_uri", sa.Text(), nullable=False),
        sa.Column("loan_types", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("schedule", postgresql.JSONB(), nullable=False),
        sa.Column("concurrency_cap", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("ring_timeout_seconds", sa.Integer(), server_default=sa.text("20"), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.CheckConstraint("concurrency_cap >= 0", name=op.f("ck_targets_concurrency_cap")),
        sa.CheckConstraint(
            "ring_timeout_seconds between 3 and 120", name=op.f("ck_targets_ring_timeout_seconds")
        ),
        sa.ForeignKeyConstraint(["buyer_id"], ["buyers.id"], name=op.f("fk_targets_buyer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_targets")),
    )
    op.create_table(
        "tracking_numbers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("e164", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("publisher_id", sa.BigInteger(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.CheckConstraint("e164 ~ '^\\+[0-9]{5,15}$'", name=op.f("ck_tracking_numbers_e164")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_tracking_numbers_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["publisher_id"], ["publishers.id"], name=op.f("fk_tracking_numbers_publisher_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tracking_numbers")),
        sa.UniqueConstraint("e164", name=op.f("uq_tracking_numbers_e164")),
    )
    op.create_table(
        "plan_entries",
        sa.Column("stage_id", sa.BigInteger(), nullable=False),
        sa.Column("target_id", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["stage_id"], ["plan_stages.id"], name=op.f("fk_plan_entries_stage_id")),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name=op.f("fk_plan_entries_target_id")),
        sa.PrimaryKeyConstraint("stage_id", "target_id", name=op.f("pk_plan_entries")),
    )
