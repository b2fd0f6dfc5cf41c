"""Calls that ask for room at the same moment take it in one statement and one transaction.

`take_leases_together` locks in one order only (the attempts, then all counters by key), as take_leases does for one
call. When everybody fits, which is nearly always, each table is written once for all. When somebody may not fit, each
call is taken by take_leases in the order they came, so that one's refusal does not undo another's.

And a campaign says whether its calls may go for less than their publishers were promised.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009_take_together"
down_revision = "0008b_reports"
branch_labels = None
depends_on = None

_ARGUMENTS = (
    "p_call_ids uuid[], p_attempts integer[], p_target_ids bigint[], p_now_ms bigint[], p_expires_at timestamptz[],"
    " p_calls integer[], p_keys text[], p_kinds text[], p_amounts bigint[], p_limits bigint[], p_periods bigint[]"
)

# The tables are small and always asked by key: the planner is kept from reading them whole, and from planning anew.
_SETTINGS = "SET enable_seqscan = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan"

# What all calls together want of each counter.
_WANTED = """
    SELECT key, min(kind) AS kind, count(*) AS calls, sum(amount)::bigint AS amount, max(amount) AS latest,
        sum(greatest(amount, 1)) AS room, min(at_most) AS at_most, min(period) AS period,
        max(period) AS last_period
    FROM unnest(p_keys, p_kinds, p_amounts, p_limits, p_periods) AS c (key, kind, amount, at_most, period)
    GROUP BY key
"""

_TAKE_TOGETHER = f"""
CREATE FUNCTION take_leases_together({_ARGUMENTS}) RETURNS text[] LANGUAGE plpgsql {_SETTINGS} AS $$
DECLARE
    v_missing bigint;
    v_fits boolean;
    v_first integer := 1;
    v_last integer := 0;
    v_answers text[] := '{{}}';
BEGIN
    -- The same attempt twice at once, from a repeated request, takes room once.
    PERFORM pg_advisory_xact_lock(name) FROM (
        SELECT DISTINCT hashtextextended(c.id::text, c.attempt) AS name
        FROM unnest(p_call_ids, p_attempts) AS c (id, attempt) ORDER BY 1
    ) AS names;
    WITH locked AS MATERIALIZED (
        SELECT key, used, period_start FROM cap_counters WHERE key = ANY (p_keys)
        ORDER BY key COLLATE "C" FOR NO KEY UPDATE
    )
    SELECT count(*) FILTER (WHERE c.key IS NULL), coalesce(bool_and(CASE
            WHEN w.kind = 'spacing' THEN w.calls = 1 AND c.used <= w.at_most
            ELSE w.period = w.last_period
                AND CASE WHEN c.period_start < w.period THEN 0 ELSE c.used END + w.room <= w.at_most
        END), true) INTO v_missing, v_fits
    FROM ({_WANTED}) AS w LEFT JOIN locked c ON c.key = w.key;
    IF v_missing > 0 THEN
        -- Made now they would be locked out of turn.
        RETURN NULL;
    END IF;
    IF v_fits AND NOT EXISTS (
        SELECT FROM unnest(p_call_ids, p_attempts) AS c (id, attempt)
        JOIN leases l ON l.call_id = c.id AND l.attempt = c.attempt
    ) THEN
        UPDATE cap_counters c SET
            used = CASE
                WHEN w.kind = 'spacing' THEN greatest(c.used, w.latest)
                WHEN c.period_start < w.period THEN w.amount
                ELSE c.used + w.amount
            END,
            period_start = greatest(c.period_start, w.period)
        FROM ({_WANTED}) AS w WHERE c.key = w.key;
        INSERT INTO leases
            (call_id, attempt, counter_key, kind, amount, period_start, target_id, taken_at, expires_at)
        SELECT p_call_ids[c.call], p_attempts[c.call], c.key, c.kind, c.amount, c.period, p_target_ids[c.call],
            now(), p_expires_at[c.call]
        FROM unnest(p_calls, p_keys, p_kinds, p_amounts, p_periods) AS c (call, key, kind, amount, period);
        INSERT INTO target_history AS h (target_id, last_offered_ms)
        SELECT c.id, max(c.now_ms) FROM unnest(p_target_ids, p_now_ms) AS c (id, now_ms) GROUP BY c.id ORDER BY c.id
        ON CONFLICT (target_id) DO UPDATE
            SET last_offered_ms = greatest(h.last_offered_ms, excluded.last_offered_ms);
        RETURN array_fill(''::text, ARRAY[cardinality(p_call_ids)]);
    END IF;
    FOR i IN 1..cardinality(p_call_ids) LOOP
        WHILE p_calls[v_last + 1] = i LOOP
            v_last := v_last + 1;
        END LOOP;
        v_answers := v_answers || take_leases(
            p_call_ids[i], p_attempts[i], p_target_ids[i], p_now_ms[i], p_expires_at[i], p_keys[v_first:v_last],
            p_kinds[v_first:v_last], p_amounts[v_first:v_last], p_limits[v_first:v_last],
            p_periods[v_first:v_last], NULL, NULL, NULL, NULL);
        v_first := v_last + 1;
    END LOOP;
    RETURN v_answers;
END $$
"""  # noqa: S608 (constants of this file)


def upgrade() -> None:
    op.add_column(
        "campaigns", sa.Column("sells_at_loss", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.execute(_TAKE_TOGETHER)


def downgrade() -> None:
    op.execute(
        "DROP FUNCTION take_leases_together(uuid[], integer[], bigint[], bigint[], timestamptz[], integer[], text[],"
        " text[], bigint[], bigint[], bigint[])"
    )
    op.drop_column("campaigns", "sells_at_loss")
