"""A publisher at home: own numbers, calls, earnings and statements; no buyer, no price, no whole number of a caller."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.invoice import Invoice
from billing.make_invoice import issue_invoice, make_invoice
from billing.terms_document import Party
from store import tables
from tests.web.buyer.conftest import House, buyer, house, payments, publisher, site, till
from tests.web.buyer.test_own_calls import read
from tests.web.conftest import Client

__all__ = ["buyer", "house", "payments", "publisher", "site", "till"]

PATHS = ("", "/calls", "/numbers", "/sources", "/sources?by=number", "/payouts", "/statements", "/pings")
SECRETS = ("5550111", "5550122", "0111", "$45.00", "Buckeye", "Lakeside", "Columbus desk")


async def test_every_page_tells_its_own_and_no_secret_of_a_buyer_or_caller(
    publisher: Client, house: House, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        key = {"name": "web", "key_digest": b"1", "publisher_id": house.market.publisher}
        await connection.execute(insert(tables.rtb_keys).values(**key, campaign_id=house.market.campaign))
    calls = [f"/calls/{call_id}" for call_id in (house.billed, house.short, house.others)]
    for path in (*PATHS, *calls):
        page = await read(publisher, f"/publisher{path}")
        told = re.sub(r"<[^>]*>", " ", page)
        assert not [one for one in SECRETS if one in told], path
    assert "$60.00" in await read(publisher, "/publisher"), "two calls of 30 dollars"
    assert "+1 614 ••• ••11" in await read(publisher, "/publisher/calls")
    short = await read(publisher, f"/publisher/calls/{house.short}")
    assert "Why it did not pay" in short and "74.200 s" in short and "long enough" in short
    assert "by the rule" in await read(publisher, f"/publisher/calls/{house.billed}")
    assert "+1 800-555-0100" in await read(publisher, "/publisher/numbers")
    assert "no source tag" in await read(publisher, "/publisher/sources")
    assert "The first day is after" in await read(
        publisher, "/publisher/sources?from=2026-02-02&to=2026-02-01", 422
    )
    assert "web" in await read(publisher, "/publisher/pings")
    assert "No call matches" not in await read(publisher, "/publisher/calls?caller=5550111"), "not searched"


async def test_a_statement_masks_callers_and_is_nobody_elses(
    publisher: Client, buyer: Client, house: House, engine: AsyncEngine
) -> None:
    day = house.started_at.date()
    async with engine.begin() as connection:
        period = day - dt.timedelta(days=1), day + dt.timedelta(days=1)
        made = await make_invoice(connection, Party.PUBLISHER, house.market.publisher, *period)
        assert isinstance(made, Invoice)
        assert "No statements yet" in await read(publisher, "/publisher/statements"), "drafts are ours"
        await issue_invoice(connection, made.id, dt.datetime.now(dt.UTC))
    base = f"/publisher/statements/{made.id}"
    page, csv = await read(publisher, base), await read(publisher, f"{base}.csv")
    for told in (page, csv):
        assert "+1 614 ••• ••11" in told and "5550111" not in told
    assert (await (await publisher.get(f"{base}.pdf")).read()).startswith(b"%PDF")
    await read(publisher, f"{base}.json", 404)
    await read(buyer, f"/buyer/invoices/{made.id}", 404)


@pytest.mark.parametrize("path", PATHS)
async def test_a_stranger_signs_in_and_others_are_turned_away(
    stranger: Client, admin: Client, buyer: Client, path: str
) -> None:
    assert (await stranger.get(f"/publisher{path}", allow_redirects=False)).status == 303
    await read(admin, f"/publisher{path}", 403)
    await read(buyer, f"/publisher{path}", 403)
