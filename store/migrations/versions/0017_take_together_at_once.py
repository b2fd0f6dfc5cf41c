"""Calls that ask for room at the same moment take it by fewer steps, as long as there is room for all of them.

Each counter was locked, looked at and then written: a row touched, and logged, twice. `take_leases_together` now
writes at once what fits, by one conditional UPDATE, and takes that back when somebody does not fit or holds something
already; then it goes by `take_leases_one_by_one`, which is what it was before (0009).
"""

from __future__ import annotations

from alembic import op

revision = "0017_take_together_at_once"
down_revision = "0016_hours_of_day"
branch_labels = None
depends_on = None

_TYPES = "uuid[], integer[], bigint[], bigint[], timestamptz[], integer[], text[], text[], bigint[], bigint[], bigint[]"
_ARGUMENTS = (
    "p_call_ids uuid[], p_attempts integer[], p_target_ids bigint[], p_now_ms bigint[], p_expires_at timestamptz[],"
    " p_calls integer[], p_keys text[], p_kinds text[], p_amounts bigint[], p_limits bigint[], p_periods bigint[]"
)

# Counters are written, and so locked, in the order their keys are handed over: that takes a join that goes key by key.
_SETTINGS = (
    "SET enable_seqscan = off SET enable_mergejoin = off SET enable_hashjoin = off SET jit = off"
    " SET plan_cache_mode = force_generic_plan"
)

_TAKE_TOGETHER = f"""
CREATE FUNCTION take_leases_together({_ARGUMENTS}) RETURNS text[] LANGUAGE plpgsql {_SETTINGS} AS $$
DECLARE
    v_counted bigint;
BEGIN
    -- The same attempt twice at once, from a repeated request, takes room once.
    PERFORM pg_advisory_xact_lock(name) FROM (
        SELECT DISTINCT hashtextextended(c.id::text, c.attempt) AS name
        FROM unnest(p_call_ids, p_attempts) AS c (id, attempt) ORDER BY 1
    ) AS names;
    BEGIN
        WITH counted AS (
            UPDATE cap_counters c SET
                used = CASE
                    WHEN w.kind = 'spacing' THEN greatest(c.used, w.latest)
                    WHEN c.period_start < w.period THEN w.amount
                    ELSE c.used + w.amount
                END,
                period_start = greatest(c.period_start, w.period)
            FROM (
                SELECT key, min(kind) AS kind, count(*) AS calls, add_up(amount) AS amount, max(amount) AS latest,
                    add_up(greatest(amount, 1)) AS room, min(at_most) AS at_most, min(period) AS period,
                    max(period) AS last_period
                FROM unnest(p_keys, p_kinds, p_amounts, p_limits, p_periods) AS k (key, kind, amount, at_most, period)
                GROUP BY key ORDER BY key COLLATE "C"
            ) AS w
            WHERE c.key = w.key AND CASE
                WHEN w.kind = 'spacing' THEN w.calls = 1 AND c.used <= w.at_most
                ELSE w.period = w.last_period
                    AND CASE WHEN c.period_start < w.period THEN 0 ELSE c.used END + w.room <= w.at_most
            END
            RETURNING w.calls
        )
        SELECT coalesce(add_up(calls), 0) INTO v_counted FROM counted;
        IF v_counted < cardinality(p_keys) THEN
            RAISE EXCEPTION USING ERRCODE = 'TB001';
        END IF;
        INSERT INTO leases
            (call_id, attempt, counter_key, kind, amount, period_start, target_id, taken_at, expires_at)
        SELECT p_call_ids[k.call], p_attempts[k.call], k.key, k.kind, k.amount, k.period, p_target_ids[k.call],
            now(), p_expires_at[k.call]
        FROM unnest(p_calls, p_keys, p_kinds, p_amounts, p_periods) AS k (call, key, kind, amount, period);
        INSERT INTO target_history AS h (target_id, last_offered_ms)
        SELECT c.id, max(c.now_ms) FROM unnest(p_target_ids, p_now_ms) AS c (id, now_ms) GROUP BY c.id ORDER BY c.id
        ON CONFLICT (target_id) DO UPDATE
            SET last_offered_ms = greatest(h.last_offered_ms, excluded.last_offered_ms);
        RETURN array_fill(''::text, ARRAY[cardinality(p_call_ids)]);
    EXCEPTION WHEN SQLSTATE 'TB001' OR unique_violation THEN
        RETURN take_leases_one_by_one(p_call_ids, p_attempts, p_target_ids, p_now_ms, p_expires_at, p_calls, p_keys,
            p_kinds, p_amounts, p_limits, p_periods);
    END;
END $$
"""  # noqa: S608 (constants of this file)


def upgrade() -> None:
    op.execute(f"ALTER FUNCTION take_leases_together({_TYPES}) RENAME TO take_leases_one_by_one")
    op.execute(_TAKE_TOGETHER)


def downgrade() -> None:
    op.execute(f"DROP FUNCTION take_leases_together({_TYPES})")
    op.execute(f"ALTER FUNCTION take_leases_one_by_one({_TYPES}) RENAME TO take_leases_together")
