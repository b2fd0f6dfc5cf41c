"""Sales told by postback: each once however often, correctable, of own calls only, by keys that an admin makes."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.save_terms import TermsSaved, save_terms
from billing.terms_document import Party
from billing.verify import verify_ledger
from store import tables
from store.call_id import call_id_of
from tests.billing.contracts import contract, payout
from tests.billing.test_settle_call import a_call, settled
from tests.postgres import as_owner
from tests.web.buyer.conftest import CALLERS, House, house, payments, site, till
from tests.web.buyer.test_money import post
from tests.web.buyer.test_own_calls import read
from tests.web.conftest import EMAIL, Client
from tests.web.plans.house import api
from web.sale_keys.postback import Told, read_postback

__all__ = ["house", "payments", "site", "till"]
PAGE = "/money/sale-keys"


@pytest.fixture
async def sells(engine: AsyncEngine, house: House) -> House:
    """A sale within 30 days costs the first buyer 200 $ more, half of it the publisher's."""
    share = {"within_days": 30, "price": {"percent_of_revenue": "50"}}
    whose = (
        (Party.BUYER, house.market.buyers[0], contract(sale={"within_days": 30, "price": "200.00"})),
        (Party.PUBLISHER, house.market.publisher, payout("30.00", sale=share)),
    )
    for party, party_id, document in whose:
        async with engine.begin() as connection:
            saved = await save_terms(
                connection,
                party=party,
                party_id=party_id,
                campaign_id=house.market.campaign,
                document=document,
                goes_live_at=house.started_at - dt.timedelta(minutes=5),
                now=house.started_at - dt.timedelta(hours=1),
            )
        assert isinstance(saved, TermsSaved), saved
    return house


async def make(admin: Client, **whose: Any) -> str:
    """Return the path of a new key."""
    status, made, _ = await api(admin, "POST", "/sale-keys", json=whose)
    assert status == 201, made
    return f"/postback/sale/{made['key']}"


async def tell(stranger: Client, path: str, status: int = 200, **fields: str) -> dict[str, Any]:
    async with stranger.get(path, params=fields) as answer:
        told: dict[str, Any] = await answer.json()
        assert answer.status == status, told
        return told


async def owed(engine: AsyncEngine, buyer: int) -> int:
    """What the buyer owes, in dollars."""
    async with engine.connect() as connection:
        query = select(tables.wallets.c.owed_micros).where(tables.wallets.c.buyer_id == buyer)
        return int(await connection.scalar(query) or 0) // 1_000_000


async def test_of_thousands_the_buyer_of_a_key_is_chosen_by_its_name(
    admin: Client, house: House, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            insert(tables.buyers), [{"name": f"Lender {number:04d} of Ohio"} for number in range(200)]
        )
    form = {"buyer_id": "Nobody", "campaign_id": "", "name": "loans", "rate_per_minute": "60"}
    wrong = await post(admin, PAGE, 422, **form)
    assert "choose one of those offered" in wrong and 'value="Nobody"' in wrong
    assert "The new key" in await post(admin, PAGE, 200, **(form | {"buyer_id": "lender 0042 of ohio"}))
    page = await read(admin, PAGE)
    assert "Lender 0042 of Ohio" in page and "Lender 0001 of Ohio" not in page


async def test_a_sale_is_told_again_corrected_and_withdrawn(
    admin: Client, stranger: Client, sells: House, engine: AsyncEngine
) -> None:
    """The call cost 45 $; its sale 200, then 150, then nothing."""
    first, call = sells.market.buyers[0], str(sells.billed)
    path = await make(admin, buyer_id=first)
    told = await tell(stranger, path, call_id=call, id="loan-9")
    assert told == {"call_id": call, "id": "loan-9", "version": 1, "amount": "200.00", "new": True}
    again = await tell(stranger, path, call_id=call, id="loan-9")
    assert (again["version"], again["new"]) == (1, False) and await owed(engine, first) == 245
    async with stranger.post(path, json={"call_id": call, "id": "loan-9", "amount": 150.0}) as answer:
        assert (await answer.json())["version"] == 2
    assert await owed(engine, first) == 195
    async with stranger.post(path, data={"call_id": call, "id": "loan-9", "amount": "0"}) as answer:
        assert answer.status == 200
    assert await owed(engine, first) == 45 and (await verify_ledger(engine)).holds
    async with engine.connect() as connection:
        log = tables.audit_log.c
        noted = await connection.execute(select(log.actor, log.via).where(log.action == "sale"))
        assert [tuple(row) for row in noted] == [("sale key 1", "api")] * 3
    # The very code of the API: the same key of the same call is the same sale.
    body = {"call_id": call, "key": "loan-9", "price_micros": 0, "payout_micros": 0}
    status, shown, _ = await api(admin, "POST", "/sales", json=body)
    assert status == 200 and shown["version"] == 3 and not shown["new"]


