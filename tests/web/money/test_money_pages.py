"""The house's money: recorded by hand, invoiced, disputed, adjusted; each step once and in the audit log."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from tests.web.buyer.conftest import House, buyer, house, payments, publisher, site, till
from tests.web.buyer.test_money import GOOD, post
from tests.web.buyer.test_own_calls import read
from tests.web.conftest import EMAIL, Client
from tests.web.plans.house import api

__all__ = ["buyer", "house", "payments", "publisher", "site", "till"]

PAGES = ("/money/wallets", "/money/invoices", "/money/disputes", "/money/adjustments")


async def notes(engine: AsyncEngine) -> list[tuple[str, str, str]]:
    log = tables.audit_log.c
    query = select(log.actor, log.action, log.kind).where(log.kind.not_in(["users", "sessions"]))
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(query.order_by(log.id))]


async def test_money_is_recorded_by_hand_once(admin: Client, house: House, engine: AsyncEngine) -> None:
    first, publisher = str(house.market.buyers[0]), str(house.market.publisher)
    wire = {"way": "topup", "party": first, "amount": "500", "key": "wire-1", "note": "Monday"}
    await post(admin, "/money/payments", 303, **wire)
    await post(admin, "/money/payments", 303, **wire)
    assert "as a top-up of $500.00" in await post(admin, "/money/payments", 422, **(wire | {"amount": "501"}))
    wrong = await post(admin, "/money/payments", 422, **(wire | {"amount": "much", "note": "<i>"}))
    assert "Write an amount" in wrong and "&lt;i&gt;" in wrong and 'value="wire-1"' in wrong
    assert "above zero" in await post(admin, "/money/payments", 422, **(wire | {"amount": "-1", "key": "k"}))
    assert "no such buyer" in await post(
        admin, "/money/payments", 422, **(wire | {"party": "999", "key": "k"})
    )
    paid = {"way": "payout", "party": publisher, "amount": "20", "key": "out-1"}
    await post(admin, "/money/payments", 303, **paid)
    page = await read(admin, "/money/wallets?done")
    assert "$455.00" in page and "$40.00" in page and "Recorded." in page
    assert await notes(engine) == [(EMAIL, "topup", "buyers"), (EMAIL, "payout", "publishers")]


async def many_parties(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for table, kind in ((tables.buyers, "Lender"), (tables.publishers, "Paper")):
            await connection.execute(
                insert(table), [{"name": f"{kind} {number:04d} of Ohio"} for number in range(2_000)]
            )


async def test_the_wallets_of_two_thousand_buyers_come_a_page_at_a_time(
    admin: Client, house: House, engine: AsyncEngine
) -> None:
    """Buyers and publishers go on by themselves; what is searched for stays, and a broken place is the beginning."""
    await many_parties(engine)
    page = await read(admin, "/money/wallets?q=of+ohio")
    assert len(page) < 80_000 and page.count("Lender ") == page.count("Paper ") == 50
    (buyers,) = re.findall(r'rel="next" href="([^"]+)#h-buyers"', page)
    (publishers,) = re.findall(r'rel="next" href="([^"]+)#h-publishers"', page)
    further = await read(admin, buyers.replace("&amp;", "&"))
    assert "Lender 0050 of Ohio" in further and "Lender 0049 of Ohio" not in further
    assert "Paper 0000 of Ohio" in further and 'href="/money/wallets?q=of+ohio#h-buyers"' in further
    assert "Paper 0050 of Ohio" in await read(admin, publishers.replace("&amp;", "&"))
    assert "Lender 0000 of Ohio" in await read(admin, "/money/wallets?q=of+ohio&buyers_after=nonsense")
    found = await read(admin, "/money/wallets?q=r+1999")
    assert "Lender 1999 of Ohio" in found and "Paper 1999 of Ohio" in found and "Further" not in found
    assert "No buyer matches." in await read(admin, "/money/wallets?q=100%25")
    status, told, _ = await api(admin, "GET", "/wallets?q=of+ohio&limit=200")
    assert status == 200 and len(told["items"]) == 200
    _, rest, _ = await api(admin, "GET", f"/wallets?q=of+ohio&limit=1&cursor={told['next']}")
    assert rest["items"][0]["buyer"] == "Lender 0200 of Ohio"
    assert (await api(admin, "GET", "/wallets?cursor=nonsense"))[0] == 422


async def test_the_wallets_that_are_low_or_stopped_are_found(
    admin: Client, house: House, engine: AsyncEngine
) -> None:
    first = house.market.buyers[0]
    async with engine.begin() as connection:
        name = await connection.scalar(select(tables.buyers.c.name).where(tables.buyers.c.id == first))
        assert "No buyer matches." in await read(admin, "/money/wallets?only=low")
        await connection.execute(
            update(tables.wallets).where(tables.wallets.c.buyer_id == first).values(low_since=text("now()"))
        )
    page = await read(admin, "/money/wallets?only=low")
    assert f">{name}<" in page and page.count("only_buyer=") == 1


async def test_of_many_buyers_and_publishers_one_is_chosen_by_its_name(
    admin: Client, house: House, engine: AsyncEngine
) -> None:
    """Few are listed. Of thousands no menu is sent: some are suggested, and a name or number is understood."""
    assert f'<option value="buyer:{house.market.buyers[0]}"' in await read(admin, "/money/invoices")
    await many_parties(engine)
    for path in ("/money/wallets", "/money/invoices", "/money/adjustments"):
        assert "Lender 0000 of Ohio</option>" not in await read(admin, path)
    suggested = await read(admin, "/money/parties?party=r+0042+of")
    (buyer, publisher) = re.findall(r'value="([^"]+)"', suggested)
    assert buyer.startswith("Lender 0042 of Ohio (buyer ") and publisher.startswith("Paper 0042 of Ohio (pub")

    gift = {"party": buyer, "amount": "3", "key": "gift", "reason": "sorry"}
    await post(admin, "/money/adjustments", 303, **gift)
    named = gift | {"party": "paper 0043 of ohio", "key": "gift-2"}
    await post(admin, "/money/adjustments", 303, **named)
    for nobody in ("Lender", "", "(buyer 0)", "Lender 9999 of Ohio"):
        wrong = await post(admin, "/money/adjustments", 422, **(gift | {"party": nobody, "key": "k"}))
        assert "Choose whom" in wrong and f'value="{nobody}"' in wrong
    assert "nothing to invoice" in await post(
        admin, "/money/invoices", 409, party=publisher, month=f"{house.started_at:%Y-%m}"
    )

    wire = {"way": "topup", "party": "Lender 0042 of Ohio", "amount": "500", "key": "wire-9"}
    wrong = await post(admin, "/money/payments", 422, **(wire | {"amount": "much"}))
    assert 'value="Lender 0042 of Ohio (' in wrong
    await post(admin, "/money/payments", 303, **wire)
    assert "Choose who" in await post(
        admin, "/money/payments", 422, **(wire | {"party": "Nobody", "key": "k"})
    )
    assert "$503.00" in await read(admin, "/money/wallets?q=lender+0042")
    assert "$3.00" in await read(admin, "/money/wallets?q=paper+0043")


async def test_an_invoice_is_drafted_issued_and_paid(
    admin: Client, buyer: Client, house: House, engine: AsyncEngine
) -> None:
    form = {"party": f"buyer:{house.market.buyers[0]}", "month": f"{house.started_at:%Y-%m}"}
    assert "Choose a buyer" in await post(admin, "/money/invoices", 422, **(form | {"month": "soon"}))
    where = await post(admin, "/money/invoices", 303, **form)
    assert "Issue it" in await read(admin, where) and "No invoices yet" in await read(
        buyer, "/buyer/invoices"
    )
    assert "nothing to invoice" in await post(admin, "/money/invoices", 409, **form)
    await post(admin, f"{where}/issue", 303)
    assert "INV-" in await read(buyer, "/buyer/invoices")
    assert (await (await admin.get(f"{where}.pdf")).read()).startswith(b"%PDF")
    assert "is due: give the reference" in await post(admin, f"{where}/pay", 409)
    await post(admin, f"{where}/pay", 303, key="wire-1")
    assert "cannot become" in await post(admin, f"{where}/void", 409)
    assert "Paid" in await read(admin, "/money/invoices?state=paid")
    await post(admin, f"{where}/burn", 404)
    await read(admin, "/money/invoices/999", 404)
    assert [action for _, action, kind in await notes(engine) if kind == "invoices"] == [
        "draft",
        "issue",
        "export",
        "pay",
    ]


async def test_a_dispute_is_ruled_on(admin: Client, buyer: Client, house: House, engine: AsyncEngine) -> None:
    await post(buyer, f"/buyer/calls/{house.billed}/dispute", 303, **GOOD)
    page = await read(admin, "/money/disputes")
    (address,) = set(re.findall(r"/money/disputes/\d+", page))
    assert "nothing but noise" in await read(admin, address) and "heard “ohio”" in await read(admin, address)
    wrong = await post(admin, address, 422, ruling="partly", credit="lots", answer="kept <b>")
    assert "how much" in wrong and "kept &lt;b&gt;" in wrong
    assert "between nothing and $45.00" in await post(admin, address, 409, ruling="partly", credit="45.01")
    await post(admin, address, 303, ruling="partly", credit="18", answer="half")
    page = await read(admin, address)
    assert "$18.00 credited" in page and "$12.00 taken back" in page
    assert "is decided" in await post(admin, address, 409, ruling="accept")
    assert "Nothing to rule on" in await read(admin, "/money/disputes")
    assert "half" in await read(buyer, address.replace("/money", "/buyer"))
    assert (EMAIL, "rule", "disputes") in await notes(engine)


async def test_the_house_sees_exposure_by_buyer_and_opens_a_refused_dispute_again(
    admin: Client, buyer: Client, house: House, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE buyers SET credit_limit_micros = 30000000"))
    where = await post(buyer, f"/buyer/calls/{house.billed}/dispute", 303, **GOOD)
    assert "$30.00 less while" in await read(admin, "/money/wallets")
    address = where.replace("/buyer", "/money")
    page = await read(admin, "/money/disputes")
    assert "Open disputes by buyer" in page and "Credit limit lowered by" in page and "$45.00" in page
    assert "only a refused one" in await post(admin, f"{address}/reopen", 409, note="why not")
    await post(admin, address, 303, ruling="refuse", answer="a good call")
    page = await read(buyer, f"/buyer/calls/{house.billed}")
    assert "stays billed" in page and '<form class="stack"' not in page
    assert "was refused" in await post(buyer, f"/buyer/calls/{house.billed}/dispute", 409, **GOOD)
    assert "Open disputes by buyer" not in await read(admin, "/money/disputes")
    assert "Say why" in await post(admin, f"{address}/reopen", 422, note=" ")
    again = await post(admin, f"{address}/reopen", 303, note="a better recording")
    assert again != address and "a better recording" in await read(admin, again)
    assert f'href="{again}"' in await read(admin, address)
    await post(buyer, f"{again}/reopen", 403, note="me")
    assert (EMAIL, "reopen", "disputes") in await notes(engine)


async def test_a_dispute_can_be_heard_by_who_rules_on_it(
    admin: Client, buyer: Client, house: House, engine: AsyncEngine, tmp_path: Path
) -> None:
    """The sound, the answers and what there was when the call came back; an analyst reads, and hears nothing."""
    file = f"{house.billed}-1.wav"
    (tmp_path / file).write_bytes(b"RIFF of a call")
    sound = {"node": "a", "started_at": house.started_at, "consent_node": "notice"}
    stored = {"state": "stored", "sha256": "00", "length_ms": 61_000, "file": file}
    async with engine.begin() as connection:
        rows = [
            {"part": 1, **stored},
            {"part": 2, "state": "missing", "file": "x", "sha256": None, "length_ms": None},
        ]
        await connection.execute(
            insert(tables.recordings), [{"call_id": house.billed, **sound, **row} for row in rows]
        )
    await post(buyer, f"/buyer/calls/{house.billed}/dispute", 303, **GOOD)
    page = await read(admin, "/money/disputes/1")
    (address,) = re.findall(r'<audio[^>]* src="([^"]+)"', page)
    assert "Part 2 cannot be heard" in page and "heard “ohio”" in page
    assert await (await admin.get(address)).read() == b"RIFF of a call"
    async with admin.get("/api/v1/disputes") as answer:
        (told,) = (await answer.json())["items"]
    assert [part["state"] for part in told["recordings"]] == ["stored", "missing"]
    assert {"tag": "state", "value": "OH", "heard": "ohio"} in told["answers"]
    async with engine.begin() as connection:
        await connection.execute(
            update(tables.users).where(tables.users.c.email == EMAIL).values(role="analyst")
        )
    page = await read(admin, "/money/disputes/1")
    assert "<audio" not in page and "hear none" in page and "heard “ohio”" in page
    async with admin.get("/api/v1/disputes") as answer:
        assert (await answer.json())["items"][0]["recordings"] == []


async def test_adjustments_one_and_by_a_file_that_is_looked_at_first(
    admin: Client, house: House, engine: AsyncEngine
) -> None:
    one = {"party": f"buyer:{house.market.buyers[0]}", "amount": "5", "key": "a-1", "reason": "goodwill"}
    await post(admin, "/money/adjustments", 303, **one)
    assert "other than nothing" in await post(
        admin, "/money/adjustments", 422, **(one | {"amount": "0", "key": "b"})
    )
    file = "party,name,amount,key,note\nbuyer,Buckeye Lending,7,f-1,x\npublisher,ads,-3,f-2,y\n"
    said = {"kind": "adjustments", "text": file}
    broken = await post(admin, "/money/adjustments/file", 422, **(said | {"text": file + "buyer,Nobody,x"}))
    assert "line 4" in broken
    preview = await post(admin, "/money/adjustments/file", 200, **said)
    assert "2 would be posted" in preview and "$7.00" in preview and "-$3.00" in preview
    async with engine.connect() as connection:
        count = text("SELECT count(*) FROM ledger_transactions WHERE kind LIKE 'adjustment:f-%'")
        assert await connection.scalar(count) == 0
    await post(admin, "/money/adjustments/file", 303, **said, write="yes")
    async with engine.connect() as connection:
        assert await connection.scalar(count) == 2
    huge = await post(admin, "/money/adjustments/file", 413, kind="adjustments", text="x" * 1_200_000)
    assert "Too much" in huge or "larger than" in huge
    assert [(action, kind) for _, action, kind in await notes(engine)] == [
        ("adjust", "buyers"),
        ("import", "adjustments"),
    ]


async def test_the_house_says_between_what_a_buyer_sets_its_price(
    admin: Client, buyer: Client, house: House, engine: AsyncEngine
) -> None:
    address = f"/money/bid-limits/{house.market.buyers[0]}/{house.market.campaign}"
    wrong = await post(admin, address, 422, floor="60", ceiling="40")
    assert "not above the ceiling" in wrong and 'value="60"' in wrong
    assert "Write both amounts" in await post(admin, address, 422, floor="60", ceiling="")
    await post(admin, address, 303, floor="40", ceiling="60")
    assert "$40.00 to $60.00" in await read(buyer, "/buyer/targets")
    await post(buyer, f"/buyer/prices/{house.market.campaign}", 303, price="50")
    async with engine.begin() as connection:  # its ten seconds go by
        await connection.execute(
            text("UPDATE buyer_terms SET goes_live_at = goes_live_at - interval '20 seconds'")
        )
    assert "$50.00" in await read(admin, "/money/bid-limits")
    await post(admin, address, 303, floor="", ceiling="")
    assert "agreed with us" in await read(buyer, "/buyer/targets")
    await post(admin, "/money/bid-limits/999/1", 404, floor="40", ceiling="60")
    await post(buyer, address, 403, floor="40", ceiling="60")
    assert [action for _, action, kind in await notes(engine) if kind == "bid_limits"] == ["limit", "limit"]


async def test_prices_of_thousands_are_shown_by_pages(
    admin: Client, house: House, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.money.bid_limits.PAGE_LENGTH", 1)
    async with engine.connect() as connection:
        in_force = await connection.scalar(
            text("SELECT count(DISTINCT (buyer_id, campaign_id)) FROM buyer_terms")
        )
    seen, address = [], "/money/bid-limits"
    while address:
        page = await read(admin, address)
        seen += re.findall(r'data-label="Buyer">([^<]+)<', page)
        more = re.search(r'rel="next" href="([^"]+)"', page)
        address = more[1].replace("&amp;", "&") if more else ""
        assert len(seen) <= in_force
    assert len(seen) == in_force > 1
    found = await read(admin, "/money/bid-limits?q=" + seen[0][:5].lower())
    assert f'data-label="Buyer">{seen[0]}<' in found
    assert "Nothing matches" in await read(admin, "/money/bid-limits?q=%25")


@pytest.mark.parametrize("path", PAGES)
async def test_money_is_the_houses_and_an_analyst_only_reads(
    stranger: Client, buyer: Client, publisher: Client, engine: AsyncEngine, admin: Client, path: str
) -> None:
    assert (await stranger.get(path, allow_redirects=False)).status == 303
    await read(buyer, path, 403)
    await read(publisher, path, 403)
    await read(admin, path)
    async with engine.begin() as connection:
        await connection.execute(
            update(tables.users).where(tables.users.c.email == EMAIL).values(role="analyst")
        )
    await read(admin, path, 403 if path.endswith("adjustments") else 200)
    await post(admin, "/money/payments", 403, way="topup")
