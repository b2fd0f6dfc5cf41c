"""The SQL of reconciling: our answered calls of a period, what they cost, and what Asterisk wrote of them."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import DateTime, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.reconcile import OurCall, Told, digits
from store.sealed_columns import CALLER, SealedText

_OURS = (
    text(
        """
    SELECT c.id, c.started_at, c.caller_sealed AS caller, c.dialled,
        (c.evidence ->> 'carrier_ms')::bigint AS carrier_ms,
        coalesce((SELECT sum(-p.amount_micros) FROM ledger_transactions t
            JOIN ledger_postings p ON p.transaction_id = t.id
            WHERE t.call_id = c.id AND t.kind = 'settlement'
                AND p.account = 'carrier:' || k.carrier_name || '\\:payable'), 0)::bigint AS cost_micros,
        (SELECT max(event_us) FILTER (WHERE event = 'HANGUP') - min(event_us) FILTER (WHERE event = 'ANSWER')
            FROM cel_rows r WHERE r.linkedid = c.linkedid AND r.uniqueid = c.linkedid) AS asterisk_us
    FROM calls c JOIN trunks k ON k.name = c.trunk_name
    WHERE c.started_at >= :from_ AND c.started_at < :until AND c.state = 'settled'
        AND c.evidence ->> 'carrier_ms' IS NOT NULL AND (:carrier = '' OR k.carrier_name = :carrier)
    ORDER BY c.started_at
    """
    )
    .bindparams(
        bindparam("from_", type_=DateTime(timezone=True)), bindparam("until", type_=DateTime(timezone=True))
    )
    .columns(caller=SealedText(CALLER))
)


async def answered_calls(
    connection: AsyncConnection, *, from_: dt.datetime, until: dt.datetime, carrier: str
) -> list[OurCall]:
    """Return the calls that a carrier brought and we answered, settled; `carrier` is a carrier's name, or empty."""
    found = await connection.execute(_OURS, {"from_": from_, "until": until, "carrier": carrier})
    return [
        OurCall(
            told=Told(
                name=str(row.id),
                started_at=row.started_at,
                caller=digits(row.caller or ""),
                dialled=digits(row.dialled),
                seconds=-(-row.carrier_ms // 1000),
                cost_micros=row.cost_micros,
            ),
            asterisk_seconds=None if row.asterisk_us is None else -(-row.asterisk_us // 1_000_000),
        )
        for row in found
    ]
