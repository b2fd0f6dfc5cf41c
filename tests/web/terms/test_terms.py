"""Terms through the pages and the API: saved for a time to come, read in words, tried on a call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from tests.web.conftest import Client
from tests.web.market import Market, add_sold_call
from tests.web.plans.house import api

FORM = {
    "party": "buyer",
    "party_name": "Buckeye Lending",
    "goes_live": "now",
    "price": "45.00",
    "minimum_seconds": "90",
    "tiers": "",
    "period": "month",
    "time_zone": "America/New_York",
    "bonuses": "",
    "more": "",
    "whole": "",
}


async def press(client: Client, market: Market, do: str, **form: str) -> tuple[int, str]:
    data = {**FORM, **form, "do": do}
    async with client.post(f"/campaigns/{market.campaign_id}/terms/new", data=data) as answer:
        return answer.status, await answer.text()


async def test_an_admin_writes_terms_reads_them_in_words_and_saves_them(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    status, text = await press(admin, market, "read", price="fortyfive", tiers="40.00", bonuses="[{]")
    assert status == 422 and "write one tier a line" in text and "this is not JSON" in text
    tiers = "101: 40.00\n50: 42.00"
    status, text = await press(admin, market, "read", tiers=tiers)
    assert status == 422 and "put them in rising order" in text and 'id="tiers-problem"' in text
    bonus = '[{"name": "veteran", "when": {"fact": "veteran", "=": true}, "price": "5.00"}]'
    good = {"tiers": "101: 40.00", "bonuses": bonus}
    status, text = await press(admin, market, "read", **good)
    assert status == 200
    assert "$45.00 (from call 101 of the month on $40.00) when connected 90 s or longer." in text
    assert "Plus $5.00 (veteran) when " in text
    status, text = await press(admin, market, "save", **good, party_name="Nobody")
    assert status == 422 and "there is no buyer of this name" in text
    over = {"goes_live": "later", "day": "2020-01-01", "time": "00:00"}
    status, text = await press(admin, market, "save", **good, **over)
    assert status == 422 and "is over: calls since then are judged by the terms of that time" in text
    status, text = await press(admin, market, "save", **good)
    assert status == 200 and "Saved." in text and ">live</span>" in text
    coming = {"goes_live": "later", "day": "2199-01-01", "time": "08:30", "price": "50.00"}
    status, text = await press(admin, market, "save", **coming)
    assert ">to come</span>" in text and "08:30:00" in text
    async with admin.get(
        f"/campaigns/{market.campaign_id}/terms/new?party=buyer&party_id={market.buyer_id}"
    ) as answer:
        text = await answer.text()
    assert 'value="50.00"' in text and 'value="90"' in text and 'value="Buckeye Lending"' in text
    async with engine.connect() as connection:
        rows = (await connection.execute(select(tables.buyer_terms).order_by(tables.buyer_terms.c.id))).all()
        notes = (
            await connection.execute(select(tables.audit_log).where(tables.audit_log.c.kind == "terms"))
        ).all()
    assert [(row.price_micros, row.minimum_connected_ms) for row in rows] == [
        (45_000_000, 90_000),
        (50_000_000, 90_000),
    ]
    assert len(notes) == 2 and notes[0].after["document"]["bonuses"][0]["name"] == "veteran"


async def test_terms_are_tried_on_a_call_that_was(admin: Client, engine: AsyncEngine, market: Market) -> None:
    call_id = await add_sold_call(engine, market)
    status, text = await press(
        admin, market, "try", price="60.00", call=f"https://example.com/calls/{call_id}"
    )
    assert status == 200 and "<strong>$60.00</strong>: connected 92.418 s of 90 s." in text
    assert "It came to $45.00 then." in text
    status, text = await press(admin, market, "try", minimum_seconds="120", call=str(call_id))
    assert "<strong>Nothing</strong>: connected 92.418 s of 120 s." in text
    status, text = await press(
        admin, market, "try", party="publisher", price="70%", minimum_seconds="", call=str(call_id)
    )
    assert "<strong>$31.50</strong>" in text
    status, text = await press(admin, market, "try", call="the one of yesterday")
    assert status == 422 and "paste a call" in text
    async with engine.connect() as connection:
        assert (await connection.execute(select(tables.buyer_terms))).all() == []


async def test_machines_save_list_and_try_terms(admin: Client, engine: AsyncEngine, market: Market) -> None:
    call_id = await add_sold_call(engine, market)
    path = f"/campaigns/{market.campaign_id}/terms"
    document = {
        "currency": "USD",
        "time_zone": "America/New_York",
        "rounding": {"to": "0.01", "mode": "half_up"},
        "rules": [
            {"name": "Ohio", "when": {"fact": "state", "in": ["OH"]}, "price": {"percent_of_revenue": "80"}},
            {"name": "base", "price": "10.00"},
        ],
    }
    body = {"party": "publisher", "party_id": market.publisher_id, "document": document}
    status, made, _ = await api(admin, "POST", path, json=body)
    assert status == 201 and made["reading"][0].startswith("80 % of the revenue (Ohio) when ")
    wrong = {**document, "rules": [{"name": "base", "price": "ten"}]}
    status, problem, _ = await api(admin, "POST", path, json={**body, "document": wrong})
    assert status == 422 and problem["errors"][0]["field"] == "document.rules.0.price"
    unknown = {"fact": "roof_age", "kind": "number", "<": 10}
    nobodys = {**document, "rules": [{"name": "roofs", "when": unknown, "price": "10.00"}]}
    status, problem, _ = await api(admin, "POST", path, json={**body, "document": nobodys})
    assert status == 422 and "no call has the fact roof_age" in str(problem["errors"])
    past = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    status, problem, _ = await api(admin, "POST", path, json={**body, "goes_live_at": past})
    assert status == 422 and problem["errors"][0]["field"] == "goes_live_at"
    status, listed, _ = await api(admin, "GET", f"{path}?party=publisher")
    assert status == 200 and listed["items"][0]["state"] == "live" and listed["next"] is None
    tried = {
        "party": "publisher",
        "party_id": market.publisher_id,
        "document": document,
        "call_id": str(call_id),
    }
    status, told, _ = await api(admin, "POST", "/terms/try", json=tried)
    assert (status, told["paid"], told["amount_micros"]) == (200, True, 36_000_000)
    # A document with conditions of its own is edited as it is.
    async with admin.get(
        f"/campaigns/{market.campaign_id}/terms/new?party=publisher&party_id={market.publisher_id}"
    ) as answer:
        text = await answer.text()
    assert "The whole document, as JSON" in text and "percent_of_revenue" in text
