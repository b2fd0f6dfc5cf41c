"""A buyer's people are mailed when its wallet runs low, is empty, or has money again: each crossing once."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import pytest
from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.payments import Direction, Payment
from billing.record_payment import record_payment
from billing.wallet_watch import watch_wallets
from store.tables import buyers, users, wallets
from tests.market import Market, make_market
from tests.web.mail_server import WEB_URL, open_letterbox
from tollbridge.wallet_mails import send_wallet_mails
from tollbridge.worker import WorkerConfig, run_worker
from web.auth import UserCreated, create_user
from web.keys import Role
from web.mail import Mailer


@pytest.fixture
async def market(engine: AsyncEngine) -> Market:
    """A buyer who is told below 50 $, with two people, one of whom may sign in no more; the other buyer has plenty."""
    market = await make_market(engine)
    first, second = market.buyers[:2]
    people = (("a@buyer.example", first), ("gone@buyer.example", first), ("b@other.example", second))
    made = [await create_user(engine, email, "correct horse battery", Role.BUYER) for email, _ in people]
    async with engine.begin() as connection:
        said = {"prepaid": True, "credit_limit_micros": 0, "low_balance_micros": 50_000_000}
        await connection.execute(update(buyers).values(**said))
        await connection.execute(insert(wallets).values(buyer_id=second, owed_micros=-900_000_000))
        for user, (email, buyer) in zip(made, people, strict=True):
            assert isinstance(user, UserCreated)
            gone = dt.datetime.now(dt.UTC) if email.startswith("gone") else None
            await connection.execute(
                update(users).where(users.c.id == user.user_id).values(buyer_id=buyer, disabled_at=gone)
            )
    return market


async def _pay(engine: AsyncEngine, market: Market, dollars: int, key: str) -> None:
    """Below zero it is given back."""
    way = Direction.TOP_UP if dollars > 0 else Direction.REFUND
    amount = abs(dollars) * 1_000_000
    payment = Payment(direction=way, party_id=market.buyers[0], amount_micros=amount, key=key)
    async with engine.begin() as connection:
        await record_payment(connection, payment)


async def _watch(engine: AsyncEngine) -> dt.datetime:
    now = dt.datetime.now(dt.UTC)
    async with engine.begin() as connection:
        await watch_wallets(connection, now)
    return now


async def test_each_crossing_is_mailed_once(engine: AsyncEngine, market: Market) -> None:
    """100 $ came; 60 went back: low. One more: nothing new. The rest: empty. 500 came: calls again."""
    async with open_letterbox() as box:
        for place, dollars in enumerate((100, -60, -1, -39, 500)):
            await _pay(engine, market, dollars, f"wire-{place}")
            for _ in range(2):
                await send_wallet_mails(engine, Mailer(box.config), await _watch(engine))
    low, empty, again = box.mails
    assert {mail["To"] for mail in box.mails} == {"a@buyer.example"}
    assert "runs low" in low["Subject"] and "$40.00 is left" in low.get_content()
    assert "empty: no calls come in" in empty["Subject"]
    assert "has money again" in again["Subject"] and "$500.00 is left" in again.get_content()
    assert f"{WEB_URL}/buyer/wallet" in low.get_content()


async def test_what_the_server_refuses_goes_later_and_after_a_day_no_more(
    engine: AsyncEngine, market: Market
) -> None:
    await _pay(engine, market, 10, "wire")
    now = await _watch(engine)
    async with open_letterbox() as gone:
        away = Mailer(gone.config)
    assert await send_wallet_mails(engine, away, now) == 0
    async with open_letterbox() as box:
        mailer = Mailer(box.config)
        assert await send_wallet_mails(engine, mailer, now) == 0  # not before a minute has gone
        assert await send_wallet_mails(engine, mailer, now + dt.timedelta(days=1, minutes=1)) == 0
        assert await send_wallet_mails(engine, mailer, now + dt.timedelta(minutes=2)) == 1
        assert await send_wallet_mails(engine, mailer, now + dt.timedelta(hours=2)) == 0
    assert len(box.mails) == 1


async def test_two_workers_do_not_send_the_same_mail(engine: AsyncEngine, market: Market) -> None:
    await _pay(engine, market, 10, "wire")
    now = await _watch(engine)
    async with open_letterbox() as box:
        mailers = [Mailer(box.config) for _ in range(4)]
        sent = await asyncio.gather(*(send_wallet_mails(engine, one, now) for one in mailers))
    assert sum(sent) == 1 and len(box.mails) == 1


async def test_the_running_worker_notices_and_mails(
    engine: AsyncEngine, database_url: str, market: Market, tmp_path: Path
) -> None:
    await _pay(engine, market, 10, "wire")
    async with open_letterbox() as box:
        config = WorkerConfig(
            node="a",
            database_url=database_url,
            cel_file=tmp_path / "Master.csv",
            journal_dir=tmp_path,
            recordings_dir=tmp_path / "recordings",
            snapshot_file=tmp_path / "market.json",
            alive_file=tmp_path / "alive",
            mail=box.config,
        )
        stop = asyncio.Event()
        running = asyncio.create_task(run_worker(config, stop))
        (mail,) = await box.wait_for(1)
        assert "runs low" in mail["Subject"]
        stop.set()
        await running
    async with engine.connect() as connection:
        told = text("SELECT count(*) FROM wallet_notices WHERE told_at IS NOT NULL")
        assert await connection.scalar(told) == 1
