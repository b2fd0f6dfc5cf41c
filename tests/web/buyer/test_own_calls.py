"""A buyer reads its own calls and nobody else's."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy import null, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import calls
from tests.web.buyer.conftest import House
from tests.web.conftest import Client


async def read(client: Client, path: str, status: int = 200) -> str:
    answer = await client.get(path, allow_redirects=False)
    assert answer.status == status, path
    return await answer.text()


async def test_the_home_says_what_today_cost_and_leads_on(buyer: Client, house: House) -> None:
    page = await read(buyer, "/buyer")
    assert "<h1>Buckeye Lending</h1>" in page and "$45.00" in page
    assert "you pay by invoice" in page


async def test_own_calls_with_why_one_was_not_billed(buyer: Client, house: House) -> None:
    page = await read(buyer, "/buyer/calls")
    assert f"call-{house.billed}" in page and f"call-{house.short}" in page
    assert str(house.others) not in page
    assert "Too short" in page and "74.2" in page and "$45.00" in page
    billed = await read(buyer, "/buyer/calls?paid=yes")
    assert f"call-{house.billed}" in billed and f"call-{house.short}" not in billed
    assert "No call matches" in await read(buyer, "/buyer/calls?from=2001-01-01&to=2001-01-02")
    assert f"call-{house.short}" in await read(buyer, "/buyer/calls?caller=6145550122")
    assert f"call-{house.short}" in await read(buyer, f"/buyer/calls?place={house.market.targets[0]}&to=x")


async def test_one_call_with_its_way_its_terms_and_no_word_of_the_publisher(
    buyer: Client, house: House
) -> None:
    page = await read(buyer, f"/buyer/calls/{house.billed}")
    for told in ("Columbus desk was on the line for 100.000 s", "State: OH", "The call met your terms"):
        assert told in page
    for secret in ("payout", "Payout", "ads", "$30.00", "Lakeside"):
        assert secret not in page, secret
    short = await read(buyer, f"/buyer/calls/{house.short}")
    assert "74.2 s" in short and "there is nothing to send back" in short


async def test_a_call_whose_terms_left_no_word_is_shown_all_the_same(
    engine: AsyncEngine, buyer: Client, publisher: Client, house: House
) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(calls).values(conversion=null()))
    assert "Your terms" in await read(buyer, f"/buyer/calls/{house.billed}")
    assert "Why it" in await read(publisher, f"/publisher/calls/{house.billed}")


async def test_another_buyers_call_is_not_there(buyer: Client, other: Client, house: House) -> None:
    await read(buyer, f"/buyer/calls/{house.others}", 404)
    await read(other, f"/buyer/calls/{house.billed}", 404)
    await read(other, "/buyer/calls/not-a-call", 404)
    assert str(house.billed) not in await read(other, "/buyer/calls")


@pytest.mark.parametrize("path", ["/buyer", "/buyer/calls", "/buyer/spend", "/buyer/licences"])
async def test_a_stranger_signs_in_and_others_are_turned_away(
    stranger: Client, admin: Client, publisher: Client, site: TestServer, path: str
) -> None:
    assert (await stranger.get(path, allow_redirects=False)).status == 303
    await read(admin, path, 403)
    await read(publisher, path, 403)


async def test_spend_by_day_is_the_reports(buyer: Client, house: House) -> None:
    page = await read(buyer, "/buyer/spend")
    assert page.count("$45.00") == 2, "the day, and all days"
    wrong = await read(buyer, "/buyer/spend?from=2026-11-02&to=2026-11-01", 422)
    assert "The first day is after the last one." in wrong
