"""People at home in the web: second factors, links by mail, tokens, what was changed, and what is kept for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010_web"
down_revision = "0009_take_together"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_answers",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_answers_user_id")),
        sa.UniqueConstraint("user_id", "key", name=op.f("uq_api_answers_user_id_key")),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_digest", sa.LargeBinary(), nullable=False),
        sa.Column("beginning", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_api_tokens_token_digest")),
    )
    op.create_index(op.f("ix_api_tokens_user_id"), "api_tokens", ["user_id"], unique=False)
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_audit_log_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index(op.f("ix_audit_log_at"), "audit_log", ["at"], unique=False)
    op.create_index(op.f("ix_audit_log_kind_ref"), "audit_log", ["kind", "ref"], unique=False)
    op.create_index(op.f("ix_audit_log_actor_at"), "audit_log", ["actor", "at"], unique=False)
    op.create_table(
        "call_commands",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("asked_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("kind in ('hang_up')", name=op.f("ck_call_commands_kind")),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_call_commands_call_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_call_commands_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_commands")),
    )
    op.create_index(
        "ix_call_commands_open",
        "call_commands",
        ["node"],
        unique=False,
        postgresql_where=sa.text("done_at is null"),
    )
    op.create_index(op.f("ix_call_commands_call_id"), "call_commands", ["call_id"], unique=False)
    op.create_table(
        "dial_codes",
        sa.Column("code_digest", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("flow_name", sa.Text(), nullable=True),
        sa.Column("definition", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("campaign_id", sa.BigInteger(), nullable=True),
        sa.Column("caller", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(purpose = 'draft') = (definition is not null)", name=op.f("ck_dial_codes_draft")
        ),
        sa.CheckConstraint(
            "purpose in ('listen', 'whisper', 'barge', 'draft')", name=op.f("ck_dial_codes_purpose")
        ),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_dial_codes_campaign_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_dial_codes_user_id")),
        sa.PrimaryKeyConstraint("code_digest", name=op.f("pk_dial_codes")),
        sa.UniqueConstraint("id", name=op.f("uq_dial_codes_id")),
    )
    op.create_table(
        "draft_call_events",
        sa.Column("dial_code_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["dial_code_id"],
            ["dial_codes.id"],
            name=op.f("fk_draft_call_events_dial_code_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("dial_code_id", "sequence", name=op.f("pk_draft_call_events")),
    )
    op.create_table(
        "passkeys",
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_passkeys_user_id")),
        sa.PrimaryKeyConstraint("credential_id", name=op.f("pk_passkeys")),
    )
    op.create_index(op.f("ix_passkeys_user_id"), "passkeys", ["user_id"], unique=False)
    op.create_table(
        "saved_views",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("page", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_saved_views_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_views")),
        sa.UniqueConstraint("user_id", "page", "name", name=op.f("uq_saved_views_user_id_page_name")),
    )
    op.create_table(
        "sign_in_challenges",
        sa.Column("token_digest", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("challenge", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sign_in_challenges_user_id")),
        sa.PrimaryKeyConstraint("token_digest", name=op.f("pk_sign_in_challenges")),
    )
    op.create_table(
        "user_links",
        sa.Column("token_digest", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind in ('invitation', 'reset')", name=op.f("ck_user_links_kind")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_user_links_created_by")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_user_links_user_id")),
        sa.PrimaryKeyConstraint("token_digest", name=op.f("pk_user_links")),
    )
    op.create_index(op.f("ix_user_links_user_id"), "user_links", ["user_id"], unique=False)
    op.add_column("users", sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("users", sa.Column("buyer_id", sa.BigInteger(), nullable=True))
    op.add_column("users", sa.Column("publisher_id", sa.BigInteger(), nullable=True))
    op.add_column("users", sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("users", sa.Column("totp_secret", sa.Text(), nullable=True))
    op.add_column("users", sa.Column("totp_last_step", sa.BigInteger(), nullable=True))
    op.add_column(
        "users",
        sa.Column(
            "recovery_digests",
            postgresql.ARRAY(sa.LargeBinary()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.create_foreign_key(op.f("fk_users_buyer_id"), "users", "buyers", ["buyer_id"], ["id"])
    op.create_foreign_key(op.f("fk_users_publisher_id"), "users", "publishers", ["publisher_id"], ["id"])
    op.create_check_constraint(op.f("ck_users_buyer"), "users", "buyer_id is null or role = 'buyer'")
    op.create_check_constraint(
        op.f("ck_users_publisher"), "users", "publisher_id is null or role = 'publisher'"
    )
    op.add_column(
        "web_sessions",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
    )
    op.add_column(
        "web_sessions", sa.Column("address", sa.Text(), server_default=sa.text("''"), nullable=False)
    )
    op.add_column(
        "web_sessions", sa.Column("user_agent", sa.Text(), server_default=sa.text("''"), nullable=False)
    )
    op.add_column(
        "web_sessions",
        sa.Column(
            "last_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
    )
    op.create_index(op.f("ix_web_sessions_user_id"), "web_sessions", ["user_id"], unique=False)
    op.create_unique_constraint(op.f("uq_web_sessions_id"), "web_sessions", ["id"])
    _let_buyers_narrow()


def _let_buyers_narrow() -> None:
    """What a buyer's person may change of its own targets, and the lists of one party's calls."""
    op.add_column("targets", sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "target_limits",
        sa.Column("target_id", sa.BigInteger(), nullable=False),
        sa.Column("house_schedule", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("house_concurrency_cap", sa.Integer(), nullable=True),
        sa.Column("house_filters", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("own_schedule", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("own_concurrency_cap", sa.Integer(), nullable=True),
        sa.Column("own_filters", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "dropped_states", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("day_cap_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["day_cap_id"], ["caps.id"], name=op.f("fk_target_limits_day_cap_id")),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name=op.f("fk_target_limits_target_id")),
        sa.PrimaryKeyConstraint("target_id", name=op.f("pk_target_limits")),
    )
    op.create_table(
        "bid_limits",
        sa.Column("buyer_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("floor_micros", sa.BigInteger(), nullable=False),
        sa.Column("ceiling_micros", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "floor_micros >= 0 and floor_micros <= ceiling_micros", name=op.f("ck_bid_limits_range")
        ),
        sa.ForeignKeyConstraint(["buyer_id"], ["buyers.id"], name=op.f("fk_bid_limits_buyer_id")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_bid_limits_campaign_id")),
        sa.PrimaryKeyConstraint("buyer_id", "campaign_id", name=op.f("pk_bid_limits")),
    )
    op.create_index(
        "ix_calls_buyer",
        "calls",
        ["buyer_id", "started_at"],
        postgresql_where=sa.text("buyer_id is not null"),
    )
    op.create_index("ix_calls_publisher", "calls", ["publisher_id", "started_at"])
    op.create_index("ix_licences_listed", "licences", [sa.text("lower(state)"), "id"])
    op.create_index(op.f("ix_licences_product_state"), "licences", ["product", "state"])
    op.create_index(
        "ix_licences_officers",
        "licences",
        ["buyer_id"],
        postgresql_where=sa.text("officer_nmls_id is not null"),
    )
    op.create_index("ix_calls_campaign", "calls", ["campaign_id", "started_at"])
    op.create_index("ix_calls_dialled", "calls", [sa.text("left(dialled, 20)"), "started_at"])
    op.create_index(
        "ix_calls_target",
        "calls",
        ["target_id", "started_at"],
        postgresql_where=sa.text("target_id is not null"),
    )
    op.create_index(
        "ix_calls_outcome",
        "calls",
        ["outcome", "started_at"],
        postgresql_where=sa.text("outcome is not null"),
    )


def downgrade() -> None:
    op.drop_index("ix_licences_officers", table_name="licences")
    op.drop_index(op.f("ix_licences_product_state"), table_name="licences")
    op.drop_index("ix_licences_listed", table_name="licences")
    op.drop_index("ix_calls_outcome", table_name="calls")
    op.drop_index("ix_calls_target", table_name="calls")
    op.drop_index("ix_calls_dialled", table_name="calls")
    op.drop_index("ix_calls_campaign", table_name="calls")
    op.drop_index("ix_calls_publisher", table_name="calls")
    op.drop_index("ix_calls_buyer", table_name="calls")
    op.drop_table("bid_limits")
    op.drop_table("target_limits")
    op.drop_column("targets", "paused_at")
    op.drop_constraint(op.f("uq_web_sessions_id"), "web_sessions", type_="unique")
    op.drop_index(op.f("ix_web_sessions_user_id"), table_name="web_sessions")
    op.drop_column("web_sessions", "last_seen_at")
    op.drop_column("web_sessions", "user_agent")
    op.drop_column("web_sessions", "address")
    op.drop_column("web_sessions", "id")
    op.drop_constraint(op.f("ck_users_publisher"), "users", type_="check")
    op.drop_constraint(op.f("ck_users_buyer"), "users", type_="check")
    op.drop_constraint(op.f("fk_users_publisher_id"), "users", type_="foreignkey")
    op.drop_constraint(op.f("fk_users_buyer_id"), "users", type_="foreignkey")
    op.drop_column("users", "recovery_digests")
    op.drop_column("users", "totp_last_step")
    op.drop_column("users", "totp_secret")
    op.drop_column("users", "disabled_at")
    op.drop_column("users", "publisher_id")
    op.drop_column("users", "buyer_id")
    op.drop_column("users", "name")
    op.drop_index(op.f("ix_user_links_user_id"), table_name="user_links")
    op.drop_table("user_links")
    op.drop_table("sign_in_challenges")
    op.drop_table("saved_views")
    op.drop_index(op.f("ix_passkeys_user_id"), table_name="passkeys")
    op.drop_table("passkeys")
    op.drop_table("draft_call_events")
    op.drop_table("dial_codes")
    op.drop_table("call_commands")
    op.drop_index(op.f("ix_audit_log_actor_at"), table_name="audit_log")
    op.drop_index(op.f("ix_audit_log_kind_ref"), table_name="audit_log")
    op.drop_index(op.f("ix_audit_log_at"), table_name="audit_log")
    op.drop_table("audit_log")
    op.drop_index(op.f("ix_api_tokens_user_id"), table_name="api_tokens")
    op.drop_table("api_tokens")
    op.drop_table("api_answers")
