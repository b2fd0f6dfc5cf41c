"""Reports by hour of the day: sums of each hour (and quarter, for zones half an hour off) over a week and a month.

Ninety days of two hundred numbers are 432,000 hours, and 40,000 of these sums. They are made of the sums that are
there (billing.rollup.Grain).
"""

from __future__ import annotations

from alembic import op

revision = "0016_hours_of_day"
down_revision = "0015_add_up"
branch_labels = None
depends_on = None

_MEASURES = (
    *("calls", "connected", "converted", "duplicates", "refused", "connected_ms"),
    *("revenue_micros", "payout_micros", "carrier_cost_micros", "ping_cost_micros", "platform_fee_micros"),
)
_WEEK, _MONTH = "date_bin('7 days', bucket, 'epoch')", "date_trunc('month', bucket, 'UTC')"
_MADE = {5: (2, _WEEK), 6: (2, _MONTH), 7: (1, _WEEK), 8: (1, _MONTH)}
"""The grain of which each new one is made, and the first day of what a row is of."""


def upgrade() -> None:
    for grain, (finer, first) in _MADE.items():
        op.execute(
            f"INSERT INTO rollups (grain, pair, bucket, a, b, {', '.join(_MEASURES)})"  # noqa: S608
            f" SELECT {grain}, pair, {first} + (bucket - date_trunc('day', bucket, 'UTC')) AS bucket, a, b,"
            f" {', '.join(f'add_up({name})' for name in _MEASURES)} FROM rollups WHERE grain = {finer}"
            " GROUP BY 2, 3, 4, 5 ORDER BY 2, 3, 4, 5"
        )


def downgrade() -> None:
    op.execute("DELETE FROM rollups WHERE grain IN (5, 6, 7, 8)")
