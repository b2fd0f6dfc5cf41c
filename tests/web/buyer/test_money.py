"""A buyer's money: disputes, wallet, top-ups, invoices; each as owner, as somebody else, and as a forger."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing import check_invoice
from billing.dispute_calls import decide_dispute
from billing.invoice import Invoice
from billing.make_invoice import issue_invoice, make_invoice
from billing.payments import Direction, Payment
from billing.record_payment import record_payment
from billing.terms_document import Party
from store import tables
from tests.billing.test_stripe_provider import Recorded, event, signed
from tests.web.buyer.conftest import House
from tests.web.buyer.test_own_calls import read
from tests.web.conftest import Client

GOOD = {"reason": "spam", "note": "nothing but noise"}


async def post(client: Client, path: str, status: int, **form: str) -> str:
    answer = await client.post(path, data=form, allow_redirects=False)
    assert answer.status == status, path
    return answer.headers.get("Location", "") or await answer.text()


async def test_a_call_is_sent_back_and_the_ruling_is_read(
    buyer: Client, house: House, engine: AsyncEngine
) -> None:
    address = f"/buyer/calls/{house.billed}/dispute"
    wrong = await post(buyer, address, 422, reason="because", note="so <b>there</b>")
    assert "Choose what was wrong" in wrong and "so &lt;b&gt;there&lt;/b&gt;" in wrong
    where = await post(buyer, address, 303, **GOOD)
    page = await read(buyer, where)
    assert "Being looked at" in page and "nothing but noise" in page and "stays owed" in page
    assert "You may still send back</span><b>2</b>" in await read(buyer, "/buyer/disputes")
    assert "disputed already" in await post(buyer, address, 409, **GOOD)
    assert "1 dispute is being looked at" in await read(buyer, "/buyer")
    async with engine.begin() as connection:
        await decide_dispute(
            connection,
            int(where.rsplit("/", 1)[1]),
            credit_micros=18_000_000,
            answer="half of it",
            now=dt.datetime.now(dt.UTC),
        )
        noted = (await connection.execute(select(tables.audit_log))).all()
    assert [(row.action, row.kind) for row in noted if row.kind == "disputes"] == [("open", "disputes")]
    page = await read(buyer, where)
    assert "Partly accepted" in page and "$18.00 of $45.00" in page and "half of it" in page
    assert "claw" not in page and "$12.00" not in page, "what the publisher gave back is not told"
    assert "Corrected since to <b>$27.00</b>" in await read(buyer, f"/buyer/calls/{house.billed}")
    assert "$27.00" in await read(buyer, "/buyer/spend")


async def test_nobody_sends_back_or_reads_what_is_anothers(
    buyer: Client, other: Client, house: House
) -> None:
    await post(other, f"/buyer/calls/{house.billed}/dispute", 404, **GOOD)
    where = await post(buyer, f"/buyer/calls/{house.billed}/dispute", 303, **GOOD)
    await read(other, where, 404)
    assert "No disputes" in await read(other, "/buyer/disputes")
    assert "not billed" in await post(buyer, f"/buyer/calls/{house.short}/dispute", 409, **GOOD)
    await read(buyer, "/buyer/disputes/99999999999999999999", 404)


async def test_after_the_window_a_call_stays_billed(buyer: Client, house: House, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE buyers SET return_window_hours = 0"))
    page = await read(buyer, f"/buyer/calls/{house.billed}")
    assert "The time to send this call back ended" in page and '<form class="stack"' not in page
    assert "window to return it ended" in await post(
        buyer, f"/buyer/calls/{house.billed}/dispute", 409, **GOOD
    )


async def test_a_buyer_sees_its_limits_before_it_disputes_and_why_not(
    buyer: Client, house: House, engine: AsyncEngine
) -> None:
    call = f"/buyer/calls/{house.billed}"
    assert "You may send back 3 more calls now" in await read(buyer, call)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE buyers SET open_disputes_maximum = 0, credit_limit_micros = 0"))
    page = await read(buyer, call)
    assert "cannot be sent back now: 0 disputes are open and at most 0" in page
    assert '<form class="stack"' not in page
    assert "ask us to raise the limit" in await post(buyer, f"{call}/dispute", 409, **GOOD)
    assert "No more calls can be sent back now" in await read(buyer, "/buyer/disputes")
    assert "at most 0 at once and 20 % of your paid calls" in await read(buyer, "/buyer/settings")


async def test_the_wallet_tells_what_moved_and_pays_by_hand_or_card(
    buyer: Client, other: Client, house: House, engine: AsyncEngine, till: Recorded
) -> None:
    async with engine.begin() as connection:
        await record_payment(
            connection,
            Payment(
                direction=Direction.TOP_UP,
                party_id=house.market.buyers[0],
                amount_micros=500_000_000,
                key="wire-1",
                note="wire of Monday",
            ),
        )
    page = await read(buyer, "/buyer/wallet")
    assert "+$500.00" in page and "-$45.00" in page and "$455.00" in page
    assert "wire of monday" not in (await read(other, "/buyer/wallet")).lower()
    assert "Write an amount" in await post(buyer, "/buyer/wallet/top-up", 422, amount="lots")
    assert "is between" in await post(buyer, "/buyer/wallet/top-up", 422, amount="0.01")
    assert 'href="https://pay.example/7"' in await post(buyer, "/buyer/wallet/top-up", 200, amount="$1,250")
    ((_, _, asked, _),) = till.asked
    assert "125000" in asked and "wallet?thanks" in asked.replace("%3F", "?")


@pytest.mark.parametrize("payments", [None])
async def test_without_a_provider_a_buyer_pays_by_hand_and_no_event_is_taken(
    buyer: Client, stranger: Client, house: House
) -> None:
    assert "bank transfer" in await read(buyer, "/buyer/wallet")
    assert "no payment provider" in await post(buyer, "/buyer/wallet/top-up", 409, amount="500")
    assert (await stranger.post("/hooks/stripe", data=event())).status == 404


async def test_the_provider_tells_of_money_once_and_is_believed_by_its_signature(
    stranger: Client, house: House, engine: AsyncEngine
) -> None:
    body = event(metadata={"tollbridge_buyer_id": str(house.market.buyers[0])})
    foreign = {"Sec-Fetch-Site": "cross-site"}
    said = {"Stripe-Signature": signed(body), **foreign}
    forged = {"Stripe-Signature": signed(body, secret="whsec_other"), **foreign}
    assert (await stranger.post("/hooks/stripe", data=body, headers=forged)).status == 400
    assert (await stranger.post("/hooks/stripe", data=body, headers=foreign)).status == 400
    for expected in ("recorded", "known"):
        answer = await stranger.post("/hooks/stripe", data=body, headers=said)
        assert (answer.status, await answer.json()) == (200, {"said": expected})
    async with engine.connect() as connection:
        cash = text("SELECT sum(amount_micros) FROM ledger_postings WHERE account = 'cash'")
        assert await connection.scalar(cash) == 500_000_000


async def test_the_provider_tells_what_was_taken_back_and_again_when_it_came_too_early(
    stranger: Client, house: House, engine: AsyncEngine
) -> None:
    paid = event(metadata={"tollbridge_buyer_id": str(house.market.buyers[0])})
    taken = event(
        "charge.dispute.created", id="dp_7", payment_intent="pi_7", amount=50_000, status="needs_response"
    )
    for body, status in ((taken, 409), (paid, 200), (taken, 200), (taken, 200)):
        said = {"Stripe-Signature": signed(body)}
        assert (await stranger.post("/hooks/stripe", data=body, headers=said)).status == status
    async with engine.connect() as connection:
        cash = text("SELECT sum(amount_micros) FROM ledger_postings WHERE account = 'cash'")
        assert await connection.scalar(cash) == 0
        noted = text("SELECT action FROM audit_log WHERE kind = 'wallets' ORDER BY id")
        assert (await connection.execute(noted)).scalars().all() == ["top_up", "chargeback"]


async def issued(engine: AsyncEngine, house: House) -> Invoice:
    day = house.started_at.date()
    async with engine.begin() as connection:
        made = await make_invoice(
            connection,
            Party.BUYER,
            house.market.buyers[0],
            day - dt.timedelta(days=1),
            day + dt.timedelta(days=1),
        )
        assert isinstance(made, Invoice)
        done = await issue_invoice(connection, made.id, dt.datetime.now(dt.UTC))
        assert isinstance(done, Invoice)
    return done


async def test_an_invoice_is_read_kept_and_checked_without_us(
    buyer: Client, other: Client, house: House, engine: AsyncEngine, tmp_path: Path
) -> None:
    invoice = await issued(engine, house)
    assert invoice.number is not None and invoice.number in await read(buyer, "/buyer/invoices")
    base = f"/buyer/invoices/{invoice.id}"
    page = await read(buyer, base)
    assert "$45.00" in page and "check_invoice.py" in page
    pdf = await buyer.get(f"{base}.pdf")
    assert (await pdf.read()).startswith(b"%PDF") and invoice.number in pdf.headers["Content-Disposition"]
    assert "45" in await read(buyer, f"{base}.csv")
    file, script = tmp_path / "invoice.json", tmp_path / "check_invoice.py"
    file.write_text(await read(buyer, f"{base}.json"))
    script.write_text(await read(buyer, "/buyer/invoices/check_invoice.py"))
    checked = subprocess.run(  # noqa: ASYNC221 (our own script)
        [sys.executable, "-I", str(script), str(file)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "payout" not in json.dumps(json.loads(file.read_text())["lines"])
    for path in (base, f"{base}.pdf", f"{base}.csv", f"{base}.json"):
        await read(other, path, 404)
    assert "No invoices yet" in await read(other, "/buyer/invoices")
    await read(buyer, f"{base}.exe", 404)
    assert check_invoice.__doc__


@pytest.mark.parametrize("part", ["1", "2", "x"])
async def test_a_recording_of_an_own_call_is_played_by_parts(
    buyer: Client, other: Client, house: House, engine: AsyncEngine, tmp_path: Path, part: str
) -> None:
    name = f"{house.billed}-1.wav"
    (tmp_path / name).write_bytes(b"RIFF0123456789")
    async with engine.begin() as connection:
        await connection.execute(
            tables.recordings.insert().values(
                call_id=house.billed,
                part=1,
                node="a",
                file=name,
                state="stored",
                started_at=house.started_at,
                length_ms=1,
                sha256="0",
            )
        )
    path = f"/buyer/calls/{house.billed}/recordings/{part}"
    heard = await buyer.get(path, headers={"Range": "bytes=4-7"})
    assert heard.status == (206 if part == "1" else 404)
    if part == "1":
        assert await heard.read() == b"0123" and heard.history[0].headers["Location"].startswith("/sounds/")
        assert (await other.get(heard.history[0].headers["Location"])).status == 404
    assert (await other.get(path)).status == 404
    async with engine.connect() as connection:
        notes = tables.audit_log
        noted = (
            (await connection.execute(select(notes.c.ref).where(notes.c.action == "hear"))).scalars().all()
        )
    assert noted == ([f"{house.billed}-1"] if part == "1" else [])
