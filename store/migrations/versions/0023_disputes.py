"""A dispute moves money when it is decided: until then its price is owed, and stands on the buyer's account of exposure.

`wallets.disputed_micros` keeps the sum of that account, and what is open lowers the buyer's credit limit. Buyers get
limits of how many calls they dispute, a refused call is disputed again only when the house opens it again, and what is
open at this moment is owed again from now on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.beside import lock_first

revision = "0023_disputes"
down_revision = "0022b_fill_held_room"
branch_labels = None
depends_on = None

_LIMITS = (
    ("open_disputes_maximum", "50", "open_disputes", "open_disputes_maximum between 0 and 100000"),
    ("disputes_percent", "20", "disputes_percent", "disputes_percent between 0 and 100"),
    (
        "disputes_lower_credit_percent",
        "100",
        "disputes_lower_credit",
        "disputes_lower_credit_percent between 0 and 100",
    ),
)

# The row is locked at commit only, as keep_wallet does.
_KEEP_EXPOSURE = """
CREATE FUNCTION keep_exposure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO wallets AS w (buyer_id, disputed_micros)
    VALUES (split_part(NEW.account, ':', 2)::bigint, NEW.amount_micros)
    ON CONFLICT (buyer_id) DO UPDATE SET disputed_micros = w.disputed_micros + excluded.disputed_micros;
    RETURN NULL;
END $$
"""
_EXPOSURE_OF_A_BUYER = "^buyer:[0-9]{1,18}:(disputed)$"

# What may be owed beyond the wallet while so much is disputed: never below nothing, for what was paid in advance is the
# buyer's. Null stays null: nothing is looked at. No numeric, and so no overflow below 90 billion dollars.
_CREDIT_LINE = """
CREATE FUNCTION credit_line(p_limit bigint, p_disputed bigint, p_percent integer) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN p_limit IS NOT NULL THEN greatest(p_limit - (p_disputed * p_percent + 99) / 100, 0) END
"""

# As before (0008), but for the credit line.
_TAKE_HOLD = """
CREATE OR REPLACE FUNCTION take_wallet_hold(
    p_call_id uuid, p_attempt integer, p_buyer_id bigint, p_campaign_id bigint, p_amount bigint, p_expires_at timestamptz
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_amount bigint;
BEGIN
    PERFORM FROM wallet_holds
    WHERE call_id = p_call_id AND attempt = p_attempt AND buyer_id = p_buyer_id AND released_at IS NULL;
    IF FOUND THEN
        RETURN true;
    END IF;
    -- The attempt was meant for another buyer before.
    WITH old AS (
        UPDATE wallet_holds SET released_at = now()
        WHERE call_id = p_call_id AND attempt = p_attempt AND released_at IS NULL
        RETURNING buyer_id, amount_micros
    )
    UPDATE wallets w SET held_micros = greatest(w.held_micros - old.amount_micros, 0)
    FROM old WHERE w.buyer_id = old.buyer_id;
    SELECT greatest(p_amount, 1, coalesce((
        SELECT highest_micros FROM buyer_terms
        WHERE buyer_id = p_buyer_id AND campaign_id = p_campaign_id AND goes_live_at <= now()
        ORDER BY goes_live_at DESC LIMIT 1), 0)) INTO v_amount;
    INSERT INTO wallets (buyer_id) VALUES (p_buyer_id) ON CONFLICT DO NOTHING;
    UPDATE wallets w SET held_micros = w.held_micros + v_amount FROM buyers b
    WHERE w.buyer_id = p_buyer_id AND b.id = p_buyer_id
        AND (b.credit_limit_micros IS NULL OR {left} - w.owed_micros - w.held_micros >= v_amount);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO wallet_holds (call_id, attempt, buyer_id, amount_micros, expires_at)
    VALUES (p_call_id, p_attempt, p_buyer_id, v_amount, p_expires_at)
    ON CONFLICT (call_id, attempt) DO UPDATE SET buyer_id = excluded.buyer_id,
        amount_micros = excluded.amount_micros, taken_at = now(), expires_at = excluded.expires_at, released_at = NULL;
    RETURN true;
END $$
"""
_LINE = "credit_line(b.credit_limit_micros, w.disputed_micros, b.disputes_lower_credit_percent)"


def upgrade() -> None:
    lock_first(op, ("disputes", "buyers", "wallets"), given_triggers=("ledger_postings",))
    for column, default, name, rule in _LIMITS:
        op.add_column(
            "buyers", sa.Column(column, sa.Integer(), server_default=sa.text(default), nullable=False)
        )
        op.create_check_constraint(op.f(f"ck_buyers_{name}"), "buyers", rule)
    op.add_column(
        "wallets", sa.Column("disputed_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("disputes", sa.Column("reopens_id", sa.BigInteger(), nullable=True))
    op.execute(_KEEP_EXPOSURE)
    op.execute(
        "CREATE CONSTRAINT TRIGGER ledger_keep_exposure AFTER INSERT ON ledger_postings"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        f" WHEN (NEW.account ~ '{_EXPOSURE_OF_A_BUYER}') EXECUTE FUNCTION keep_exposure()"
    )
    op.execute(_CREDIT_LINE)
    op.execute(_TAKE_HOLD.format(left=_LINE))


def downgrade() -> None:
    op.execute(_TAKE_HOLD.format(left="b.credit_limit_micros"))
    op.execute("DROP FUNCTION credit_line(bigint, bigint, integer)")
    op.execute("DROP TRIGGER ledger_keep_exposure ON ledger_postings")
    op.execute("DROP FUNCTION keep_exposure()")
    op.drop_column("disputes", "reopens_id")
    op.drop_column("wallets", "disputed_micros")
    for column, _, _, _ in _LIMITS:
        op.drop_column("buyers", column)
