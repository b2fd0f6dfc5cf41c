"""What carriers and the platform take is kept by time, so that a change never reaches calls that started before it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.beside import lock_first

revision = "0024b_versions"
down_revision = "0024_cash"
branch_labels = None
depends_on = None

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
    lock_first(op, ("trunks", "campaigns"))
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
