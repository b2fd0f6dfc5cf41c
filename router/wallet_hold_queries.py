"""The SQL of what is held of buyers' wallets while a call is under way (take_wallet_hold: migration 0008).

The wallet's row is locked after the caps' counters, in settlements too, so that no two calls wait for each other.
"""

from __future__ import annotations

from sqlalchemy import Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

TAKE = "SELECT take_wallet_hold($1, $2, $3, $4, $5, $6)"

_GIVE_BACK = """
    WITH gone AS (
        UPDATE wallet_holds SET released_at = now()
        WHERE (call_id, attempt) IN ({which}) AND released_at IS NULL
        RETURNING buyer_id, amount_micros
    ), owed AS (
        SELECT buyer_id, sum(amount_micros)::bigint AS amount FROM gone GROUP BY buyer_id
    ), locked AS (
        SELECT buyer_id FROM wallets WHERE buyer_id IN (SELECT buyer_id FROM owed) ORDER BY buyer_id FOR UPDATE
    ), given AS (
        UPDATE wallets w SET held_micros = greatest(w.held_micros - owed.amount, 0)
        FROM owed JOIN locked ON locked.buyer_id = owed.buyer_id WHERE w.buyer_id = owed.buyer_id
    )
    SELECT count(*) FROM gone
"""

GIVE_BACK_CALL = text(
    _GIVE_BACK.format(
        which="""
        SELECT call_id, attempt FROM wallet_holds WHERE call_id = :call_id AND released_at IS NULL
        AND attempt BETWEEN :first AND :last ORDER BY attempt FOR UPDATE
    """
    )
)

GIVE_BACK_CALLS = text(
    _GIVE_BACK.format(
        which="""
        SELECT call_id, attempt FROM wallet_holds WHERE call_id = ANY (:call_ids) AND released_at IS NULL
        ORDER BY call_id, attempt FOR UPDATE
    """
    )
).bindparams(bindparam("call_ids", type_=ARRAY(Uuid)))

# Of an attempt that nobody answered: a call that was answered keeps its hold until what it costs is posted.
GIVE_BACK_UNANSWERED = text(
    _GIVE_BACK.format(
        which="""
        SELECT h.call_id, h.attempt FROM wallet_holds h
        WHERE h.call_id = :call_id AND h.attempt = :attempt AND h.released_at IS NULL AND NOT EXISTS (
            SELECT FROM legs g
            WHERE g.call_id = h.call_id AND g.attempt = h.attempt AND g.answered_ms IS NOT NULL)
        FOR UPDATE OF h
    """
    )
)

# As with leases: an attempt is live while its call is in progress, its leg has not ended and no later one was made.
GIVE_BACK_EXPIRED = text(
    _GIVE_BACK.format(
        which="""
        SELECT h.call_id, h.attempt FROM wallet_holds h
        WHERE h.released_at IS NULL AND h.expires_at <= :now AND NOT EXISTS (
            SELECT FROM calls c
            WHERE c.id = h.call_id AND c.state <> 'settled'
            AND NOT EXISTS (
                SELECT FROM legs g WHERE g.call_id = h.call_id AND g.attempt = h.attempt AND g.answered_ms IS NULL)
            AND NOT EXISTS (SELECT FROM wallet_holds n WHERE n.call_id = h.call_id AND n.attempt > h.attempt)
        )
        ORDER BY h.expires_at LIMIT 1000 FOR UPDATE OF h SKIP LOCKED
    """
    )
)

HAND_OVER = text(
    """
    UPDATE wallet_holds h SET call_id = :call_id, expires_at = greatest(h.expires_at, :expires_at)
    WHERE h.call_id = :reservation_id AND h.released_at IS NULL AND NOT EXISTS (
        SELECT FROM wallet_holds o WHERE o.call_id = :call_id AND o.attempt = h.attempt)
    """
)
