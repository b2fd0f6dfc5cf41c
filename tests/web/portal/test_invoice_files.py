"""Invoices and statements as files, by the API and on the pages: whose they are, and what each may read in them."""

from __future__ import annotations

from aiohttp.test_utils import TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.web.buyer.conftest import House, buyer, house, other, payments, site, till
from tests.web.buyer.test_api import ask
from tests.web.conftest import Client
from tests.web.plans.house import open_analyst

__all__ = ["buyer", "house", "other", "payments", "site", "till"]


async def _file(client: Client, path: str, status: int = 200) -> tuple[bytes, str]:
    async with client.get(path) as answer:
        assert answer.status == status, path
        return await answer.read(), answer.headers["Content-Type"]


async def _issued(admin: Client, house: House, party: str, party_id: int) -> int:
    day = house.started_at.date().isoformat()
    draft = {"party": party, "party_id": party_id, "first": day, "last": day}
    made = await ask(admin, "POST", "/invoices", 201, draft)
    await ask(admin, "POST", f"/invoices/{made['id']}/issue", 200)
    return int(made["id"])


async def test_each_party_fetches_its_own_files_and_the_house_fetches_all(
    admin: Client, buyer: Client, other: Client, house: House
) -> None:
    invoice = await _issued(admin, house, "buyer", house.market.buyers[0])
    for client, path in ((admin, f"/api/v1/invoices/{invoice}"), (buyer, f"/api/v1/own/documents/{invoice}")):
        pdf, media = await _file(client, f"{path}/pdf")
        assert pdf.startswith(b"%PDF") and media == "application/pdf"
        csv, media = await _file(client, f"{path}/csv")
        assert b"Call from +1" in csv and media.startswith("text/csv")
    for kind in ("pdf", "csv"):
        await _file(other, f"/api/v1/own/documents/{invoice}/{kind}", 404)
        await _file(buyer, f"/api/v1/invoices/{invoice}/{kind}", 403)
        await _file(admin, f"/api/v1/invoices/999/{kind}", 404)
    await _file(buyer, f"/api/v1/own/documents/{invoice}/json", 404)


async def test_an_analyst_reads_no_callers_in_them(
    admin: Client, site: TestServer, engine: AsyncEngine, house: House
) -> None:
    invoice = await _issued(admin, house, "buyer", house.market.buyers[0])
    paths = [f"/api/v1/invoices/{invoice}/csv", f"/money/invoices/{invoice}.csv"]
    for path in paths:
        assert b"Call from +1" in (await _file(admin, path))[0]
    async with open_analyst(site, engine) as analyst:
        for path in [*paths, f"/money/invoices/{invoice}.json"]:
            read, _ = await _file(analyst, path)
            assert b"Call" in read and b"+1" not in read, path
        page, _ = await _file(analyst, f"/money/invoices/{invoice}")
        assert b"Call from" not in page
