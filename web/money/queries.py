"""What the house's money pages list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.account_queries import balances_of
from billing.ledger import publisher_payable
from billing.terms_document import Party
from store.tables import buyers, calls, disputes, invoices, publishers

_TABLES = {Party.BUYER: buyers, Party.PUBLISHER: publishers}


async def party_exists(connection: AsyncConnection, party: Party, party_id: int) -> bool:
    table = _TABLES[party]
    return await connection.scalar(select(table.c.id).where(table.c.id == party_id)) is not None


@dataclass(frozen=True, kw_only=True)
class Payable:
    """What we owe a publisher, in millionths of a dollar."""

    id: int
    name: str
    owed_micros: int


async def read_payables(
    connection: AsyncConnection, *, search: str = "", after: tuple[str, int] | None = None, limit: int
) -> Sequence[Payable]:
    """Return what we owe publishers by name, those that contain a text, after the one of this name and id."""
    place = (publishers.c.name, publishers.c.id)
    query = select(publishers.c.id, publishers.c.name).order_by(*place).limit(limit)
    if search:
        query = query.where(publishers.c.name.icontains(search, autoescape=True))
    if after is not None:
        query = query.where(tuple_(*place) > after)
    found = (await connection.execute(query)).all()
    balances = await balances_of(connection, [publisher_payable(row.id) for row in found])
    return [
        Payable(id=row.id, name=row.name, owed_micros=-balances.get(publisher_payable(row.id), 0))
        for row in found
    ]


async def read_invoices(
    connection: AsyncConnection, *, state: str, party: str, below_id: int | None, limit: int
) -> Sequence[Any]:
    """Return the newest invoices and statements with their party's name; empty state or party: all."""
    name = func.coalesce(buyers.c.name, publishers.c.name).label("party_name")
    of_buyer = (buyers.c.id == invoices.c.party_id) & (invoices.c.party == "buyer")
    of_publisher = (publishers.c.id == invoices.c.party_id) & (invoices.c.party == "publisher")
    query = (
        select(invoices, name)
        .select_from(invoices.outerjoin(buyers, of_buyer).outerjoin(publishers, of_publisher))
        .order_by(invoices.c.id.desc())
        .limit(limit)
    )
    if state:
        query = query.where(invoices.c.state == state)
    if party:
        query = query.where(invoices.c.party == party)
    if below_id is not None:
        query = query.where(invoices.c.id < below_id)
    return (await connection.execute(query)).all()


async def read_disputes(
    connection: AsyncConnection, *, state: str, below_id: int | None, limit: int
) -> Sequence[Any]:
    """Return the newest disputes with buyer and call; empty state: all."""
    query = _disputes().order_by(disputes.c.id.desc()).limit(limit)
    if state:
        query = query.where(disputes.c.state == state)
    if below_id is not None:
        query = query.where(disputes.c.id < below_id)
    return (await connection.execute(query)).all()


async def read_dispute(connection: AsyncConnection, dispute_id: int) -> Any:
    return (await connection.execute(_disputes().where(disputes.c.id == dispute_id))).one_or_none()


def _disputes() -> Any:
    again = disputes.alias("again")
    return (
        select(
            disputes,
            select(again.c.id)
            .where(again.c.reopens_id == disputes.c.id)
            .scalar_subquery()
            .label("reopened_as"),
            buyers.c.name.label("buyer"),
            publishers.c.name.label("publisher"),
            calls.c.started_at,
            calls.c.caller_sealed.label("caller"),
            calls.c.connected_ms,
        )
        .join(buyers, buyers.c.id == disputes.c.buyer_id)
        .join(calls, calls.c.id == disputes.c.call_id)
        .outerjoin(publishers, publishers.c.id == calls.c.publisher_id)
    )