async def test_a_sale_that_the_wallet_does_not_cover_waits_for_a_top_up(
    admin: Client, stranger: Client, sells: House, engine: AsyncEngine
) -> None:
    """A wallet of nothing once took a sale of $10,000; its publisher was paid, and it was withdrawn."""
    first, call = sells.market.buyers[0], str(sells.billed)
    path = await make(admin, buyer_id=first)
    async with engine.begin() as connection:
        limited = update(tables.buyers).where(tables.buyers.c.id == first)
        await connection.execute(limited.values(prepaid=True, credit_limit_micros=45_000_000))
    told = await tell(stranger, path, 409, call_id=call, id="s1", amount="10000")
    assert "$10,000.00 more is missing. Let the buyer top up" in told["error"]
    assert await owed(engine, first) == 45
    assert (await pay(admin, "topup", first, 10_000))[0] == 200
    assert (await tell(stranger, path, call_id=call, id="s1", amount="10000"))["new"]
    assert await owed(engine, first) == 45


async def test_a_key_takes_back_no_sale_that_was_paid_out(
    admin: Client, stranger: Client, sells: House, engine: AsyncEngine
) -> None:
    """The publisher has $30 of the call and $5,000 of the sale; the house can, and the audit log says what is owed."""
    first, call = sells.market.buyers[0], str(sells.billed)
    path = await make(admin, buyer_id=first)
    await tell(stranger, path, call_id=call, id="s1", amount="10000")
    assert (await pay(admin, "payout", sells.market.publisher, 5_000))[0] == 200
    told = await tell(stranger, path, 409, call_id=call, id="s1", amount="0")
    assert "only the house can correct it" in told["error"] and await owed(engine, first) == 10_045
    body = {"call_id": call, "key": "s1", "price_micros": 0}
    status, shown, _ = await api(admin, "POST", "/sales", json=body)
    async with engine.connect() as connection:
        log = tables.audit_log.c
        noted = await connection.scalar(select(log.after).where(log.action == "sale").order_by(log.id.desc()))
    assert status == 200 and shown["publisher_owes_micros"] == noted["publisher_owes_micros"] > 4_900_000_000


async def pay(admin: Client, way: str, party_id: int, dollars: int) -> tuple[int, Any, Any]:
    body = {"way": way, "party_id": party_id, "amount_micros": dollars * 1_000_000, "key": f"wire-{way}"}
    return await api(admin, "POST", "/payments", json=body)


async def test_told_many_times_at_once_it_is_posted_once(
    admin: Client, stranger: Client, sells: House, engine: AsyncEngine
) -> None:
    path = await make(admin, campaign_id=sells.market.campaign)
    fields = {"caller": CALLERS[0], "id": "loan-1"}
    found = await asyncio.gather(*(tell(stranger, path, **fields) for _ in range(8)))
    assert sorted(one["new"] for one in found) == [False] * 7 + [True]
    assert await owed(engine, sells.market.buyers[0]) == 245


async def test_a_sale_told_by_its_caller_stays_with_its_call(
    admin: Client, stranger: Client, sells: House, engine: AsyncEngine
) -> None:
    """The caller's newest call; but when they call again, an old sale told again is no sale of the new call."""
    path = await make(admin, buyer_id=sells.market.buyers[0])
    told = await tell(stranger, path, caller="(614) 555-0111", id="loan-1")
    assert told["call_id"] == str(sells.billed)
    later = int(sells.started_at.timestamp() + 1_800) * 1000
    record = replace(a_call(sells.market, serial=9, start_ms=later), caller=CALLERS[0])
    await settled(engine, record)
    again = await tell(stranger, path, caller=CALLERS[0], id="loan-1")
    assert again["call_id"] == str(sells.billed) and not again["new"]
    other = await tell(stranger, path, caller=CALLERS[0], id="loan-2")
    assert other["call_id"] == str(call_id_of(record.linkedid)) and other["new"]


async def test_nobody_names_the_calls_of_others(admin: Client, stranger: Client, sells: House) -> None:
    theirs = await make(admin, buyer_id=sells.market.buyers[1])
    unknown = await tell(stranger, theirs, 404, call_id=str(sells.billed))
    assert unknown == await tell(stranger, theirs, 404, call_id="00000000-0000-4000-8000-000000000001")
    await tell(stranger, theirs, 404, caller=CALLERS[0], id="x")
    own = await tell(stranger, theirs, 409, call_id=str(sells.others))
    assert "pay nothing for a sale" in own["error"]
    await tell(stranger, "/postback/sale/tbs_" + "a" * 43, 404, call_id=str(sells.billed))
    await tell(stranger, "/postback/sale/short", 404)


