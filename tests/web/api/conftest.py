"""The web in a thread of its own, for tools that ask over HTTP and wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.session import open_engine
from store.tables import api_tokens, users
from tests.postgres import cloned_database
from tests.web.conftest import EMAIL, PASSWORD
from tests.web.market import add_market, add_sold_call
from web.api.operations import SCOPES
from web.api.rate import RATE, Rate
from web.app import make_app
from web.auth import UserCreated, create_user, digest_of
from web.keys import Role

TOKEN = "tbt_for_tests_only"


@dataclass(frozen=True, kw_only=True)
class Served:
    """Where the web answers, an admin's token with every scope, and one of each role with as many."""

    address: str
    token: str = TOKEN
    tokens: Mapping[Role, str] = field(default_factory=lambda: {role: f"tbt_of_{role}" for role in Role})


@pytest.fixture(scope="module")
def served(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with cloned_database(postgres_url) as url:
        started: threading.Event = threading.Event()
        stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        address: list[str] = []
        folder = tmp_path_factory.mktemp("web")

        def run() -> None:
            try:
                asyncio.run(_serve(url, folder, address, stop, started))
            finally:
                started.set()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        assert started.wait(60) and address, "the web did not start"
        yield Served(address=address[0])
        loop, event = stop[0]
        loop.call_soon_threadsafe(event.set)
        thread.join(20)


async def _add_token(engine: AsyncEngine, user_id: int, token: str, scopes: list[str]) -> None:
    values = {
        "user_id": user_id,
        "name": "tests",
        "token_digest": digest_of(token),
        "beginning": token[:8],
        "scopes": scopes,
        "created_at": datetime.now(UTC),
    }
    async with engine.begin() as connection:
        await connection.execute(insert(api_tokens).values(values))


async def _serve(
    url: str,
    folder: Path,
    address: list[str],
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]],
    started: threading.Event,
) -> None:
    engine = open_engine(url, application_name="test")
    made = await create_user(engine, EMAIL, PASSWORD, "admin")
    assert isinstance(made, UserCreated)
    market = await add_market(engine)
    await add_sold_call(engine, market)
    await _add_token(engine, made.user_id, TOKEN, list(SCOPES))
    whose = {Role.BUYER: {"buyer_id": market.buyer_id}, Role.PUBLISHER: {"publisher_id": market.publisher_id}}
    for role, token in Served(address="").tokens.items():
        person = await create_user(engine, f"{role}@example.com", PASSWORD, role)
        assert isinstance(person, UserCreated)
        if role in whose:
            async with engine.begin() as connection:
                await connection.execute(
                    update(users).where(users.c.id == person.user_id).values(whose[role])
                )
        # Scopes above the role open nothing either.
        await _add_token(engine, person.user_id, token, list(SCOPES))
    app = make_app(
        engine, secure_cookies=False, snapshot_file=folder / "market.json", prompts_dir=folder / "prompts"
    )
    # A tool asks faster than any person.
    app[RATE] = Rate(per_second=1e6, burst=1e6)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    event = asyncio.Event()
    address.append(f"http://127.0.0.1:{port}")
    stop.append((asyncio.get_running_loop(), event))
    started.set()
    await event.wait()
    await runner.cleanup()
    await engine.dispose()
