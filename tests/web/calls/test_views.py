"""The calls list, read as an admin reads it."""

from __future__ import annotations

import csv
import html
import io
import re
from datetime import timedelta
from uuid import UUID

import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from store.call_id import call_id_of
from tests.web.conftest import PASSWORD, Client, open_client, sign_in
from tests.web.market import CALLER, NUMBER, STARTED_AT, Market, add_call, add_sold_call
from web.auth import UserCreated, create_user
from web.calls import listing

HOSTILE = "<img src=x onerror=alert(1)>\"'&${jndi}"


async def listed(client: Client, address: str = "/calls", **headers: str) -> str:
    async with client.get(address, headers=headers) as answer:
        assert answer.status == 200, address
        return await answer.text()


def ids(text: str) -> list[str]:
    return re.findall(r'href="/calls/([0-9a-f-]{36})"', text)


async def test_an_empty_list_explains_itself(admin: Client, market: Market) -> None:
    text = await listed(admin)
    assert "No calls yet" in text and "+1 800-555-0100" in text and f"testcall --to {NUMBER}" in text


async def test_without_a_market_the_empty_list_says_what_is_missing(admin: Client) -> None:
    assert "There is no tracking number yet" in await listed(admin)


async def test_a_sold_call_stands_in_the_list(admin: Client, engine: AsyncEngine, market: Market) -> None:
    call_id = await add_sold_call(engine, market)
    text = await listed(admin)
    assert ids(text) == [str(call_id)]
    for fact in (
        "Tue 24 Nov 2026",
        "14:03:27",
        "times in UTC",
        "+1 614-555-0123",
        "Mortgage, national, Clickworks",
        "Sold",
        "Buckeye Lending",
        "1:32",
        "$45.00",
        "$30.00",
    ):
        assert fact in text, fact


async def test_times_are_in_the_chosen_zone(admin: Client, engine: AsyncEngine, market: Market) -> None:
    await add_sold_call(engine, market)
    async with admin.post("/time-zone", data={"time_zone": "America/New_York", "next": "/calls"}) as page:
        text = await page.text()
    assert "09:03:27" in text and "times in America/New_York" in text


