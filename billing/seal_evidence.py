"""The digest of what a settled call stands on: its conversion, times, numbers, flow, tags, answers, legs, decisions,
and the rows Asterisk wrote of it.

It is taken when the call's transaction is sealed, and is a part of the leaf. Rows that came later are not covered;
those that are have their numbers beside the digest, so that anybody can take it again. The caller has a digest of its
own, blinded: a number that was erased since is no change, another number is.

Evidence bears the salt of its batch, which nobody knows before the batch is there: only the sealer's own is counted.
"""

from __future__ import annotations

# Not `converted`: a credit takes that mark off the call again, and what was settled is in `conversion`.
_CALL = (
    *("c.conversion", "c.evidence", "c.outcome", "c.connected_ms"),
    *("c.buyer_id", "c.target_id", "c.publisher_id", "c.campaign_id"),
)
_ALSO = (
    *("c.started_at AT TIME ZONE 'UTC'", "c.ended_at AT TIME ZONE 'UTC'"),
    *("c.dialled", "c.tracking_number_id", "c.flow_name", "c.flow_version"),
)
_LEG = "attempt, target_id, answered_ms, ended_ms, connected_ms, cause"
# Not cast to an integer: a moment may be infinite, and whoever writes one must not stop the sealer.
_DECISION = (
    "sequence, decided_by, trunc(extract(epoch FROM decided_at) * 1000000), target_id,"
    " encode(sha256(convert_to(decision::text, 'UTF8')), 'hex')"
)
_ANSWER = "sequence, node, tag, value, source"
_TAGS = "jsonb_each(CASE jsonb_typeof(c.tags) WHEN 'object' THEN c.tags ELSE '{}' END)"
_CEL_ROW = "event, event_us, uniqueid, channel, extra"
# `c` is the call, `e` the rows that are covered: attempts, sequences, last_cel_row_id, answers, tags. What was sealed
# before answers and tags were covered has none of them, and its digest covers nothing of _ALSO.
_DIGEST = f"""
    sha256(convert_to((jsonb_build_array({", ".join(_CALL)}, (
        SELECT jsonb_agg(jsonb_build_array({_LEG}) ORDER BY attempt)
        FROM legs WHERE call_id = c.id AND attempt = ANY (e.attempts)), (
        SELECT jsonb_agg(jsonb_build_array({_DECISION}) ORDER BY sequence)
        FROM decisions WHERE call_id = c.id AND sequence = ANY (e.sequences)), (
        SELECT jsonb_agg(jsonb_build_array({_CEL_ROW}) ORDER BY id)
        FROM cel_rows WHERE linkedid = c.linkedid AND id <= e.last_cel_row_id))
    || CASE WHEN e.answers IS NULL THEN '[]' ELSE jsonb_build_array({", ".join(_ALSO)},
        CASE WHEN cardinality(e.answers) > 0 THEN (
            SELECT jsonb_agg(jsonb_build_array({_ANSWER}) ORDER BY sequence)
            FROM answers WHERE call_id = c.id AND sequence = ANY (e.answers)) END,
        CASE WHEN cardinality(e.tags) > 0 THEN (
            SELECT jsonb_object_agg(key, value) FROM {_TAGS} WHERE key = ANY (e.tags)) END) END
    )::text, 'UTF8'))
"""  # noqa: S608 (constants)
# The keyed index of the caller's number stands for it: the sealer reads no number. Until callers were sealed it was
# the number itself (billing.sealed_callers knows both).
_CALLER = "sha256(e.salt || convert_to(t.id || ' ' || encode(c.caller_index, 'hex'), 'UTF8'))"

TAKE_EVIDENCE = f"""
    INSERT INTO ledger_evidence
        (transaction_id, salt, attempts, sequences, last_cel_row_id, answers, tags, caller_digest, digest)
    SELECT t.id, e.salt, e.attempts, e.sequences, e.last_cel_row_id, e.answers, e.tags, {_CALLER}, {_DIGEST}
    FROM ledger_transactions t JOIN calls c ON c.id = t.call_id CROSS JOIN LATERAL (
        SELECT CAST(:salt AS bytea) AS salt,
            ARRAY(SELECT attempt FROM legs WHERE call_id = c.id ORDER BY 1) AS attempts,
            ARRAY(SELECT sequence FROM decisions WHERE call_id = c.id ORDER BY 1) AS sequences,
            coalesce((SELECT max(id) FROM cel_rows WHERE linkedid = c.linkedid), 0) AS last_cel_row_id,
            ARRAY(SELECT sequence FROM answers WHERE call_id = c.id ORDER BY 1) AS answers,
            ARRAY(SELECT key FROM {_TAGS}
                ORDER BY key COLLATE "C") AS tags
    ) e
    WHERE t.id = ANY (:ids) AND t.kind = 'settlement'
"""  # noqa: S608 (constants)
"""Takes the digests of the calls that transactions `ids` settle, for the batch of this salt."""

CHANGED_EVIDENCE = f"""
    SELECT t.call_id, e.salt IS DISTINCT FROM s.salt AS stray
    FROM ledger_evidence e JOIN ledger_transactions t ON t.id = e.transaction_id
    LEFT JOIN ledger_sealed_transactions m ON m.transaction_id = e.transaction_id
    LEFT JOIN ledger_seals s ON s.batch = m.batch
    LEFT JOIN calls c ON c.id = t.call_id
    WHERE e.salt IS DISTINCT FROM s.salt OR e.digest IS DISTINCT FROM {_DIGEST}
"""  # noqa: S608 (constants)
"""Finds the calls whose digest is another now, and evidence that no sealer wrote."""

SEALED_CALLERS = """
    SELECT t.id AS transaction_id, t.call_id, e.salt, e.caller_digest, c.caller_sealed, c.caller_index
    FROM ledger_evidence e JOIN ledger_transactions t ON t.id = e.transaction_id
    JOIN ledger_sealed_transactions m ON m.transaction_id = e.transaction_id
    JOIN ledger_seals s ON s.batch = m.batch AND s.salt = e.salt
    JOIN calls c ON c.id = t.call_id
    WHERE e.answers IS NOT NULL AND (c.caller_sealed IS NOT NULL OR c.caller_index IS NOT NULL)
"""
"""What the callers of sealed calls are compared by (billing.sealed_callers)."""

ERASED_CALLERS = """
    SELECT count(*) FROM ledger_evidence e JOIN ledger_transactions t ON t.id = e.transaction_id
    JOIN calls c ON c.id = t.call_id WHERE e.caller_digest IS NOT NULL
        AND c.caller_sealed IS NULL AND c.caller_index IS NULL
"""
"""Counts the calls whose caller was known when they were sealed and is not any more."""

# A part of the leaf of transaction `t` in the batch `sealing`.
EVIDENCE_PART = """coalesce((
    SELECT encode(e.digest, 'hex') || ' ' || e.attempts::text || ' ' || e.sequences::text || ' ' || e.last_cel_row_id
        || coalesce(' ' || e.answers::text || ' ' || to_json(e.tags) || ' '
            || coalesce(encode(e.caller_digest, 'hex'), 'null'), '')
    FROM ledger_evidence e WHERE e.transaction_id = t.id AND e.salt = sealing.salt), 'null')"""
