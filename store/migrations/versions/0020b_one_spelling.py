"""A ZIP code and a withheld number have one spelling.

Filters that asked for `zip_code` were met by callers of publishers' pings alone: they ask for `zip` now, as the router
does. A number that carriers write for "withheld" was blocked as one caller: what is blocked now is hiding the number.
"""

from __future__ import annotations

from alembic import op

revision = "0020b_one_spelling"
down_revision = "0020_dial_destinations"
branch_labels = None
depends_on = None

# Words of carriers in the digits of a telephone's keys: ANONYMOUS, BLOCKED, NOTAVAILABLE, OUTOFAREA, PRIVATE,
# RESTRICTED, UNAVAILABLE, UNKNOWN, WITHHELD.
_WITHHELD = (
    r"^\+1?(266696687|2562533|668282452253|688632732|7748283|7378742833|86282452253|8656696|94844353)$"
)


def upgrade() -> None:
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
    """Both spellings are read as one by what was before."""