async def test_of_thousands_a_buyer_is_found_by_its_name(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    """No menu names them all: some are suggested, and a name is understood; one that nobody has is said to be none."""
    call_id = await add_sold_call(engine, market)
    assert ">Buckeye Lending</option>" in await listed(admin)
    async with engine.begin() as connection:
        await connection.execute(
            insert(tables.buyers), [{"name": f"Lender {number:04d} of Ohio"} for number in range(2_000)]
        )
    text = await listed(admin)
    assert "Lender 0000 of Ohio" not in text and len(text) < 40_000
    for named in ("buckeye lending", f"Buckeye Lending ({market.buyer_id})", str(market.buyer_id)):
        text = await listed(admin, f"/calls?buyer={named}")
        assert ids(text) == [str(call_id)] and f'value="Buckeye Lending ({market.buyer_id})"' in text
    assert ids(await listed(admin, "/calls?buyer=Lender 1999 of Ohio")) == []
    text = await listed(admin, "/calls?buyer=<b>Nobody</b>&campaign=Mortgage, national")
    assert "Nothing is called “&lt;b&gt;Nobody&lt;/b&gt;”" in text and ids(text) == [str(call_id)]


async def test_newest_first_page_by_page_each_call_once(admin: Client, engine: AsyncEngine) -> None:
    # Many calls of one moment: the place in the list is told by moment and id together.
    rows = [
        {
            "id": call_id_of(f"a-{n}.1"),
            "linkedid": f"a-{n}.1",
            "node": "a",
            "started_at": STARTED_AT + timedelta(seconds=n // 30),
        }
        for n in range(120)
    ]
    async with engine.begin() as connection:
        await connection.execute(insert(tables.calls), rows)
    seen: list[str] = []
    address = "/calls?outcome=in_progress"
    for _ in range(3):
        text = await listed(admin, address)
        seen += ids(text)
        further = re.search(r'href="(/calls\?[^"]*before=[^"]*)" rel="next"', text)
        address = further[1].replace("&amp;", "&") if further else ""
    expected = sorted(
        ((row["started_at"], row["id"]) for row in rows),
        key=lambda each: (each[0], _order(each[1])),
        reverse=True,
    )
    assert seen == [str(call_id) for _, call_id in expected]
    assert address == ""


def _order(call_id: object) -> bytes:
    assert isinstance(call_id, UUID)
    return call_id.bytes


async def test_filters(admin: Client, engine: AsyncEngine, market: Market) -> None:
    sold = str(await add_sold_call(engine, market))
    ringing = str(await add_call(engine, "a-2.1", caller="+12125550199", dialled="+18005550199"))
    lost = str(await add_call(engine, "a-3.1", state="settled", outcome="abandoned", caller=None))
    for query, expected in (
        ("caller=614", {sold}),
        ("caller=614-555", set()),
        ("number=0199", {ringing}),
        ("outcome=sold", {sold}),
        ("outcome=in_progress", {ringing}),
        ("outcome=abandoned", {lost}),
        (f"campaign={market.campaign_id}", {sold}),
        (f"campaign={market.campaign_id + 1}", set()),
        ("caller=614&outcome=abandoned", set()),
        ("caller=%25", {sold, ringing, lost}),
        ("campaign=99999999999999999999999", {sold, ringing, lost}),
        (f"publisher={market.publisher_id}&buyer={market.buyer_id}&converted=yes", {sold}),
        (f"target={market.chosen_id}", {sold}),
        (f"target={market.closed_id}", set()),
        ("state=oh&loan_type=refinance", {sold}),
        ("state=TX", set()),
        ("tag=state%3DOH", {sold}),
        ("seconds=92", {sold}),
        ("seconds=93", set()),
        ("converted=no", set()),
        ("recorded=yes", set()),
        ("caller=6145550123", {sold}),
        ("from=2026-11-24&to=2026-11-24", {sold, ringing, lost}),
        ("from=2026-11-25", set()),
        ("to=2026-11-23", set()),
        ("from=2026-13-45", {sold, ringing, lost}),
    ):
        assert set(ids(await listed(admin, f"/calls?{query}"))) == expected, query
    assert "No call matches" in await listed(admin, "/calls?caller=999")


async def test_htmx_gets_the_rows_alone(admin: Client, engine: AsyncEngine, market: Market) -> None:
    call_id = await add_sold_call(engine, market)
    part = await listed(admin, **{"HX-Request": "true", "HX-Request-Type": "partial"})
    assert ids(part) == [str(call_id)] and "<html" not in part and "<form" not in part


async def test_what_a_stranger_dialled_is_text_and_nothing_else(admin: Client, engine: AsyncEngine) -> None:
    await add_call(engine, "a-1.1", caller=HOSTILE, dialled="<script>alert(1)</script>" + "9" * 8000)
    await add_call(engine, "a-2.1", caller="\u202e12\x1b[31m\n", dialled="+1800&PJSIP/500")
    text = await listed(admin)
    assert "<img src=x" not in text and "<script>alert" not in text and "9" * 100 not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert "\u202e" not in text and "\x1b" not in text
    assert "+1800&amp;PJSIP/500" in text


async def test_the_filter_gives_back_only_what_it_understood(admin: Client) -> None:
    text = await listed(admin, '/calls?caller="><script>alert(1)</script>614&outcome=<b>')
    assert 'value="1614"' in text and "<script>alert" not in text and "<b>" not in text


async def test_a_withheld_caller(admin: Client, engine: AsyncEngine) -> None:
    await add_call(engine, caller=None)
    text = await listed(admin)
    assert "withheld" in text and "In progress" in text and CALLER not in text


async def test_a_search_looks_at_so_many_calls_and_says_how_far_it_came(
    admin: Client, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LOOKED_AT", 3)
    for number in range(9):
        at = STARTED_AT - timedelta(minutes=number)
        await add_call(engine, f"a-{number}.1", started_at=at, tags={"state": "OH" if number == 7 else "CA"})
    text, pages = await listed(admin, "/calls?state=OH"), 1
    assert ids(text) == [] and "Searched back to" in text
    while not ids(text):
        (further,) = set(re.findall(r'href="(/calls[^"]*before=[^"]*)"', text))
        text, pages = await listed(admin, html.unescape(further)), pages + 1
    assert ids(text) == [str(call_id_of("a-7.1"))]
    assert pages == 2
    assert len(ids(await listed(admin, "/calls"))) == 9, "without a search all are there"
    async with admin.get("/api/v1/calls?state=OH") as answer:
        found = await answer.json()
    assert found["items"] == [] and found["searched_from"] and found["next"]


async def test_a_view_is_kept_under_a_name_and_is_its_owners_alone(
    admin: Client, site: TestServer, engine: AsyncEngine, market: Market
) -> None:
    async with admin.post(
        "/calls/views", data={"name": "Sold in Ohio", "query": "outcome=sold&state=OH&x=1"}
    ) as answer:
        assert str(answer.url.relative()) == "/calls?outcome=sold&state=OH"
        assert "Sold in Ohio" in await answer.text()
    async with admin.post("/calls/views", data={"name": "  ", "query": "outcome=sold"}) as answer:
        assert answer.status == 422 and "Give the view a name" in await answer.text()
    assert isinstance(await create_user(engine, "eve@example.com", PASSWORD, "manager"), UserCreated)
    async with open_client(site) as other:
        assert await sign_in(other, "eve@example.com") == 303
        assert "Sold in Ohio" not in await listed(other, "/calls")
        async with other.post("/calls/views/1/delete") as answer:
            assert answer.status == 404
        async with admin.post("/calls/views/1/delete") as answer:
            assert "Sold in Ohio" not in await answer.text()


async def test_a_view_keeps_no_caller(admin: Client, engine: AsyncEngine, market: Market) -> None:
    async with admin.get("/calls?caller=6145550123&outcome=sold") as answer:
        assert "The caller is not kept with it." in await answer.text()
    query = "caller=6145550123&outcome=sold"
    async with admin.post("/calls/views", data={"name": "Theirs", "query": query}) as answer:
        assert answer.status == 200
    wanted = {"name": "By API", "query": {"caller": "6145550123", "outcome": "sold"}}
    async with admin.post("/api/v1/calls/views", json=wanted) as answer:
        assert answer.status == 201
    async with engine.connect() as connection:
        kept = (await connection.execute(select(tables.saved_views.c.query))).scalars().all()
    assert kept == ["outcome=sold", "outcome=sold"]
    async with admin.post("/calls/views", data={"name": "Alone", "query": "caller=6145550123"}) as answer:
        assert answer.status == 422 and "A view keeps no caller" in await answer.text()


async def test_an_export_has_the_columns_of_the_role_and_no_formula(
    admin: Client, site: TestServer, engine: AsyncEngine, market: Market
) -> None:
    await add_sold_call(engine, market)
    await add_call(engine, "a-9.1", dialled="=HYPERLINK(1)", tags={"name": "@x"})
    async with admin.get("/calls/export.csv") as answer:
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        rows = list(csv.DictReader(io.StringIO(await answer.text())))
    assert [row["dialled"] for row in rows if row["revenue"] == "0.0"] == ["'=HYPERLINK(1)"]
    (sold,) = [row for row in rows if row["outcome"] == "sold"]
    assert (sold["caller"], sold["revenue"], sold["payout"]) == ("'+16145550123", "45.0", "30.0")
    assert isinstance(await create_user(engine, "eve@example.com", PASSWORD, "analyst"), UserCreated)
    async with open_client(site) as analyst:
        assert await sign_in(analyst, "eve@example.com") == 303
        async with analyst.get("/calls/export.csv?caller=6145550199") as answer:
            masked = list(csv.DictReader(io.StringIO(await answer.text())))
        text = await listed(analyst, "/calls")
    assert len(masked) == 2, "an analyst does not search by numbers they may not see"
    assert "555-0123" not in text and "5550123" not in str(masked)


@pytest.mark.parametrize("role", ["buyer", "publisher"])
async def test_the_list_is_the_houses_own(site: TestServer, engine: AsyncEngine, role: str) -> None:
    assert isinstance(await create_user(engine, "eve@example.com", PASSWORD, role), UserCreated)
    async with open_client(site) as other:
        assert await sign_in(other, "eve@example.com") == 303
        for path in ("/calls", "/calls/export.csv"):
            async with other.get(path) as answer:
                assert answer.status == 403


async def test_machines_get_the_same_list(admin: Client, engine: AsyncEngine, market: Market) -> None:
    call_id = await add_sold_call(engine, market)
    async with admin.get(
        f"/api/v1/calls?buyer={market.buyer_id}&from=2026-11-24&zone=America/New_York"
    ) as answer:
        assert answer.status == 200, await answer.text()
        page = await answer.json()
    (shown,) = page["items"]
    assert (shown["id"], shown["revenue_micros"], shown["caller"]) == (str(call_id), 45_000_000, CALLER)
    assert page["next"] is None
    async with admin.get("/api/v1/calls?zone=Nowhere") as answer:
        assert answer.status == 400
    async with admin.get(f"/api/v1/calls/{call_id}") as answer:
        whole = await answer.json()
    assert whole["margin_micros"] == 14_991_600 and len(whole["decisions"]) == 2
    async with admin.get("/api/v1/calls/export.csv?outcome=sold") as answer:
        assert answer.status == 200 and str(call_id) in await answer.text()
    wanted = {"name": "Sold", "query": {"outcome": "sold"}}
    async with admin.post("/api/v1/calls/views", json=wanted) as answer:
        assert answer.status == 201, await answer.text()
        assert (await answer.json())["query"] == "outcome=sold"
