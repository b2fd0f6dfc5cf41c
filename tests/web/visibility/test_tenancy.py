"""Whose rows a query reads, on real tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import ColumnElement, Table, select
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from tests.web.market import Market, add, add_call, add_sold_call
from web import tenancy
from web.keys import Role, User


def person(role: Role, party_id: int | None = None) -> User:
    return User(
        user_id=1,
        email="p@example.com",
        role=role,
        buyer_id=party_id if role is Role.BUYER else None,
        publisher_id=party_id if role is Role.PUBLISHER else None,
    )


async def ids(engine: AsyncEngine, table: Table, clause: ColumnElement[bool]) -> list[object]:
    async with engine.connect() as connection:
        return list((await connection.execute(select(table.c.id).where(clause))).scalars())


@pytest.mark.asyncio
async def test_calls_are_the_buyers_that_had_them_the_publishers_that_sent_them_and_the_houses(
    engine: AsyncEngine, market: Market
) -> None:
    sold = await add_sold_call(engine, market)
    lost = await add_call(engine, "a-2.2")
    seen = {
        person(Role.BUYER, market.buyer_id): [sold],
        person(Role.BUYER, market.buyer_id + 1): [],
        person(Role.PUBLISHER, market.publisher_id): [sold],
        person(Role.PUBLISHER, market.publisher_id + 1): [],
        person(Role.BUYER): [],
        person(Role.PUBLISHER): [],
    }
    for user, expected in seen.items():
        assert await ids(engine, tables.calls, tenancy.own_calls(user)) == expected
    for role in (Role.ADMIN, Role.MANAGER, Role.ANALYST):
        assert set(await ids(engine, tables.calls, tenancy.own_calls(person(role)))) == {sold, lost}


@pytest.mark.asyncio
async def test_what_is_the_other_kind_of_partys_is_nobodys_and_drafts_are_the_houses(
    engine: AsyncEngine, market: Market
) -> None:
    buyer, publisher = person(Role.BUYER, market.buyer_id), person(Role.PUBLISHER, market.publisher_id)
    assert await ids(engine, tables.targets, tenancy.own_targets(buyer)) == [market.chosen_id]
    assert await ids(engine, tables.targets, tenancy.own_targets(publisher)) == []
    assert await ids(engine, tables.tracking_numbers, tenancy.own_numbers(publisher)) == [market.number_id]
    assert await ids(engine, tables.tracking_numbers, tenancy.own_numbers(buyer)) == []
    issued, _ = await _invoices(engine, market)
    assert await ids(engine, tables.invoices, tenancy.own_invoices(buyer)) == [issued]
    # The same id of the other kind of party.
    assert (
        await ids(engine, tables.invoices, tenancy.own_invoices(person(Role.PUBLISHER, market.buyer_id)))
        == []
    )


async def _invoices(engine: AsyncEngine, market: Market) -> tuple[int, int]:
    period = {
        "period_start": datetime(2026, 11, 1, tzinfo=UTC),
        "period_end": datetime(2026, 12, 1, tzinfo=UTC),
    }
    own = {
        "kind": "invoice",
        "party": "buyer",
        "party_id": market.buyer_id,
        "time_zone": "UTC",
        "total_micros": 1,
    }
    async with engine.begin() as connection:
        issued = await add(
            connection, tables.invoices, number="INV-2026-000001", state="issued", **own, **period
        )
        draft = await add(connection, tables.invoices, **own, **period)
    return issued, draft
