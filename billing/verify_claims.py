"""Proves that sales and disputes say what was posted for them."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import verify_claims_queries as queries
from billing.findings import Finding, Problem


async def claim_findings(connection: AsyncConnection, limit: int) -> list[Finding]:
    """Return what does not agree, at most `limit` of each kind. Raises what the database raises."""
    findings = []
    for row in await queries.sales_not_as_posted(connection, limit):
        said = (
            "is not there"
            if row.sale_id is None
            else f"says price {row.price} and payout {row.payout} micros"
        )
        posted = (
            "no transaction of it is there"
            if row.transaction_id is None
            else f"transaction {row.transaction_id} ({row.kind}) says {row.posted} and {row.paid_out}"
        )
        name = "the sale" if row.sale_id is None else f"sale {row.key!r}, version {row.version},"
        findings.append(
            Finding(
                problem=Problem.SALE_NOT_AS_POSTED,
                detail=f"{name} of call {row.call_id} {said}: {posted}",
                transaction_id=row.transaction_id,
                call_id=row.call_id,
            )
        )
    for row in await queries.disputes_not_as_posted(connection, limit):
        name = "the dispute" if row.id is None else f"dispute {row.id}"
        findings.append(
            Finding(
                problem=Problem.DISPUTE_NOT_AS_POSTED,
                detail=f"{name} of call {row.call_id} is not what its transactions say: {row.other}",
                transaction_id=row.transaction_id,
                call_id=row.call_id,
            )
        )
    return findings
