"""Taking room for a call in all its caps, and its turn, is one statement: one round trip while a caller waits.

`take_leases` locks in one order only (the stage, then counters as they are handed in: by key), each counter by one
conditional UPDATE, so that no two calls deadlock and none gets in that does not fit. Either everything is taken or
nothing.
"""

from __future__ import annotations

from alembic import op

revision = "0006_take_leases"
down_revision = "0005_auctions"
branch_labels = None
depends_on = None

_ARGUMENTS = (
    "p_call_id uuid, p_attempt integer, p_target_id bigint, p_now_ms bigint, p_expires_at timestamptz,"
    " p_keys text[], p_kinds text[], p_amounts bigint[], p_limits bigint[], p_periods bigint[],"
    " p_stage_id bigint, p_turn bigint, p_reached bigint, p_pass bigint"
)

_TAKE_COUNTER = """
CREATE FUNCTION take_counter(p_key text, p_kind text, p_amount bigint, p_limit bigint, p_period bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    -- Twice: the row may be made by somebody else between our UPDATE and our INSERT.
    FOR i IN 1..2 LOOP
        UPDATE cap_counters SET
            used = CASE
                WHEN p_kind = 'spacing' THEN greatest(used, p_amount)
                WHEN period_start < p_period THEN p_amount
                ELSE used + p_amount
            END,
            period_start = greatest(period_start, p_period)
        WHERE key = p_key AND CASE
            WHEN p_kind = 'spacing' THEN used <= p_limit
            WHEN period_start < p_period THEN greatest(p_amount, 1) <= p_limit
            ELSE used + greatest(p_amount, 1) <= p_limit
        END;
        IF FOUND THEN
            RETURN true;
        END IF;
        IF p_kind <> 'spacing' AND greatest(p_amount, 1) > p_limit THEN
            RETURN false;
        END IF;
        INSERT INTO cap_counters (key, used, period_start) VALUES (p_key, p_amount, p_period)
        ON CONFLICT DO NOTHING;
        IF FOUND THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END $$
"""

_TAKE_LEASES = f"""
CREATE FUNCTION take_leases({_ARGUMENTS}) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_held text[];
    v_turn bigint;
    v_full text := '';
BEGIN
    -- The same attempt twice at once, from a repeated request, takes room once.
    PERFORM pg_advisory_xact_lock(hashtextextended(p_call_id::text, p_attempt));
    IF p_stage_id IS NOT NULL THEN
        SELECT turn INTO v_turn FROM stage_turns WHERE stage_id = p_stage_id FOR UPDATE;
        IF NOT FOUND THEN
            INSERT INTO stage_turns (stage_id) VALUES (p_stage_id) ON CONFLICT DO NOTHING;
            SELECT turn INTO v_turn FROM stage_turns WHERE stage_id = p_stage_id FOR UPDATE;
        END IF;
        IF v_turn <> p_turn THEN
            RETURN 'turn';
        END IF;
    END IF;
    SELECT coalesce(array_agg(counter_key), '{{}}') INTO v_held FROM leases
    WHERE call_id = p_call_id AND attempt = p_attempt AND released_at IS NULL;
    BEGIN
        FOR i IN 1..cardinality(p_keys) LOOP
            IF p_keys[i] <> ALL (v_held)
                AND NOT take_counter(p_keys[i], p_kinds[i], p_amounts[i], p_limits[i], p_periods[i])
            THEN
                v_full := p_keys[i];
                RAISE EXCEPTION USING ERRCODE = 'TB001';
            END IF;
        END LOOP;
    EXCEPTION WHEN SQLSTATE 'TB001' THEN
        RETURN v_full;
    END;
    INSERT INTO leases AS l
        (call_id, attempt, counter_key, kind, amount, period_start, target_id, taken_at, expires_at)
    SELECT p_call_id, p_attempt, c.key, c.kind, c.amount, c.period, p_target_id, now(), p_expires_at
    FROM unnest(p_keys, p_kinds, p_amounts, p_periods) AS c (key, kind, amount, period)
    WHERE c.key <> ALL (v_held)
    ON CONFLICT (call_id, attempt, counter_key) DO UPDATE SET
        amount = excluded.amount, period_start = excluded.period_start, target_id = excluded.target_id,
        taken_at = excluded.taken_at, expires_at = excluded.expires_at, released_at = NULL;
    IF p_stage_id IS NOT NULL THEN
        UPDATE stage_turns SET turn = turn + 1, reached = greatest(reached, p_reached) WHERE stage_id = p_stage_id;
        INSERT INTO stage_passes AS p (stage_id, target_id, pass) VALUES (p_stage_id, p_target_id, p_pass)
        ON CONFLICT (stage_id, target_id) DO UPDATE SET pass = excluded.pass;
    END IF;
    INSERT INTO target_history AS h (target_id, last_offered_ms) VALUES (p_target_id, p_now_ms)
    ON CONFLICT (target_id) DO UPDATE SET last_offered_ms = greatest(h.last_offered_ms, excluded.last_offered_ms);
    RETURN '';
END $$
"""  # noqa: S608 (constants of this file)


def upgrade() -> None:
    op.execute(_TAKE_COUNTER)
    op.execute(_TAKE_LEASES)


def downgrade() -> None:
    op.execute(
        "DROP FUNCTION take_leases(uuid, integer, bigint, bigint, timestamptz, text[], text[], bigint[], bigint[],"
        " bigint[], bigint, bigint, bigint, bigint)"
    )
    op.execute("DROP FUNCTION take_counter(text, text, bigint, bigint, bigint)")
