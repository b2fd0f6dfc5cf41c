"""Balances: what the sealer keeps and what is not sealed yet are together always what the ledger says."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.account_queries import balances_of
from billing.ledger import Posting
from billing.ledger_queries import post
from billing.seal import Sealer, seal_next_batch
from tests.sealing import seal, sealer_at

ACCOUNTS = ("publisher:1:payable", "publisher:2:payable", "publisher:3:payable")


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    return sealer_at(tmp_path)


async def _pay_on(connection: AsyncConnection, account: str, amount: int, *, posted: str) -> None:
    """Post as a transaction does that began at `posted`."""
    made = f"INSERT INTO ledger_transactions (kind, posted_at) VALUES ('test', {posted}) RETURNING id"
    id_ = await connection.scalar(text(made))
    rows = text("INSERT INTO ledger_postings VALUES (:id, 'payout', :amount), (:id, :account, -:amount)")
    await connection.execute(rows, {"id": id_, "account": account, "amount": amount})


async def _pay(engine: AsyncEngine, account: str, amount: int) -> None:
    postings = (
        Posting(account="payout", amount_micros=amount),
        Posting(account=account, amount_micros=-amount),
    )
    async with engine.begin() as connection:
        await post(connection, call_id=None, kind="test", postings=postings, detail={})


async def _balances(engine: AsyncEngine) -> dict[str, int]:
    async with engine.connect() as connection:
        return await balances_of(connection, ACCOUNTS)


async def _posted(engine: AsyncEngine) -> dict[str, int]:
    query = text("SELECT account, sum(amount_micros)::bigint AS amount FROM ledger_postings GROUP BY account")
    async with engine.connect() as connection:
        return {row.account: row.amount for row in await connection.execute(query) if row.account in ACCOUNTS}


async def test_a_balance_is_right_before_between_and_after_seals(engine: AsyncEngine, sealer: Sealer) -> None:
    """30 $ and 12 $ to one publisher, 7 $ to another; the third was never paid anything."""
    assert await _balances(engine) == {}
    await _pay(engine, ACCOUNTS[0], 30_000_000)
    await _pay(engine, ACCOUNTS[1], 7_000_000)
    wanted = {ACCOUNTS[0]: -30_000_000, ACCOUNTS[1]: -7_000_000}
    assert await _balances(engine) == wanted
    assert await seal(engine, sealer, 1) == 1
    assert await _balances(engine) == wanted
    await _pay(engine, ACCOUNTS[0], 12_000_000)
    wanted[ACCOUNTS[0]] -= 12_000_000
    assert await _balances(engine) == wanted == await _posted(engine)
    assert await seal(engine, sealer) == 2
    assert await _balances(engine) == wanted


async def test_a_seal_that_is_taken_back_raises_no_balance(engine: AsyncEngine, sealer: Sealer) -> None:
    await _pay(engine, ACCOUNTS[0], 5_000_000)
    async with engine.connect() as connection:
        await seal_next_batch(connection, sealer)
        await connection.rollback()
    assert await _balances(engine) == {ACCOUNTS[0]: -5_000_000}


async def test_a_transaction_left_open_for_an_hour_counts_and_is_sealed_once_it_is_committed(
    engine: AsyncEngine, sealer: Sealer
) -> None:
    """Many are posted and sealed while it is open: no clock says when a transaction may still come."""
    async with engine.connect() as slow:
        await _pay_on(slow, ACCOUNTS[0], 30_000_000, posted="now() - interval '1 hour'")
        await _pay(engine, ACCOUNTS[1], 7_000_000)
        assert await seal(engine, sealer) == 1
        await slow.commit()
    wanted = {ACCOUNTS[0]: -30_000_000, ACCOUNTS[1]: -7_000_000}
    assert await _balances(engine) == wanted
    assert await seal(engine, sealer) == 1
    assert await _balances(engine) == wanted
    assert await seal(engine, sealer) == 0
