"""What happened: calls, answers, decisions, legs, the rows read from files; caps; people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002_calls"
down_revision = "0001_market"
branch_labels = None
depends_on = None

_TABLES_LAST_FIRST = (
    "legs",
    "decisions",
    "answers",
    "rejections",
    "calls",
    "web_sessions",
    "leases",
    "users",
    "refused_lines",
    "file_positions",
    "counters",
    "cel_rows",
    "cap_counters",
    "asterisk_boots",
)


def upgrade() -> None:
    op.create_table(
        "asterisk_boots",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_alive_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("node", "started_ms", name=op.f("pk_asterisk_boots")),
    )
    op.create_table(
        "cap_counters",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.CheckConstraint("used >= 0", name=op.f("ck_cap_counters_used")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_cap_counters")),
    )
    op.create_table(
        "cel_rows",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("event_us", sa.BigInteger(), nullable=False),
        sa.Column("uniqueid", sa.Text(), nullable=False),
        sa.Column("linkedid", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("extra", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cel_rows")),
        sa.UniqueConstraint("node", "file", "position", name=op.f("uq_cel_rows_node_file_position")),
    )
    op.create_index(op.f("ix_cel_rows_linkedid"), "cel_rows", ["linkedid"], unique=False)
    op.create_table(
        "counters",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("node", "name", name=op.f("pk_counters")),
    )
    op.create_table(
        "file_positions",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("node", "kind", "file", name=op.f("pk_file_positions")),
    )
    op.create_table(
        "refused_lines",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("line", sa.LargeBinary(), nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("node", "kind", "file", "position", name=op.f("pk_refused_lines")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_table(
        "leases",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("counter_key", sa.Text(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["counter_key"], ["cap_counters.key"], name=op.f("fk_leases_counter_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leases")),
        sa.UniqueConstraint(
            "call_id", "attempt", "counter_key", name=op.f("uq_leases_call_id_attempt_counter_key")
        ),
    )
    op.create_index(
        "ix_leases_held",
        "leases",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("released_at is null"),
    )
    op.create_table(
        "web_sessions",
        sa.Column("token_digest", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_web_sessions_user_id")),
        sa.PrimaryKeyConstraint("token_digest", name=op.f("pk_web_sessions")),
    )
    op.create_table(
        "calls",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("linkedid", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("trunk_name", sa.Text(), nullable=True),
        sa.Column("dialled", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("caller", sa.Text(), nullable=True),
        sa.Column("tracking_number_id", sa.BigInteger(), nullable=True),
        sa.Column("campaign_id", sa.BigInteger(), nullable=True),
        sa.Column("publisher_id", sa.BigInteger(), nullable=True),
        sa.Column("flow_name", sa.Text(), nullable=True),
        sa.Column("flow_version", sa.Integer(), nullable=True),
        sa.Column("tags", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), server_default=sa.text("'in_progress'"), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("buyer_id", sa.BigInteger(), nullable=True),
        sa.Column("target_id", sa.BigInteger(), nullable=True),
        sa.Column("connected_ms", sa.BigInteger(), nullable=True),
        sa.Column("converted", sa.Boolean(), nullable=True),
        sa.Column("conversion", postgresql.JSONB(), nullable=True),
        sa.Column("evidence", postgresql.JSONB(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settle_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settle_failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["buyer_id"], ["buyers.id"], name=op.f("fk_calls_buyer_id")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_calls_campaign_id")),
        sa.ForeignKeyConstraint(["publisher_id"], ["publishers.id"], name=op.f("fk_calls_publisher_id")),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name=op.f("fk_calls_target_id")),
        sa.ForeignKeyConstraint(
            ["tracking_number_id"], ["tracking_numbers.id"], name=op.f("fk_calls_tracking_number_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
        sa.UniqueConstraint("linkedid", name=op.f("uq_calls_linkedid")),
    )
    op.create_index(
        "ix_calls_duplicates",
        "calls",
        ["campaign_id", "caller", "started_at"],
        unique=False,
        postgresql_where=sa.text("converted"),
    )
    op.create_index(op.f("ix_calls_started_at"), "calls", ["started_at"], unique=False)
    op.create_index(
        "ix_calls_unsettled",
        "calls",
        ["started_at"],
        unique=False,
        postgresql_where=sa.text("state <> 'settled'"),
    )
    op.create_table(
        "rejections",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("target_id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name=op.f("fk_rejections_target_id")),
        sa.PrimaryKeyConstraint("call_id", "sequence", "target_id", name=op.f("pk_rejections")),
    )
    op.create_table(
        "answers",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("heard", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.Column("engine", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_answers_call_id")),
        sa.PrimaryKeyConstraint("call_id", "sequence", name=op.f("pk_answers")),
    )
    op.create_table(
        "decisions",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("target_id", sa.BigInteger(), nullable=True),
        sa.Column("duration_us", sa.Integer(), nullable=False),
        sa.Column("decision", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_decisions_call_id")),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name=op.f("fk_decisions_target_id")),
        sa.PrimaryKeyConstraint("call_id", "sequence", name=op.f("pk_decisions")),
    )
    op.create_table(
        "legs",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("target_id", sa.BigInteger(), nullable=True),
        sa.Column("answered_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=False),
        sa.Column("connected_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cause", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_legs_call_id")),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name=op.f("fk_legs_target_id")),
        sa.PrimaryKeyConstraint("call_id", "attempt", name=op.f("pk_legs")),
    )


def downgrade() -> None:
    for table in _TABLES_LAST_FIRST:
        op.drop_table(table)
