"""Large files of payments: taken in chunks, with bounded locks and memory; what breaks off goes on."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing import money_import
from billing.money_file import MAXIMUM_ROWS, MoneyFileError, read_money_file
from billing.money_import import CHUNK_ROWS, FileKind, Imported, ImportRefused, import_money
from billing.payments import Payment
from tests.billing.test_settle_contracts import balances
from tests.market import Market, make_market


@pytest.fixture
async def market(engine: AsyncEngine) -> Market:
    return await make_market(engine)


def payments(count: int, *last: str) -> bytes:
    """A file of so many payments of a dollar, and lines after them."""
    rows = (f"buyer,first,1.00,wire-{number},monthly" for number in range(count))
    return "\n".join(("party,name,amount,key,note", *rows, *last, "")).encode()


async def posted(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int(await connection.scalar(text("SELECT count(*) FROM ledger_transactions")) or 0)


async def test_a_large_file_never_holds_more_locks_than_a_chunk_has_rows(
    engine: AsyncEngine, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each key is a lock until its transaction ends: 20,000 in one were more than PostgreSQL has room for."""
    monkeypatch.setattr(money_import, "PROGRESS_ROWS", CHUNK_ROWS)
    rows, told, most = 2 * CHUNK_ROWS + 7, list[str](), 0
    importing = asyncio.create_task(
        import_money(engine, payments(rows), FileKind.PAYMENTS, write=True, progress=told.append)
    )
    async with engine.connect() as connection:
        while not importing.done():
            locks = await connection.scalar(
                text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")
            )
            most = max(most, locks or 0)
            await asyncio.sleep(0.01)
    assert 0 < most <= CHUNK_ROWS <= 1_000
    done = await importing
    assert isinstance(done, Imported) and (done.new, done.known, done.written) == (rows, 0, True)
    assert told == [f"{number} rows {did}" for did in ("checked", "posted") for number in ("500", "1,000")]
    assert (await balances(engine))["cash"] == rows * 100


async def test_a_wrong_last_row_of_many_chunks_leaves_nothing(engine: AsyncEngine, market: Market) -> None:
    wrong = payments(CHUNK_ROWS + 3, "buyer,nobody,1.00,late,")
    done = await import_money(engine, wrong, FileKind.PAYMENTS, write=True)
    assert isinstance(done, ImportRefused) and done.posted == 0
    assert done.problems == (f"line {CHUNK_ROWS + 5}, name: there is no buyer called 'nobody'",)
    assert await posted(engine) == 0


async def test_an_import_that_breaks_off_goes_on_when_it_is_run_again(
    engine: AsyncEngine, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(money_import, "CHUNK_ROWS", 10)
    whole, calls = money_import.record_payment, 0

    async def breaks(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 25 + 15:  # while it writes the second chunk
            raise ConnectionError("the cable was pulled")
        return await whole(*given)

    monkeypatch.setattr(money_import, "record_payment", breaks)
    with pytest.raises(ConnectionError):
        await import_money(engine, payments(25), FileKind.PAYMENTS, write=True)
    assert await posted(engine) == 10
    monkeypatch.setattr(money_import, "record_payment", whole)
    done = await import_money(engine, payments(25), FileKind.PAYMENTS, write=True)
    assert isinstance(done, Imported) and (done.new, done.known) == (15, 10)
    assert (await balances(engine))["cash"] == 2_500


async def test_a_key_taken_between_check_and_writing_is_told_with_what_stands(
    engine: AsyncEngine, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(money_import, "CHUNK_ROWS", 10)
    whole, calls = money_import.record_payment, 0

    async def raced(connection: Any, payment: Payment) -> Any:
        nonlocal calls
        calls += 1
        if calls == 25 + 21:  # the first row of the third chunk that is written
            async with engine.begin() as other:
                await whole(other, replace(payment, amount_micros=2_000_000))
        return await whole(connection, payment)

    monkeypatch.setattr(money_import, "record_payment", raced)
    done = await import_money(engine, payments(25), FileKind.PAYMENTS, write=True)
    assert isinstance(done, ImportRefused) and done.posted == 20
    assert "line 22, key: 'wire-20' was recorded on" in done.problems[0]
    assert await posted(engine) == 21


def test_a_hundred_thousand_rows_are_read_and_one_more_is_refused() -> None:
    assert sum(1 for _ in read_money_file(io.BytesIO(payments(MAXIMUM_ROWS)), negative=False)) == 100_000
    with pytest.raises(MoneyFileError, match="line 100002: more than 100,000 rows; split the file"):
        list(read_money_file(io.BytesIO(payments(MAXIMUM_ROWS + 1)), negative=False))


BAD = (
    (payments(3) + b"buyer,\xff,1.00,k,\n", "line 5: not UTF-8"),
    (payments(1) + b"x" * 200_000, "line 3: longer than 100,000 bytes"),
    (b'party,name,amount,key\n"' + b"x\n" * 200_000, "field larger than field limit"),
)


@pytest.mark.parametrize(("data", "problem"), BAD)
def test_what_is_no_text_is_named_with_its_line(data: bytes, problem: str) -> None:
    with pytest.raises(MoneyFileError, match=problem):
        list(read_money_file(io.BytesIO(data), negative=False))
