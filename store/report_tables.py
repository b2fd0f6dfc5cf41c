"""What reports read: figures kept beside the ledger, which alone is the truth (`tollbridge reports rebuild`).

A settlement adds one narrow row to `report_pending`, in its own transaction, by a trigger: no row is shared, so nobody
waits. The worker folds what is pending within a second; until then readers add it up themselves.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, SmallInteger, Table, Text, Uuid, text

from store.columns import Instant, metadata

MONEY = ("revenue_micros", "payout_micros", "carrier_cost_micros", "ping_cost_micros", "platform_fee_micros")
COUNTS = ("calls", "connected", "converted", "credited", "duplicates", "refused", "connected_ms")

report_pending = Table(
    "report_pending", metadata, Column("transaction_id", BigInteger, primary_key=True, autoincrement=False)
)


def _measures() -> list[Column[int]]:
    return [
        Column(name, BigInteger, nullable=False, server_default=text("0") if name == "credited" else None)
        for name in (*COUNTS, *MONEY)
    ]


# What each ledger transaction adds to which call's dimensions; 0 and '' where there is none.
report_facts = Table(
    "report_facts",
    metadata,
    Column("transaction_id", BigInteger, primary_key=True, autoincrement=False),
    # 0, or the bidder's target: what a question cost belongs to who was asked.
    Column("part", BigInteger, primary_key=True, autoincrement=False),
    # When the call started: a credit counts in the period of the call it corrects.
    Column("at", Instant, nullable=False),
    Column("call_id", Uuid),
    Column("publisher", BigInteger, nullable=False),
    Column("campaign", BigInteger, nullable=False),
    Column("buyer", BigInteger, nullable=False),
    Column("target", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("loan_type", Text, nullable=False),
    Column("source", Text, nullable=False),
    *_measures(),
    Index(None, "at"),
    Index(None, "publisher", "at"),
    Index(None, "buyer", "at"),
    Index(None, "target", "at"),
    Index(None, "number", "at"),
    Index(None, "state", "at"),
)

# Sums of facts: by one dimension a quarter and an hour, of one day or of all days of a week or month; by one or two a
# UTC day and month (billing.rollup).
rollups = Table(
    "rollups",
    metadata,
    # billing.rollup.Grain
    Column("grain", SmallInteger, primary_key=True, autoincrement=False),
    # billing.rollup.pair_code
    Column("pair", SmallInteger, primary_key=True, autoincrement=False),
    Column("bucket", Instant, primary_key=True),
    Column("a", Text(collation="C"), primary_key=True, server_default=text("''")),
    Column("b", Text(collation="C"), primary_key=True, server_default=text("''")),
    *_measures(),
)