async def test_a_sale_after_its_window_is_refused_and_too_many_are_slowed(
    admin: Client, stranger: Client, sells: House, engine: AsyncEngine
) -> None:
    first = sells.market.buyers[0]
    path = await make(admin, buyer_id=first, rate_per_minute=2)
    await tell(stranger, path, 409, call_id=str(sells.billed), id="a:b")
    await tell(stranger, path, 422, call_id=str(sells.billed), amount="-5")
    await tell(stranger, path, 429, call_id=str(sells.billed))
    assert await owed(engine, first) == 45
    wide = await make(admin, buyer_id=first)
    async with as_owner(engine) as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        moved = {"started_at": tables.calls.c.started_at - dt.timedelta(days=31)}
        await connection.execute(
            update(tables.calls).where(tables.calls.c.id == sells.billed).values(**moved)
        )
        # The terms were there then.
        await connection.execute(
            text("UPDATE buyer_terms SET goes_live_at = goes_live_at - interval '60 days'")
        )
    assert "window" in (await tell(stranger, wide, 409, call_id=str(sells.billed)))["error"]


async def test_keys_are_made_shown_once_and_revoked_on_the_page(
    admin: Client, stranger: Client, sells: House, engine: AsyncEngine
) -> None:
    async with admin.post(PAGE, data={"name": "nobody's", "rate_per_minute": "60"}) as answer:
        assert answer.status == 422 and "choose a buyer, a campaign, or both" in await answer.text()
    form = {"buyer_id": str(sells.market.buyers[0]), "name": "Buckeye's CRM", "rate_per_minute": "60"}
    async with admin.post(PAGE, data=form) as answer:
        key = (await answer.text()).split('<code class="secret">')[1].split("<")[0]
    async with admin.get(PAGE) as answer:
        page = await answer.text()
    assert key not in page and "Buckeye&#39;s CRM" in page and "Buckeye Lending" in page
    await tell(stranger, f"/postback/sale/{key}", call_id=str(sells.billed))
    async with engine.connect() as connection:
        notes = (await connection.execute(select(tables.audit_log.c.after))).scalars().all()
        assert key not in str(notes)
        number = await connection.scalar(select(tables.sale_keys.c.id))
    async with admin.post(f"{PAGE}/{number}/revoke") as answer:
        assert answer.status == 200 and "Revoked" in await answer.text()
    await tell(stranger, f"/postback/sale/{key}", 404, call_id=str(sells.billed))
    async with admin.post(f"{PAGE}/999/revoke") as answer:
        assert answer.status == 404
    async with engine.begin() as connection:
        role = update(tables.users).where(tables.users.c.email == EMAIL).values(role="analyst")
        await connection.execute(role)
    async with admin.get(PAGE) as answer:
        assert "Make the key" not in await answer.text()


async def test_machines_list_and_revoke_keys(admin: Client, sells: House) -> None:
    await make(admin, buyer_id=sells.market.buyers[0], campaign_id=sells.market.campaign)
    _, listed, _ = await api(admin, "GET", "/sale-keys")
    (one,) = listed["items"]
    assert one["buyer"] == "Buckeye Lending" and one["enabled"] and "key" not in one
    assert (await api(admin, "DELETE", f"/sale-keys/{one['id']}"))[0] == 204
    assert (await api(admin, "DELETE", "/sale-keys/999"))[0] == 404
    status, problem, _ = await api(admin, "POST", "/sale-keys", json={"buyer_id": 999})
    assert status == 422 and problem["errors"][0]["field"] == "buyer_id"
    assert (await api(admin, "POST", "/sale-keys", json={}))[0] == 422


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "one of them"),
        ({"call_id": "1", "caller": "+16145550111"}, "one of them"),
        ({"call_id": "1"}, "not one of ours"),
        ({"caller": "+16145550111"}, "needs an id"),
        ({"caller": "nobody", "id": "1"}, "not a telephone number"),
        ({"caller": "+16145550111", "id": "1", "amount": "lots"}, "not an amount"),
        ({"caller": "+16145550111", "id": "1", "amount": "1e400"}, "not an amount"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(fields: dict[str, str], problem: str) -> None:
    told = read_postback(fields)
    assert isinstance(told, str) and problem in told


def test_an_amount_of_cents_is_read_exactly() -> None:
    told = read_postback({"caller": "+16145550111", "id": 7, "amount": "150.10"})
    assert told == Told(sale="7", caller="+16145550111", price_micros=150_100_000)
