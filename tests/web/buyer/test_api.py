"""The portals and the house's money for machines: what the pages show and do, by the same rules."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.rollups_queries import fold_pending
from billing.save_terms import TermsSaved, save_terms
from billing.terms_document import Party
from store import tables
from tests.billing.contracts import contract
from tests.postgres import as_owner
from tests.web.buyer.conftest import House
from tests.web.conftest import Client

API = "/api/v1"
NOBODY = "00000000-0000-4000-8000-000000000000"


async def ask(client: Client, method: str, path: str, status: int, body: Any = None, **headers: str) -> Any:
    said = {"json": body} if body is not None else {}
    async with client.request(method, f"{API}{path}", headers=headers, **said) as answer:
        text = await answer.text()
        assert answer.status == status, (path, text)
        if answer.headers.get("ETag"):
            return json.loads(text), answer.headers["ETag"]
        return json.loads(text) if text else None


async def test_a_buyer_reads_and_does_by_the_api_what_the_pages_do(
    buyer: Client, other: Client, publisher: Client, house: House
) -> None:
    days = await ask(buyer, "GET", "/own/days?zone=America/New_York", 200)
    assert sum(day["amount_micros"] for day in days) == 45_000_000
    calls = (await ask(buyer, "GET", "/own/calls", 200))["items"]
    assert {call["id"] for call in calls} == {str(house.billed), str(house.short)}
    short = await ask(buyer, "GET", f"/own/calls/{house.short}", 200)
    assert "74.2 s" in short["why"] and short["amount_micros"] == 0
    await ask(other, "GET", f"/own/calls/{house.billed}", 404)
    masked = await ask(publisher, "GET", f"/own/calls/{house.billed}", 200)
    assert (masked["caller"], masked["amount_micros"]) == ("+1 614 ••• ••11", 30_000_000)
    dispute = {"reason": "spam", "note": "noise"}
    made = await ask(buyer, "POST", f"/own/calls/{house.billed}/disputes", 201, dispute)
    await ask(buyer, "POST", f"/own/calls/{house.billed}/disputes", 409, dispute)
    await ask(buyer, "POST", f"/own/calls/{house.billed}/disputes", 422, {"reason": "because"})
    await ask(other, "POST", f"/own/calls/{house.billed}/disputes", 404, dispute)
    await ask(other, "GET", f"/own/disputes/{made['id']}", 404)
    assert (await ask(buyer, "GET", "/own/disputes", 200))["items"][0]["state"] == "open"
    account = await ask(buyer, "GET", "/own/account", 200)
    # What is disputed stays owed until it is decided.
    assert account["balance_micros"] == -45_000_000 and len(account["items"]) == 1
    assert (await ask(buyer, "GET", "/own/documents", 200))["items"] == []
    for path in ("/own/licences", "/own/fewer-calls", "/own/prices"):
        assert await ask(buyer, "GET", path, 200) is not None
        await ask(publisher, "GET", path, 403)
    page = await ask(buyer, "POST", "/own/top-ups", 200, {"amount_micros": 5_000_000, "key": "k1234567"})
    assert page["url"] == "https://pay.example/7"
    await ask(buyer, "POST", "/own/top-ups", 422, {"amount_micros": 1, "key": "k1234567"})


async def test_a_target_is_stopped_and_narrowed_by_the_api(
    buyer: Client, other: Client, house: House
) -> None:
    path = f"/own/targets/{house.market.targets[0]}"
    (target, etag) = await ask(buyer, "GET", path, 200)
    assert target["takes_calls"] and await ask(other, "GET", path, 404)
    assert not (await ask(buyer, "POST", f"{path}/pause", 200))["takes_calls"]
    await ask(buyer, "PATCH", path, 428, {"calls_a_day": 7})
    await ask(buyer, "PATCH", path, 412, {"calls_a_day": 7}, **{"If-Match": etag})
    await ask(buyer, "POST", f"{path}/resume", 200)
    changed, etag = await ask(buyer, "PATCH", path, 200, {"dropped_states": ["NY"]}, **{"If-Match": etag})
    assert changed["dropped_states"] == ["NY"]
    wrong = await ask(buyer, "PATCH", path, 422, {"concurrency_cap": 9}, **{"If-Match": etag})
    assert wrong["errors"][0]["field"] == "concurrency_cap"
    price = f"/own/prices/{house.market.campaign}"
    await ask(buyer, "PUT", price, 422, {"price_micros": 50_000_000})


async def set_limits(engine: AsyncEngine, house: House) -> dict[str, int]:
    """Let the first buyer set its own price of the campaign, $40 to $99."""
    of = {"buyer_id": house.market.buyers[0], "campaign_id": house.market.campaign}
    async with engine.begin() as connection:
        limits = {**of, "floor_micros": 40_000_000, "ceiling_micros": 99_000_000}
        await connection.execute(insert(tables.bid_limits).values(limits))
    return of


async def test_the_answer_says_from_when_an_own_price_holds_and_the_last_one_set_does(
    buyer: Client, house: House, engine: AsyncEngine
) -> None:
    await set_limits(engine, house)
    path, began = f"/own/prices/{house.market.campaign}", datetime.now(UTC)
    (before,) = await ask(buyer, "GET", "/own/prices", 200)
    assert before["next_from"] is None
    for price in (99_000_000, 98_000_000, 61_000_000):  # more than one in a second, too
        done = await ask(buyer, "PUT", path, 200, {"price_micros": price})
        from_ = datetime.fromisoformat(done["goes_live_at"])
        assert done["price_micros"] == price and from_.microsecond == 0
        assert from_ >= began + timedelta(seconds=10)
    (now,) = await ask(buyer, "GET", "/own/prices", 200)
    assert now["price_micros"] == before["price_micros"] == 45_000_000
    assert (now["next_price_micros"], now["next_from"]) == (61_000_000, done["goes_live_at"])


async def test_a_price_on_its_way_does_not_replace_the_contract_that_came_meanwhile(
    buyer: Client, house: House, engine: AsyncEngine
) -> None:
    of = await set_limits(engine, house)
    path, now = f"/own/prices/{house.market.campaign}", datetime.now(UTC)
    await ask(buyer, "PUT", path, 200, {"price_micros": 99_000_000})
    async with engine.begin() as connection:
        done = await save_terms(
            connection,
            party=Party.BUYER,
            party_id=of["buyer_id"],
            campaign_id=of["campaign_id"],
            document=contract(),
            goes_live_at=now + timedelta(seconds=1),
            now=now,
        )
        assert isinstance(done, TermsSaved), done
    (shown,) = await ask(buyer, "GET", "/own/prices", 200)
    assert shown["next_from"] is None
    refused = await ask(buyer, "PUT", path, 422, {"price_micros": 50_000_000})
    assert "agreed in writing" in refused["errors"][0]["problem"]


async def test_the_houses_reports_and_money_by_the_api(
    admin: Client, buyer: Client, house: House, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await fold_pending(connection)
    report = await ask(admin, "GET", "/reports?by=buyer&compare=true", 200)
    assert report["total"]["revenue_micros"] == 90_000_000 and len(report["rows"]) == 2
    first = house.market.buyers[0]
    behind = await ask(admin, "GET", f"/reports/calls?buyer={first}", 200)
    assert len(behind["items"]) == 2
    await ask(admin, "GET", "/reports?from=2026-02-02&to=2026-02-01", 422)
    await ask(buyer, "GET", "/reports", 403)
    topup = {"way": "topup", "party_id": first, "amount_micros": 500_000_000, "key": "w1"}
    assert (await ask(admin, "POST", "/payments", 200, topup))["new"]
    assert not (await ask(admin, "POST", "/payments", 200, topup))["new"]
    await ask(admin, "POST", "/payments", 409, topup | {"amount_micros": 1})
    await ask(buyer, "POST", "/payments", 403, topup)
    adjust = {"party": "buyer", "party_id": first, "amount_micros": 10_000, "key": "a1", "reason": "x"}
    assert (await ask(admin, "POST", "/adjustments", 200, adjust))["new"]
    file = {"kind": "adjustments", "text": "party,name,amount,key\npublisher,ads,3,f1\n"}
    assert not (await ask(admin, "POST", "/money-files", 200, file))["written"]
    day = house.started_at.date().isoformat()
    draft = {"party": "buyer", "party_id": first, "first": day, "last": day}
    made = await ask(admin, "POST", "/invoices", 201, draft)
    steps = f"/invoices/{made['id']}"
    assert (await ask(admin, "POST", f"{steps}/issue", 200))["state"] == "issued"
    for body in ({}, {"key": "w1"}):
        await ask(admin, "POST", f"{steps}/pay", 409, body)
    assert (await ask(admin, "POST", f"{steps}/pay", 200, {"key": "w2"}))["state"] == "paid"
    await ask(admin, "POST", f"/invoices/{made['id']}/void", 409)
    await ask(admin, "POST", "/invoices/999/void", 404)
    document = (await ask(buyer, "GET", "/own/documents", 200))["items"][0]
    assert (await ask(buyer, "GET", f"/own/documents/{document['id']}", 200))["lines"]
    dispute = await ask(buyer, "POST", f"/own/calls/{house.billed}/disputes", 201, {"reason": "spam"})
    assert (await ask(admin, "GET", "/disputes", 200))["items"][0]["buyer"] == "Buckeye Lending"
    ruled = await ask(admin, "POST", f"/disputes/{dispute['id']}/ruling", 200, {"credit_micros": 0})
    assert ruled["state"] == "refused"
    limits = await ask(buyer, "GET", "/own/dispute-limits", 200)
    assert (limits["left"], limits["counted"], limits["why_not"]) == (2, 1, "")
    path = f"/disputes/{dispute['id']}/reopening"
    await ask(buyer, "POST", path, 403, {"note": "again"})
    assert (await ask(admin, "POST", path, 201, {"note": "heard anew"}))["id"] != dispute["id"]
    await ask(admin, "POST", path, 409, {"note": "twice"})
    (exposed,) = await ask(admin, "GET", "/dispute-exposures", 200)
    assert (exposed["open_count"], exposed["disputed_micros"]) == (1, 45_000_000)
    wallets = (await ask(admin, "GET", "/wallets", 200))["items"]
    assert {one["buyer"]: one["balance_micros"] for one in wallets}["Buckeye Lending"] != 0


async def test_a_sale_is_reported_later_by_its_key(
    admin: Client, buyer: Client, house: House, engine: AsyncEngine
) -> None:
    terms = contract(sale={"within_days": 30, "price": "200.00"})
    async with as_owner(engine) as connection:
        changed = update(tables.buyer_terms).values(document=terms)
        await connection.execute(text("ALTER TABLE buyer_terms DISABLE TRIGGER USER"))
        await connection.execute(changed)
        await connection.execute(text("ALTER TABLE buyer_terms ENABLE TRIGGER USER"))
    sale = {"call_id": str(house.billed), "key": "crm-7"}
    done = await ask(admin, "POST", "/sales", 200, sale)
    assert (done["price_micros"], done["new"]) == (200_000_000, True)
    assert not (await ask(admin, "POST", "/sales", 200, sale))["new"]
    await ask(admin, "POST", "/sales", 409, {**sale, "call_id": NOBODY})
    await ask(buyer, "POST", "/sales", 403, sale)
