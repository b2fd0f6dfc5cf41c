"""The market grows: caps, groups, filters, ways to ring, bidders, blocked callers; and who changed what in it.

market_changes names the owner of each changed row, so that a reader of an older market reads only what is new.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004_routing"
down_revision = "0003_money"
branch_labels = None
depends_on = None

_TABLES_LAST_FIRST = (
    "ping_endpoints",
    "cap_group_members",
    "blocked_callers",
    "market_changes",
    "caps",
    "cap_groups",
)

_COLUMNS = (
    ("buyers", "nmls_id"),
    ("buyers", "time_zone"),
    ("buyers", "credit_limit_micros"),
    ("campaigns", "time_zone"),
    ("campaigns", "duplicate_policy"),
    ("campaigns", "no_buyer"),
    ("campaigns", "exclusive"),
    ("licences", "officer_name"),
    ("licences", "officer_nmls_id"),
    ("plan_entries", "weight"),
    ("plan_stages", "ring_timeout_seconds"),
    ("plan_stages", "attempts"),
    ("plan_stages", "simultaneous"),
    ("plan_stages", "deadline_ms"),
    ("plan_stages", "floor_micros"),
    ("plan_stages", "margin_micros"),
    ("publishers", "time_zone"),
    ("targets", "filters"),
    ("targets", "press_to_accept"),
    ("targets", "whisper_text"),
    ("targets", "recovery_seconds"),
)

_VERSIONED = ("caps", "cap_groups", "cap_group_members", "blocked_callers", "ping_endpoints")

# Table -> what its rows belong to, and the column that says to which. Other tables of the market are small: they are
# always read whole.
_RECORDED = {
    "buyers": ("'buyer'", "id"),
    "targets": ("'buyer'", "buyer_id"),
    "licences": ("'buyer'", "buyer_id"),
    "buyer_terms": ("'buyer'", "buyer_id"),
    "ping_endpoints": ("'target'", "target_id"),
    "plan_stages": ("'campaign'", "campaign_id"),
    "plan_entries": ("'stage'", "stage_id"),
    "caps": ("'cap_' || owner", "owner_id"),
}

_ROWS = {
    "INSERT": ("REFERENCING NEW TABLE AS new_rows", "SELECT * FROM new_rows"),
    "DELETE": ("REFERENCING OLD TABLE AS old_rows", "SELECT * FROM old_rows"),
    "UPDATE": (
        "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
        "SELECT * FROM old_rows UNION ALL SELECT * FROM new_rows",
    ),
}


def upgrade() -> None:
    _create_tables()
    _add_columns()
    for table in _VERSIONED:
        op.execute(
            f"CREATE TRIGGER {table}_raise_market_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION raise_market_version()"
        )
    _create_change_functions()
    for table, (kind, column) in _RECORDED.items():
        _record_changes(table, kind, column)


def downgrade() -> None:
    for table in _RECORDED:
        for event in ("insert", "delete", "update", "truncate"):
            op.execute(f"DROP TRIGGER {table}_record_{event} ON {table}")
        for event in _ROWS:
            op.execute(f"DROP FUNCTION record_{table}_{event.lower()}()")
    op.execute("DROP FUNCTION record_truncated_market()")
    for table, column in reversed(_COLUMNS):
        op.drop_column(table, column)
    for table in _TABLES_LAST_FIRST:
        op.drop_table(table)


def _create_change_functions() -> None:
    op.execute(
        """
        CREATE FUNCTION record_truncated_market() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO market_changes (version, kind, owner_id)
            SELECT version, 'everything', 0 FROM market_version ON CONFLICT DO NOTHING;
            RETURN NULL;
        END $$
        """
    )


def _record_changes(table: str, kind: str, column: str) -> None:
    """Note the owners of changed rows. Fires after raise_market_version (by name), whose row lock keeps writers apart."""
    for event, (referencing, rows) in _ROWS.items():
        name = f"record_{table}_{event.lower()}"
        op.execute(
            f"""
            CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                INSERT INTO market_changes (version, kind, owner_id)
                SELECT DISTINCT m.version, {kind}, r.{column} FROM ({rows}) AS r CROSS JOIN market_version AS m
                ON CONFLICT DO NOTHING;
                DELETE FROM market_changes WHERE version < (SELECT version FROM market_version) - 1000;
                RETURN NULL;
            END $$
            """  # noqa: S608 (constants of this file)
        )
        op.execute(
            f"CREATE TRIGGER {table}_record_{event.lower()} AFTER {event} ON {table} {referencing}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )
    op.execute(
        f"CREATE TRIGGER {table}_record_truncate AFTER TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION record_truncated_market()"
    )


def _create_tables() -> None:
    op.create_table(
        "cap_groups",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), server_default=sa.text("'America/New_York'"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cap_groups")),
        sa.UniqueConstraint("name", name=op.f("uq_cap_groups_name")),
    )
    op.create_table(
        "caps",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=True),
        sa.Column("at_most", sa.BigInteger(), nullable=False),
        sa.Column("range_name", sa.Text(), nullable=True),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.CheckConstraint(
            "(kind in ('concurrency', 'spacing')) = (period is null) and (period is null or period in ('hour', 'day', 'week', 'month', 'total'))",
            name=op.f("ck_caps_period"),
        ),
        sa.CheckConstraint(
            "kind in ('concurrency', 'attempts', 'connections', 'conversions', 'revenue', 'spacing')",
            name=op.f("ck_caps_kind"),
        ),
        sa.CheckConstraint(
            "owner in ('target', 'buyer', 'campaign', 'publisher', 'group')", name=op.f("ck_caps_owner")
        ),
        sa.CheckConstraint("at_most >= 0", name=op.f("ck_caps_at_most")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_caps")),
    )
    op.create_index(op.f("ix_caps_owner_owner_id"), "caps", ["owner", "owner_id"], unique=False)
    op.create_table(
        "market_changes",
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("version", "kind", "owner_id", name=op.f("pk_market_changes")),
    )
    op.create_table(
        "blocked_callers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(kind = 'anonymous') = (value = '')", name=op.f("ck_blocked_callers_value")),
        sa.CheckConstraint("kind in ('number', 'prefix', 'anonymous')", name=op.f("ck_blocked_callers_kind")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_blocked_callers_campaign_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blocked_callers")),
        sa.UniqueConstraint(
            "kind",
            "value",
            "campaign_id",
            name=op.f("uq_blocked_callers_kind_value_campaign_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "cap_group_members",
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.Column("target_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["cap_groups.id"], name=op.f("fk_cap_group_members_group_id")),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name=op.f("fk_cap_group_members_target_id")),
        sa.PrimaryKeyConstraint("group_id", "target_id", name=op.f("pk_cap_group_members")),
    )
    op.create_table(
        "ping_endpoints",
        sa.Column("target_id", sa.BigInteger(), nullable=False),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("settings", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("expose_caller", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("budget_per_minute", sa.Integer(), nullable=True),
        sa.Column("cost_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.CheckConstraint("budget_per_minute >= 0", name=op.f("ck_ping_endpoints_budget_per_minute")),
        sa.CheckConstraint("cost_micros >= 0", name=op.f("ck_ping_endpoints_cost")),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name=op.f("fk_ping_endpoints_target_id")),
        sa.PrimaryKeyConstraint("target_id", name=op.f("pk_ping_endpoints")),
    )


def _add_columns() -> None:
    op.add_column("buyers", sa.Column("nmls_id", sa.Text(), nullable=True))
    op.add_column(
        "buyers",
        sa.Column("time_zone", sa.Text(), server_default=sa.text("'America/New_York'"), nullable=False),
    )
    op.add_column("buyers", sa.Column("credit_limit_micros", sa.BigInteger(), nullable=True))
    op.add_column(
        "campaigns",
        sa.Column("time_zone", sa.Text(), server_default=sa.text("'America/New_York'"), nullable=False),
    )
    op.add_column("campaigns", sa.Column("duplicate_policy", postgresql.JSONB(), nullable=True))
    op.add_column(
        "campaigns", sa.Column("no_buyer", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column(
        "campaigns", sa.Column("exclusive", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("licences", sa.Column("officer_name", sa.Text(), nullable=True))
    op.add_column("licences", sa.Column("officer_nmls_id", sa.Text(), nullable=True))
    op.add_column(
        "plan_entries", sa.Column("weight", sa.Integer(), server_default=sa.text("1"), nullable=False)
    )
    op.add_column("plan_stages", sa.Column("ring_timeout_seconds", sa.Integer(), nullable=True))
    op.add_column("plan_stages", sa.Column("attempts", sa.Integer(), nullable=True))
    op.add_column(
        "plan_stages", sa.Column("simultaneous", sa.Integer(), server_default=sa.text("1"), nullable=False)
    )
    op.add_column(
        "plan_stages", sa.Column("deadline_ms", sa.Integer(), server_default=sa.text("500"), nullable=False)
    )
    op.add_column(
        "plan_stages", sa.Column("floor_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column(
        "plan_stages",
        sa.Column("margin_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column(
        "publishers",
        sa.Column("time_zone", sa.Text(), server_default=sa.text("'America/New_York'"), nullable=False),
    )
    op.add_column("targets", sa.Column("filters", postgresql.JSONB(), nullable=True))
    op.add_column(
        "targets", sa.Column("press_to_accept", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("targets", sa.Column("whisper_text", sa.Text(), nullable=True))
    op.add_column("targets", sa.Column("recovery_seconds", sa.Integer(), nullable=True))
    op.create_check_constraint(op.f("ck_plan_entries_weight"), "plan_entries", "weight between 1 and 10000")
    op.create_check_constraint(
        op.f("ck_targets_recovery_seconds"), "targets", "recovery_seconds between 1 and 600"
    )
    op.create_check_constraint(
        op.f("ck_plan_stages_ring_timeout_seconds"), "plan_stages", "ring_timeout_seconds between 3 and 120"
    )
    op.create_check_constraint(op.f("ck_plan_stages_attempts"), "plan_stages", "attempts > 0")
    op.create_check_constraint(
        op.f("ck_plan_stages_simultaneous"), "plan_stages", "simultaneous between 1 and 10"
    )
    op.create_check_constraint(
        op.f("ck_plan_stages_deadline_ms"), "plan_stages", "deadline_ms between 50 and 2000"
    )
    op.create_check_constraint(op.f("ck_plan_stages_floor"), "plan_stages", "floor_micros >= 0")
    op.create_check_constraint(op.f("ck_plan_stages_margin"), "plan_stages", "margin_micros >= 0")
