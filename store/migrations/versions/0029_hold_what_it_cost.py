"""What is held of a wallet covers the terms by which the call will be billed: those of its start, not of now.

A buyer that sets its own price lowered it while callers listened to questions: so much was held, the price of their
start was billed, and a wallet of $45 took five calls of $45.
"""

from __future__ import annotations

from alembic import op

revision = "0029_hold_what_it_cost"
down_revision = "0028_whatever_shadows"
branch_labels = None
depends_on = None

# As before (0023), but for what was live when the call may have started.
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
        ORDER BY goes_live_at DESC LIMIT 1), 0){before}) INTO v_amount;
    INSERT INTO wallets (buyer_id) VALUES (p_buyer_id) ON CONFLICT DO NOTHING;
    UPDATE wallets w SET held_micros = w.held_micros + v_amount FROM buyers b
    WHERE w.buyer_id = p_buyer_id AND b.id = p_buyer_id
        AND (b.credit_limit_micros IS NULL OR
            credit_line(b.credit_limit_micros, w.disputed_micros, b.disputes_lower_credit_percent)
            - w.owed_micros - w.held_micros >= v_amount);
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
# A ping has no call yet, and of a call that came a moment ago there may be no row: then it starts now.
_BEFORE = """, coalesce((
        SELECT max(coalesce(one.highest_micros, one.price_micros)) FROM (
            SELECT highest_micros, price_micros, lead(goes_live_at) OVER (ORDER BY goes_live_at) AS until
            FROM buyer_terms
            WHERE buyer_id = p_buyer_id AND campaign_id = p_campaign_id AND goes_live_at <= now()
        ) one WHERE one.until > (SELECT started_at FROM calls WHERE id = p_call_id)), 0)"""


def upgrade() -> None:
    op.execute(_TAKE_HOLD.format(before=_BEFORE))


def downgrade() -> None:
    op.execute(_TAKE_HOLD.format(before=""))
