"""What a buyer was offered a call for: its own bid goes before its standing terms."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# The newest decision that let this target ring, alone or beside others.
_OFFER = text("""
    SELECT offer FROM decisions d, jsonb_array_elements(
        jsonb_build_array(d.decision -> 'chosen') || coalesce(d.decision -> 'together', '[]')
    ) AS offer
    WHERE d.call_id = :call_id AND (offer ->> 'target_id')::bigint = :target_id
    ORDER BY d.sequence DESC LIMIT 1
""")


@dataclass(frozen=True, kw_only=True)
class OfferMade:
    """The offer as it was decided. Money in millionths of a dollar."""

    bid_micros: int | None
    """None: the buyer's terms hold."""
    minimum_connected_ms: int | None
    """None: the minimum of the buyer's terms holds."""
    billed: bool
    """False: a duplicate that was routed all the same."""


async def offer_made(connection: AsyncConnection, call_id: UUID, target_id: int | None) -> OfferMade | None:
    """Return what `target_id` was offered the call for; None when no decision is stored."""
    found = await connection.scalar(_OFFER, {"call_id": call_id, "target_id": target_id})
    if found is None:
        return None
    return OfferMade(
        bid_micros=found.get("bid_micros"),
        minimum_connected_ms=found.get("minimum_connected_ms"),
        billed=found.get("billed", True),
    )
