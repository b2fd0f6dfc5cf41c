"""Invoices and statements on a real PostgreSQL: every line once, numbers without gaps, checked by a stranger."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing import check_invoice as checker
from billing.call_record import Step
from billing.export_invoice import harmless_cell, to_csv, to_pdf
from billing.invoice import Invoice, InvoiceState, period_of_month
from billing.invoice_document import invoice_document
from billing.invoice_queries import read_invoice
from billing.make_invoice import InvoiceRefused, issue_invoice, make_invoice, void_invoice
from billing.pay_invoice import pay_invoice
from billing.seal_signatures import public_key_of
from billing.terms_document import Party
from store import tables
from tests.billing.contracts import contract, payout
from tests.billing.test_settle_call import a_call, settled
from tests.billing.test_settle_contracts import agree
from tests.market import Market, make_market
from tests.sealing import seal_all, sealer_at
from tollbridge.output import plain

FEBRUARY = (dt.date(2026, 2, 1), dt.date(2026, 2, 28))
NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
DAY_MS = 86_400_000
SCRIPT = Path(checker.__file__)


@pytest.fixture
async def market(engine: AsyncEngine) -> Market:
    return await make_market(engine)


async def three_calls(engine: AsyncEngine, market: Market, *, first: int = 1) -> None:
    for serial in range(first, first + 3):
        record = a_call(market, serial=serial, start_ms=1_770_000_000_000 + serial * DAY_MS)
        await settled(engine, replace(record, caller=f"+1614555{1000 + serial}", trunk_name=None))


async def make(engine: AsyncEngine, market: Market, party: Party = Party.BUYER) -> Invoice:
    party_id = market.buyers[0] if party is Party.BUYER else market.publisher
    async with engine.begin() as connection:
        made = await make_invoice(connection, party, party_id, *FEBRUARY)
    assert isinstance(made, Invoice), made
    return made


async def step(
    engine: AsyncEngine,
    change: Callable[[AsyncConnection, int, dt.datetime], Awaitable[Invoice | InvoiceRefused]],
    invoice: Invoice,
) -> Any:
    async with engine.begin() as connection:
        return await change(connection, invoice.id, NOW)


async def exported(engine: AsyncEngine, invoice: Invoice) -> dict[str, Any]:
    async with engine.connect() as connection:
        document = await invoice_document(connection, invoice)
    return json.loads(json.dumps(plain(document)))  # type: ignore[no-any-return]


async def test_an_invoice_from_draft_to_paid(engine: AsyncEngine, market: Market, tmp_path: Path) -> None:
    await agree(engine, market, contract(bonuses=[{"name": "+bonus", "price": "0.50"}]))
    await three_calls(engine, market)
    draft = await make(engine, market)
    assert (draft.number, draft.total_micros, len(draft.lines)) == (None, 136_500_000, 3)
    async with engine.begin() as connection:
        again = await make_invoice(connection, Party.BUYER, market.buyers[0], *FEBRUARY)
    assert again == InvoiceRefused(reason="there is nothing to invoice up to the end of that period")
    issued = await step(engine, issue_invoice, draft)
    assert (issued.number, issued.state) == ("INV-2026-000001", InvoiceState.ISSUED)
    paid = await step(engine, partial(pay_invoice, key="wire-1"), issued)
    assert paid.state is InvoiceState.PAID
    assert isinstance(await step(engine, void_invoice, paid), InvoiceRefused)
    query = text("SELECT sum(amount_micros) FROM ledger_postings WHERE account LIKE 'buyer:%'")
    async with engine.connect() as connection:
        assert await connection.scalar(query) == 0
    # As files.
    assert to_csv(paid).splitlines()[-1] == "total,,,Invoice INV-2026-000001,,136.50,USD,,"
    assert to_pdf(paid).startswith(b"%PDF-") and to_pdf(paid) == to_pdf(paid)
    # A buyer checks it alone: in another directory, by another Python process, without our code.
    file, script = tmp_path / "invoice.json", tmp_path / "check.py"
    file.write_text(json.dumps(await exported(engine, paid)))
    script.write_text(SCRIPT.read_text())
    ran = await asyncio.to_thread(run_alone, script, file)
    assert (ran.returncode, ran.stdout) == (
        0,
        "invoice INV-2026-000001: 3 lines, 136.5 USD: everything holds\n"
        "0 of 3 lines are proved by signed roots\n",
    )


def run_alone(script: Path, file: Path, *keys: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(script), str(file), *keys]
    return subprocess.run(command, cwd=script.parent, capture_output=True, text=True, check=False)


def test_the_checker_imports_nothing_of_ours() -> None:
    imported = [
        line.split()[1] for line in SCRIPT.read_text().splitlines() if line.startswith(("import", "from"))
    ]
    assert set(imported) <= sys.stdlib_module_names | {"collections.abc", "__future__"}


@pytest.mark.parametrize(
    ("path", "value", "finding"),
    [
        (("total_micros",), 1, "the lines sum to"),
        (("lines", 0, "amount_micros"), 45_000_001, "the terms come to 45 USD"),
        (("lines", 0, "connected_ms"), 90_000, "judged by 100000 ms, billed for 90000 ms"),
        (("lines", 0, "ended_ms"), 1, "apart, not 100000 ms"),
        (("lines", 0, "judged", "inputs", "connected_ms"), 89_999, "no rule of the terms is met"),
        (("lines", 0, "happened_at"), "2026-03-01T05:00:00+00:00", "it happened after the period"),
        (("lines", 0, "judged"), None, "a call without what it was judged by"),
    ],
)
async def test_the_checker_finds_what_was_changed(
    engine: AsyncEngine, market: Market, path: tuple[Any, ...], value: Any, finding: str
) -> None:
    await settled(engine, replace(a_call(market), trunk_name=None))
    document = await exported(engine, await make(engine, market))
    assert checker.check(document) == []
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert finding in " / ".join(checker.check(document))
    document["lines"].append({**document["lines"][0]})
    assert "is billed twice" in " / ".join(checker.check(document))


async def test_each_line_is_proved_to_its_party_and_shows_nothing_of_others(
    engine: AsyncEngine, market: Market, tmp_path: Path
) -> None:
    """Two batches; a fourth call is not sealed yet."""
    sealer = sealer_at(tmp_path / "roots")
    key = public_key_of(sealer.key).hex()
    await three_calls(engine, market)
    await seal_all(engine, sealer, 2)
    invoice = await step(engine, issue_invoice, await make(engine, market))
    statement = await make(engine, market, Party.PUBLISHER)
    note = await step(engine, void_invoice, invoice)
    for one in (invoice, statement, note):
        document = await exported(engine, one)
        assert checker.check_proofs(document, [key]) == ([], 3)
        assert checker.check_proofs(document, ["ab" * 32])[0][0].startswith(
            "line 1: the root is signed by another key"
        )
        shown = json.dumps([line["proof"] for line in document["lines"]])
        own, other = ("publisher:", "buyer:") if one is statement else ("buyer:", "publisher:")
        assert own in shown and other not in shown and "revenue" not in shown and "carrier" not in shown
    await settled(engine, a_call(market, serial=9, start_ms=1_770_000_000_000 + 9 * DAY_MS))
    document = await exported(engine, await make(engine, market))
    assert checker.check_proofs(document, []) == ([], 3)
    assert checker.check_proofs(document, [key]) == (
        ["line 4: it is not proved: not sealed yet, or held back"],
        3,
    )
    file, script = tmp_path / "invoice.json", tmp_path / "check.py"
    file.write_text(json.dumps(document))
    script.write_text(SCRIPT.read_text())
    assert "3 of 4 lines are proved" in (await asyncio.to_thread(run_alone, script, file)).stdout
    assert (await asyncio.to_thread(run_alone, script, file, key)).returncode == 1


@pytest.mark.parametrize(
    ("path", "value", "finding"),
    [
        (("lines", 0, "amount_micros"), 90_000_000, "45 USD was posted, 90 USD is billed"),
        (("lines", 0, "transaction_id"), 7, "its proof is of transaction 1"),
        (("lines", 0, "call_id"), None, "its proof is of transaction 1, settlement of call"),
        (
            ("lines", 0, "proof", "parts", 2, "text"),
            '["buyer:1:receivable", 90000000]',
            "does not lead to the signed",
        ),
        (("lines", 0, "proof", "parts", 2, "blind"), "00" * 16, "does not lead to the signed root"),
        (
            ("lines", 0, "proof", "head"),
            '[1, null, "settlement", 5, null]',
            "does not lead to the signed root",
        ),
        (("lines", 0, "proof", "path"), [], "does not lead to the signed root"),
        (("roots", "1", "entry_count"), 4, "does not lead to the signed root"),
        (("roots", "1", "sealed_at_us"), 1, "the signature of the root is not right"),
        (("roots", "1", "signature"), "00" * 64, "the signature of the root is not right"),
        (("roots", "1", "chain"), "audit", "the root is of another chain"),
    ],
)
async def test_a_proof_that_was_changed_is_found(
    engine: AsyncEngine, market: Market, tmp_path: Path, path: tuple[Any, ...], value: Any, finding: str
) -> None:
    await three_calls(engine, market)
    await seal_all(engine, sealer_at(tmp_path))
    document = await exported(engine, await make(engine, market))
    place = document
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    assert finding in " / ".join(checker.check_proofs(document, [])[0])


async def test_a_line_of_a_call_in_which_the_clock_was_set_says_by_how_much(
    engine: AsyncEngine, market: Market
) -> None:
    record = replace(a_call(market), trunk_name=None)
    leg = replace(record.legs[0], ended_ms=record.legs[0].ended_ms - 60_000, step=Step(moved_ms=-60_000))
    await settled(engine, replace(record, legs=(leg,)))
    document = await exported(engine, await make(engine, market))
    line = document["lines"][0]
    assert (line["connected_ms"], line["clock_stepped_ms"]) == (100_000, -60_000)
    assert checker.check(document) == []
    del line["clock_stepped_ms"]
    assert "apart, not 100000 ms" in " / ".join(checker.check(document))


async def test_a_voided_invoice_leaves_a_credit_note_and_its_calls_to_the_next(
    engine: AsyncEngine, market: Market
) -> None:
    await three_calls(engine, market)
    first = await step(engine, issue_invoice, await make(engine, market))
    note = await step(engine, void_invoice, first)
    assert (note.number, note.corrects_number, note.total_micros) == (
        "CN-2026-000001",
        "INV-2026-000001",
        -135_000_000,
    )
    assert checker.check(await exported(engine, note)) == []
    assert (await make(engine, market)).total_micros == 135_000_000
    assert isinstance(await step(engine, void_invoice, first), InvoiceRefused)


async def test_a_statement_and_what_came_too_late_for_its_own_period(
    engine: AsyncEngine, market: Market
) -> None:
    await three_calls(engine, market)
    statement = await make(engine, market, Party.PUBLISHER)
    assert (statement.total_micros, checker.check(await exported(engine, statement))) == (90_000_000, [])
    issued = await step(engine, issue_invoice, statement)
    assert issued.number == "ST-2026-000001"
    await three_calls(engine, market, first=4)
    async with engine.begin() as connection:
        march = (dt.date(2026, 3, 1), dt.date(2026, 3, 31))
        late = await make_invoice(connection, Party.PUBLISHER, market.publisher, *march)
    assert isinstance(late, Invoice)
    assert {line.description.partition(" (")[2] for line in late.lines} == {"of an earlier period)"}
    await step(engine, partial(pay_invoice, key="ach-1"), issued)
    query = text("SELECT sum(amount_micros) FROM ledger_postings WHERE account = 'cash'")
    async with engine.connect() as connection:
        assert await connection.scalar(query) == -90_000_000


async def test_numbers_have_no_gap_whoever_fails(engine: AsyncEngine, market: Market) -> None:
    """Twelve invoices are issued at once and every third is taken back at the last moment."""
    async with engine.begin() as connection:
        query = text(
            "INSERT INTO invoices (kind, party, party_id, period_start, period_end, time_zone, total_micros)"
            " SELECT 'invoice', 'buyer', :buyer, now() - interval '1 day', now(), 'UTC', 0"
            " FROM generate_series(1, 12) RETURNING id"
        )
        ids = list((await connection.execute(query, {"buyer": market.buyers[0]})).scalars())

    async def issue(invoice_id: int, fails: bool) -> str | None:
        async with engine.connect() as connection:
            issued = await issue_invoice(connection, invoice_id, NOW)
            await asyncio.sleep(0)
            await (connection.rollback() if fails else connection.commit())
        assert isinstance(issued, Invoice)
        return None if fails else issued.number

    numbers = await asyncio.gather(*(issue(one, n % 3 == 0) for n, one in enumerate(ids)))
    assert sorted(filter(None, numbers)) == [f"INV-2026-{n:06d}" for n in range(1, 9)]


@pytest.mark.parametrize(
    ("month", "zone", "start", "end"),
    [
        ("2026-03-01", "America/New_York", "2026-03-01T05:00", "2026-04-01T04:00"),
        ("2026-11-01", "America/New_York", "2026-11-01T04:00", "2026-12-01T05:00"),
        ("2026-12-01", "UTC", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("2028-02-01", "Asia/Kathmandu", "2028-01-31T18:15", "2028-02-29T18:15"),
    ],
)
def test_a_month_ends_on_the_wall_clock(month: str, zone: str, start: str, end: str) -> None:
    instants = tuple(dt.datetime.fromisoformat(f"{one}:00+00:00") for one in (start, end))
    assert period_of_month(dt.date.fromisoformat(month), zone) == instants


@pytest.mark.parametrize(
    ("cell", "written"), [("=1+1", "'=1+1"), (" @x", "' @x"), ("-5", "'-5"), ("plain", "plain"), ("", "")]
)
def test_no_cell_is_a_formula(cell: str, written: str) -> None:
    assert harmless_cell(cell) == written


@pytest.mark.parametrize(("rounding", "cents"), [("half_up", 2_251), ("up", 2_251), ("down", 2_250)])
async def test_an_invoice_and_a_statement_have_whole_cents(
    engine: AsyncEngine, market: Market, rounding: str, cents: int
) -> None:
    """Half of 45.01 dollars is rounded once, as the terms say, and each line adds up."""
    said: dict[str, Any] = {"rounding": {"to": "0.01", "mode": rounding}}
    await agree(engine, market, contract(rules=[{"name": "base", "price": "45.0149"}]))
    await agree(engine, market, payout({"percent_of_revenue": "50"}, **said), publisher=True)
    await three_calls(engine, market)
    for party, price in ((Party.BUYER, 4_501), (Party.PUBLISHER, cents)):
        made = await make(engine, market, party)
        assert [line.amount_micros for line in made.lines] == [price * 10_000] * 3
        assert made.total_micros == 3 * price * 10_000
        assert checker.check(await exported(engine, made)) == []


async def test_terms_of_one_price_and_old_roundings_come_to_whole_cents(
    engine: AsyncEngine, market: Market
) -> None:
    old = contract(rules=[{"name": "base", "price": "45.0149"}], rounding={"to": "0.000001", "mode": "up"})
    async with engine.begin() as connection:
        await connection.execute(update(tables.publisher_terms).values(payout_micros=30_004_999))
        await connection.execute(update(tables.buyer_terms).values(document=old))
    await three_calls(engine, market)
    for party, price in ((Party.BUYER, 4_502), (Party.PUBLISHER, 3_000)):
        made = await make(engine, market, party)
        assert {line.amount_micros for line in made.lines} == {price * 10_000}
        assert checker.check(await exported(engine, made)) == []


async def test_a_line_names_its_caller_and_what_is_stored_of_it_does_not(
    engine: AsyncEngine, market: Market
) -> None:
    await three_calls(engine, market)
    invoice = await make(engine, market)
    numbers = {line.description for line in invoice.lines}
    assert len(numbers) == 3 and all(one.startswith("Call from +1614555") for one in numbers)
    async with engine.begin() as connection:
        stored = await connection.scalars(text("SELECT description FROM invoice_lines"))
        assert set(stored) == {"Call from {caller}"}
        await connection.execute(text("UPDATE calls SET caller_sealed = NULL, caller_index = NULL"))
        again = await read_invoice(connection, invoice.id)
    assert again is not None
    assert {line.description for line in again.lines} == {"Call from a number that was erased"}
