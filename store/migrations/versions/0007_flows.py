"""What flows do beside asking: recordings and the events of a call; a campaign may forbid recording."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007_flows"
down_revision = "0006_take_leases"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "campaigns", sa.Column("recording", sa.Boolean(), server_default=sa.text("true"), nullable=False)
    )
    _create_recordings()
    _create_call_events()
    _create_flow_drafts()
    _keep_published_flows()


def downgrade() -> None:
    op.execute("DROP TRIGGER flows_published_never_change ON flows")
    op.execute("DROP FUNCTION refuse_changed_flow()")
    op.drop_column("flows", "note")
    op.drop_column("flows", "published_by")
    op.drop_table("flow_drafts")
    op.drop_table("call_events")
    op.drop_table("recordings")
    op.drop_column("campaigns", "recording")


def _create_recordings() -> None:
    op.create_table(
        "recordings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'recording'"), nullable=False),
        sa.Column("consent_node", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("start_offset_ms", sa.BigInteger(), nullable=True),
        sa.Column("length_ms", sa.BigInteger(), nullable=True),
        sa.Column("file_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_recordings_call_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recordings")),
        sa.UniqueConstraint("call_id", "part", name=op.f("uq_recordings_call_id_part")),
        sa.CheckConstraint(
            "state in ('recording', 'stored', 'refused', 'missing')", name=op.f("ck_recordings_state")
        ),
        sa.CheckConstraint(
            "state <> 'stored' or (sha256 is not null and length_ms is not null)",
            name=op.f("ck_recordings_stored"),
        ),
    )
    op.create_index(
        "ix_recordings_open",
        "recordings",
        ["started_at"],
        postgresql_where=sa.text("state = 'recording'"),
    )


def _create_call_events() -> None:
    op.create_table(
        "call_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("detail", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_call_events_call_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_events")),
    )
    op.create_index(op.f("ix_call_events_call_id"), "call_events", ["call_id"])


def _create_flow_drafts() -> None:
    op.create_table(
        "flow_drafts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("definition", postgresql.JSONB(), nullable=False),
        sa.Column("based_on", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("changed_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_flow_drafts")),
    )
    for column in ("published_by", "note"):
        text = sa.Column(column, sa.Text(), server_default=sa.text("''"), nullable=False)
        op.add_column("flows", text)


def _keep_published_flows() -> None:
    """Calls in progress, and the story of those that are over, go by what was published."""
    op.execute(
        """
        CREATE FUNCTION refuse_changed_flow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'flow % version % is published and never changed: publish a new version',
                OLD.name, OLD.version;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER flows_published_never_change BEFORE UPDATE ON flows FOR EACH ROW"
        " WHEN (OLD.published_at IS NOT NULL AND NEW.definition IS DISTINCT FROM OLD.definition)"
        " EXECUTE FUNCTION refuse_changed_flow()"
    )
