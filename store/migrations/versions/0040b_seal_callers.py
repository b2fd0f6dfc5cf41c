"""Every caller's number is sealed and indexed, beside anyone who reads and writes; the indexes it is found by are made."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from store.migrations.beside import create_index_beside, fill_beside
from store.migrations.seal_beside import EVERYWHERE, open_beside, seal_beside

revision = "0040b_seal_callers"
down_revision = "0040_sealed_callers"
branch_labels = None
depends_on = None

_LIVE = "state in ('deciding', 'open', 'confirmed')"
# Lines of buyers' invoices name the caller of a call (billing.invoice.CALLER_OF_CALL).
_CALLER_OF_CALL = r"""
UPDATE invoice_lines SET description = regexp_replace(description, '^Call from \+[0-9]{5,15}', 'Call from {caller}')
WHERE invoice_id = ANY (:ids) AND party = 'buyer' AND call_id IS NOT NULL AND description ~ '^Call from \+[0-9]'
"""
_NUMBER_OF_CALL = """
UPDATE invoice_lines l SET description = replace(description, '{caller}', coalesce(c.caller, 'a withheld number'))
FROM calls c WHERE c.id = l.call_id AND l.invoice_id = ANY (:ids) AND l.party = 'buyer'
    AND l.connected_ms IS NOT NULL
"""
_KEYS_AS_THEY_WERE = (
    "ALTER TABLE buyer_suppressions DROP CONSTRAINT pk_buyer_suppressions, ADD CONSTRAINT pk_buyer_suppressions"
    " PRIMARY KEY (buyer_id, caller), ADD CONSTRAINT ck_buyer_suppressions_caller"
    " CHECK (caller ~ '^\\+[0-9]{5,15}$')",
    "ALTER TABLE test_calls ALTER caller SET NOT NULL",
    "ALTER TABLE blocked_callers ADD CONSTRAINT ck_blocked_callers_value"
    " CHECK ((kind = 'anonymous') = (value = '')), ADD CONSTRAINT uq_blocked_callers_kind_value_campaign_id"
    " UNIQUE NULLS NOT DISTINCT (kind, value, campaign_id)",
)


def upgrade() -> None:
    for one in EVERYWHERE:
        seal_beside(op, one)
    fill_beside(op, "invoices", _CALLER_OF_CALL)
    _index("ix_calls_caller_index", "calls", "caller_index", "started_at")
    _index(
        "ix_calls_same_caller",
        "calls",
        "campaign_id",
        "caller_index",
        "started_at",
        postgresql_where=sa.text("converted"),
    )
    _index(
        "ix_rtb_reservations_arrives", "rtb_reservations", "tracking_number_id", "caller_index", "expires_at"
    )
    _index("ix_rtb_reservations_repeats", "rtb_reservations", "rtb_key_id", "caller_index", "expires_at")
    _index("ix_buyer_suppressions_caller_index", "buyer_suppressions", "caller_index")
    _index("ix_buyer_suppressions_newest", "buyer_suppressions", "buyer_id", "created_at", "caller_index")
    _index("ix_no_buyer_requests_caller_index", "no_buyer_requests", "caller_index")
    _index(
        "uq_rtb_reservations_one_live",
        "rtb_reservations",
        "publisher_id",
        "campaign_id",
        "caller_index",
        unique=True,
        postgresql_where=sa.text(_LIVE),
    )
    _index("ux_buyer_suppressions", "buyer_suppressions", "buyer_id", "caller_index", unique=True)


def _index(name: str, table: str, *columns: str, **more: Any) -> None:
    create_index_beside(op, name, table, columns, **more)


def downgrade() -> None:
    for one in EVERYWHERE:
        open_beside(op, one)
    fill_beside(op, "invoices", _NUMBER_OF_CALL)
    _index("ix_calls_caller", "calls", "caller", "started_at")
    _index(
        "ix_calls_duplicates",
        "calls",
        "campaign_id",
        "caller",
        "started_at",
        postgresql_where=sa.text("converted"),
    )
    _index("ix_rtb_reservations_arrival", "rtb_reservations", "tracking_number_id", "caller", "expires_at")
    _index("ix_rtb_reservations_repeat", "rtb_reservations", "rtb_key_id", "caller", "expires_at")
    _index(
        "uq_rtb_reservations_live",
        "rtb_reservations",
        "publisher_id",
        "campaign_id",
        "caller",
        unique=True,
        postgresql_where=sa.text(_LIVE),
    )
    _index("ix_buyer_suppressions_caller", "buyer_suppressions", "caller")
    for statement in _KEYS_AS_THEY_WERE:
        op.execute(statement)
