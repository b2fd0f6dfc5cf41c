"""The digest of what a settled call stands on: its conversion, legs, decisions, and the rows Asterisk wrote of it.

It is taken when the call's transaction is sealed, and is a part of the leaf. Rows that came later are not covered;
those that are have their numbers beside the digest, so that anybody can take it again.
"""

from __future__ import annotations

# Not `converted`: a credit takes that mark off the call again, and what was settled is in `conversion`.
_CALL = (
    *("c.conversion", "c.evidence", "c.outcome", "c.connected_ms"),
    *("c.buyer_id", "c.target_id", "c.publisher_id", "c.campaign_id"),
)
_LEG = "attempt, target_id, answered_ms, ended_ms, connected_ms, cause"
_DECISION = (
    "sequence, decided_by, (extract(epoch FROM decided_at) * 1000000)::bigint, target_id,"
    " encode(sha256(convert_to(decision::text, 'UTF8')), 'hex')"
)
_CEL_ROW = "event, event_us, uniqueid, channel, extra"
# `c` is the call, `e` the rows that are covered: attempts, sequences, last_cel_row_id.
_DIGEST = f"""
    sha256(convert_to(jsonb_build_array({", ".join(_CALL)}, (
        SELECT jsonb_agg(jsonb_build_array({_LEG}) ORDER BY attempt)
        FROM legs WHERE call_id = c.id AND attempt = ANY (e.attempts)), (
        SELECT jsonb_agg(jsonb_build_array({_DECISION}) ORDER BY sequence)
        FROM decisions WHERE call_id = c.id AND sequence = ANY (e.sequences)), (
        SELECT jsonb_agg(jsonb_build_array({_CEL_ROW}) ORDER BY id)
        FROM cel_rows WHERE linkedid = c.linkedid AND id <= e.last_cel_row_id))::text, 'UTF8'))
"""  # noqa: S608 (constants)

TAKE_EVIDENCE = f"""
    INSERT INTO ledger_evidence (transaction_id, attempts, sequences, last_cel_row_id, digest)
    SELECT t.id, e.attempts, e.sequences, e.last_cel_row_id, {_DIGEST}
    FROM ledger_transactions t JOIN calls c ON c.id = t.call_id CROSS JOIN LATERAL (
        SELECT ARRAY(SELECT attempt FROM legs WHERE call_id = c.id ORDER BY 1) AS attempts,
            ARRAY(SELECT sequence FROM decisions WHERE call_id = c.id ORDER BY 1) AS sequences,
            coalesce((SELECT max(id) FROM cel_rows WHERE linkedid = c.linkedid), 0) AS last_cel_row_id
    ) e
    WHERE t.id = ANY (:ids) AND t.kind = 'settlement'
"""  # noqa: S608 (constants)
"""Takes the digests of the calls that transactions `ids` settle."""

CHANGED_EVIDENCE = f"""
    SELECT t.call_id FROM ledger_evidence e JOIN ledger_transactions t ON t.id = e.transaction_id
    LEFT JOIN calls c ON c.id = t.call_id WHERE e.digest IS DISTINCT FROM {_DIGEST}
"""  # noqa: S608 (constants)
"""Finds the calls whose digest is another now."""

# A part of the leaf of transaction `t`.
EVIDENCE_PART = """coalesce((
    SELECT encode(e.digest, 'hex') || ' ' || e.attempts::text || ' ' || e.sequences::text || ' ' || e.last_cel_row_id
    FROM ledger_evidence e WHERE e.transaction_id = t.id), 'null')"""
