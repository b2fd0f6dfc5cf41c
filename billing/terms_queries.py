"""The SQL of terms: versions by party, campaign and time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, delete, exists, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.terms_document import Party
from store.tables import buyer_terms, buyers, campaigns, publisher_terms, publishers

_TERMS: dict[Party, tuple[Table, str, Table]] = {
    Party.BUYER: (buyer_terms, "buyer_id", buyers),
    Party.PUBLISHER: (publisher_terms, "publisher_id", publishers),
}


async def party_named(connection: AsyncConnection, party: Party, name: str) -> int | None:
    """Return the id of a buyer or publisher by its exact name."""
    table = _TERMS[party][2]
    return await connection.scalar(select(table.c.id).where(table.c.name == name))


async def campaign_named(connection: AsyncConnection, name: str) -> int | None:
    return await connection.scalar(select(campaigns.c.id).where(campaigns.c.name == name))


async def unknown_publishers(connection: AsyncConnection, ids: Sequence[int]) -> list[int]:
    """Return those of the ids that no publisher has."""
    found = await connection.execute(select(publishers.c.id).where(publishers.c.id.in_(ids)))
    return sorted(set(ids) - set(found.scalars()))


async def has_version(
    connection: AsyncConnection, party: Party, party_id: int, campaign_id: int, goes_live_at: dt.datetime
) -> bool:
    table, column, _ = _TERMS[party]
    query = exists().where(
        table.c[column] == party_id, table.c.campaign_id == campaign_id, table.c.goes_live_at == goes_live_at
    )
    return bool(await connection.scalar(select(query)))


async def sells_at_loss(connection: AsyncConnection, campaign_id: int) -> bool:
    """Return whether a campaign sells at a loss rather than not at all."""
    query = select(campaigns.c.sells_at_loss).where(campaigns.c.id == campaign_id)
    return bool(await connection.scalar(query))


async def versions_beside(
    connection: AsyncConnection, party: Party, campaign_id: int, at: dt.datetime
) -> Sequence[Any]:
    """Return the versions of all parties of a side that are live `at` a moment or go live later, with party's name."""
    table, column, owners = _TERMS[party]
    newest = table.alias("newest")
    live = (
        select(func.max(newest.c.goes_live_at))
        .where(
            newest.c.campaign_id == campaign_id,
            newest.c[column] == table.c[column],
            newest.c.goes_live_at <= at,
        )
        .correlate(table)
        .scalar_subquery()
    )
    query = (
        select(table, owners.c.id.label("party_id"), owners.c.name.label("party"))
        .join(owners, owners.c.id == table.c[column])
        .where(table.c.campaign_id == campaign_id)
        .where((table.c.goes_live_at > at) | (table.c.goes_live_at == live))
        .order_by(owners.c.name, table.c.goes_live_at)
    )
    return (await connection.execute(query)).all()


async def insert_terms(connection: AsyncConnection, party: Party, party_id: int, said: dict[str, Any]) -> int:
    table, column, _ = _TERMS[party]
    query = insert(table).values({column: party_id, **said}).returning(table.c.id)
    return int((await connection.execute(query)).scalar_one())


async def forget_own_price(
    connection: AsyncConnection, buyer_id: int, campaign_id: int, *, after: dt.datetime
) -> None:
    """Delete prices that the buyer set itself and that go live later than `after`: terms saved here are documents."""
    of = (buyer_terms.c.buyer_id == buyer_id) & (buyer_terms.c.campaign_id == campaign_id)
    to_come = (buyer_terms.c.goes_live_at > after) & buyer_terms.c.document.is_(None)
    await connection.execute(delete(buyer_terms).where(of, to_come))


async def version_of(
    connection: AsyncConnection, party: Party, campaign_id: int, terms_id: int
) -> dict[str, Any] | None:
    """Return every column of a version but its id."""
    table = _TERMS[party][0]
    query = select(*(one for one in table.c if one.name != "id")).where(
        table.c.id == terms_id, table.c.campaign_id == campaign_id
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else dict(row)


async def delete_version(
    connection: AsyncConnection, party: Party, terms_id: int, *, after: dt.datetime
) -> bool:
    """Delete a version that goes live later than `after`. False when it does not."""
    table = _TERMS[party][0]
    query = delete(table).where(table.c.id == terms_id, table.c.goes_live_at > after).returning(table.c.id)
    return (await connection.execute(query)).one_or_none() is not None


async def terms_versions(
    connection: AsyncConnection, party: Party, *, name: str | None = None, campaign: str | None = None
) -> Sequence[Any]:
    """Return id, party, campaign, goes_live_at, document and the plain columns of every version, newest first."""
    table, column, owners = _TERMS[party]
    plain = [one for one in table.c if one.name.endswith(("_micros", "_ms"))]
    query = (
        select(
            table.c.id,
            owners.c.name.label("party"),
            campaigns.c.name.label("campaign"),
            table.c.goes_live_at,
            (table.c.goes_live_at <= func.now()).label("live"),
            table.c.document,
            *plain,
        )
        .join(owners, owners.c.id == table.c[column])
        .join(campaigns, campaigns.c.id == table.c.campaign_id)
        .order_by(owners.c.name, campaigns.c.name, table.c.goes_live_at.desc())
    )
    if name is not None:
        query = query.where(owners.c.name == name)
    if campaign is not None:
        query = query.where(campaigns.c.name == campaign)
    return (await connection.execute(query)).all()
