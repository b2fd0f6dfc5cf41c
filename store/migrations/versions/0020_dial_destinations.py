"""Numbers abroad are rung only where an admin lists them; a ZIP code and a withheld number have one spelling.

Filters that asked for `zip_code` were met by callers of publishers' pings alone: they ask for `zip` now, as the router
does. A number that carriers write for "withheld" was blocked as one caller: what is blocked now is hiding the number.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020_dial_destinations"
down_revision = "0019_bids_worth"
branch_labels = None
depends_on = None

# Words of carriers in the digits of a telephone's keys: ANONYMOUS, BLOCKED, NOTAVAILABLE, OUTOFAREA, PRIVATE,
# RESTRICTED, UNAVAILABLE, UNKNOWN, WITHHELD.
_WITHHELD = (
    r"^\+1?(266696687|2562533|668282452253|688632732|7748283|7378742833|86282452253|8656696|94844353)$"
)


def upgrade() -> None:
    op.create_table(
        "dial_destinations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "cost_per_minute_micros", sa.BigInteger(), server_default=sa.text("500000"), nullable=False
        ),
        sa.Column("target_minutes_per_day", sa.Integer(), server_default=sa.text("120"), nullable=False),
        sa.Column(
            "target_micros_per_day", sa.BigInteger(), server_default=sa.text("100000000"), nullable=False
        ),
        sa.Column("trunk_minutes_per_day", sa.Integer(), server_default=sa.text("480"), nullable=False),
        sa.Column(
            "trunk_micros_per_day", sa.BigInteger(), server_default=sa.text("400000000"), nullable=False
        ),
        sa.CheckConstraint(r"prefix ~ '^\+[0-9]{2,15}$'", name=op.f("ck_dial_destinations_prefix")),
        sa.CheckConstraint(
            "cost_per_minute_micros >= 0 and target_minutes_per_day >= 0 and target_micros_per_day >= 0"
            " and trunk_minutes_per_day >= 0 and trunk_micros_per_day >= 0",
            name=op.f("ck_dial_destinations_ceilings"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dial_destinations")),
        sa.UniqueConstraint("prefix", name=op.f("uq_dial_destinations_prefix")),
    )
    op.execute(
        "CREATE TRIGGER dial_destinations_raise_market_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE"
        " ON dial_destinations FOR EACH STATEMENT EXECUTE FUNCTION raise_market_version()"
    )
    # Statements that find nothing would raise the market's version all the same.
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM targets WHERE filters::text LIKE '%"zip_code"%') THEN
                UPDATE targets SET filters = replace(filters::text, '"fact": "zip_code"', '"fact": "zip"')::jsonb
                    WHERE filters::text LIKE '%"zip_code"%';
            END IF;
        END $$
        """
    )
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM blocked_callers WHERE kind = 'number' AND value ~ '{_WITHHELD}') THEN
                INSERT INTO blocked_callers (kind, value, campaign_id, reason)
                    SELECT DISTINCT ON (campaign_id) 'anonymous', '', campaign_id, reason FROM blocked_callers
                    WHERE kind = 'number' AND value ~ '{_WITHHELD}' ORDER BY campaign_id, id ON CONFLICT DO NOTHING;
                DELETE FROM blocked_callers WHERE kind = 'number' AND value ~ '{_WITHHELD}';
            END IF;
        END $$
        """  # noqa: S608 (a constant of this file)
    )


def downgrade() -> None:
    op.drop_table("dial_destinations")
