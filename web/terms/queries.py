"""Terms in PostgreSQL, and the calls they are tried on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.terms import BuyerTerms, PublisherTerms
from billing.terms_document import Party
from store.tables import (
    buyer_terms,
    buyers,
    calls,
    publisher_terms,
    publishers,
)

NAMES_MAXIMUM = 200
_TERMS: Mapping[Party, tuple[Table, str, Table]] = {
    Party.BUYER: (buyer_terms, "buyer_id", buyers),
    Party.PUBLISHER: (publisher_terms, "publisher_id", publishers),
}


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version of somebody's terms. `document` is None for a plain price, which the columns say."""

    id: int
    party_id: int
    name: str
    goes_live_at: dt.datetime
    document: Mapping[str, Any] | None
    amount_micros: int
    minimum_connected_ms: int
    state: str
    """to come, live or past."""

    def plain(self, party: Party) -> BuyerTerms | PublisherTerms:
        """Return the terms that the columns alone say."""
        if party is Party.BUYER:
            return BuyerTerms(
                id=self.id,
                goes_live_at=self.goes_live_at,
                minimum_connected_ms=self.minimum_connected_ms,
                price_micros=self.amount_micros,
            )
        return PublisherTerms(id=self.id, goes_live_at=self.goes_live_at, payout_micros=self.amount_micros)


async def versions_of(
    connection: AsyncConnection,
    party: Party,
    campaign_id: int,
    *,
    now: dt.datetime,
    limit: int,
    search: str = "",
    party_id: int | None = None,
    before_id: int | None = None,
) -> Sequence[Version]:
    """Return versions, the one saved last first."""
    table, column, owners = _TERMS[party]
    newer = table.alias("newer")
    is_superseded = (
        select(newer.c.id)
        .where(
            newer.c[column] == table.c[column],
            newer.c.campaign_id == campaign_id,
            newer.c.goes_live_at <= now,
            newer.c.goes_live_at > table.c.goes_live_at,
        )
        .exists()
    )
    amount = table.c.price_micros if party is Party.BUYER else table.c.payout_micros
    statement = (
        select(
            table.c.id,
            table.c[column].label("party_id"),
            owners.c.name,
            table.c.goes_live_at,
            table.c.document,
            amount.label("amount_micros"),
            *((table.c.minimum_connected_ms,) if party is Party.BUYER else ()),
            is_superseded.label("superseded"),
        )
        .join(owners, owners.c.id == table.c[column])
        .where(table.c.campaign_id == campaign_id)
        .order_by(table.c.id.desc())
        .limit(limit)
    )
    if search:
        pattern = search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        statement = statement.where(owners.c.name.ilike(f"%{pattern}%"))
    if party_id is not None:
        statement = statement.where(table.c[column] == party_id)
    if before_id is not None:
        statement = statement.where(table.c.id < before_id)
    return [_version(dict(row), now) for row in (await connection.execute(statement)).mappings()]


def _version(row: dict[str, Any], now: dt.datetime) -> Version:
    superseded = row.pop("superseded")
    state = "to come" if row["goes_live_at"] > now else "past" if superseded else "live"
    return Version(**{"minimum_connected_ms": 0, **row}, state=state)


async def party_names(connection: AsyncConnection, party: Party) -> Sequence[str]:
    """Return the first names that may be chosen."""
    owners = _TERMS[party][2]
    statement = select(owners.c.name).order_by(func.lower(owners.c.name)).limit(NAMES_MAXIMUM)
    return list((await connection.execute(statement)).scalars())


async def party_name(connection: AsyncConnection, party: Party, party_id: int) -> str | None:
    owners = _TERMS[party][2]
    return await connection.scalar(select(owners.c.name).where(owners.c.id == party_id))


@dataclass(frozen=True, kw_only=True)
class TriedCall:
    """A call that terms are tried on."""

    id: UUID
    started_at: dt.datetime
    ended_at: dt.datetime | None
    campaign_id: int | None
    publisher_id: int | None
    buyer_id: int | None
    dialled: str
    caller: str | None
    connected_ms: int | None
    converted: bool | None
    conversion: Mapping[str, Any] | None
    evidence: Mapping[str, Any] | None


async def call_of(connection: AsyncConnection, call_id: UUID) -> TriedCall | None:
    plain = [calls.c[name] for name in TriedCall.__dataclass_fields__ if name != "caller"]
    query = select(*plain, calls.c.caller_sealed.label("caller")).where(calls.c.id == call_id)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else TriedCall(**row._mapping)
