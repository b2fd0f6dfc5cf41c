"""The web over a real database: a stranger at the door, and an admin inside."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Iterator
from functools import cache, partial
from pathlib import Path
from types import CodeType

import pytest
import pytest_asyncio
from aiohttp import ClientSession, CookieJar, web
from aiohttp.test_utils import TestClient, TestServer
from argon2 import PasswordHasher
from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket
from sqlalchemy.ext.asyncio import AsyncEngine

from router.buyers import connections
from rules.log_lines import SECURITY
from tests.web.market import Market, add_market
from tollbridge.sounds import take_sound
from web import known_keys, pages, passwords
from web.app import make_app
from web.auth import UserCreated, create_user

EMAIL = "ada@example.com"
PASSWORD = "correct horse battery"

Client = TestClient[web.Request, web.Application]


class CompiledOnce(BytecodeCache):
    """The code of templates, by what stands in them."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._code[bucket.key, bucket.checksum] = bucket.code


@pytest.fixture(scope="session", autouse=True)
def roots_are_read_once() -> Iterator[None]:
    """The system's certificates, as they are, but not anew for the application of each test.

    Tests of other folders, later in this process, name certificates of their own.
    """
    read = connections.tls_context

    @cache
    def context_of(named: str | None) -> ssl.SSLContext:
        return read()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections, "tls_context", lambda: context_of(os.environ.get("SSL_CERT_FILE")))
        yield


@pytest.fixture(scope="session", autouse=True)
def templates_are_compiled_once() -> Iterator[None]:
    """A process compiles a template when it is first shown. The application of each test is a process to itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "Environment", partial(Environment, bytecode_cache=CompiledOnce()))
        yield


@pytest.fixture(scope="session", autouse=True)
def passwords_are_hashed_cheaply() -> Iterator[None]:
    """By argon2id as ever, but with a megabyte for each: a real hash takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1))
        yield


@pytest.fixture(autouse=True)
def new_keys_open_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests make keys and use them within half a second."""
    monkeypatch.setattr(known_keys, "SPACING_SECONDS", 0.0)


@pytest_asyncio.fixture
async def market(engine: AsyncEngine) -> Market:
    return await add_market(engine)


@pytest_asyncio.fixture
async def site(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[TestServer]:
    """The pages on a free port of 127.0.0.1, and one admin who may come in."""
    assert isinstance(await create_user(engine, EMAIL, PASSWORD, "admin"), UserCreated)
    market_file, prompts_dir = tmp_path / "market.json", tmp_path / "prompts"
    app = make_app(
        engine,
        secure_cookies=False,
        snapshot_file=market_file,
        prompts_dir=prompts_dir,
        take_sound=take_sound,
    )
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


@pytest_asyncio.fixture
async def stranger(site: TestServer) -> AsyncIterator[Client]:
    async with open_client(site) as client:
        yield client


@pytest_asyncio.fixture
async def admin(site: TestServer) -> AsyncIterator[Client]:
    async with open_client(site) as client:
        answer = await sign_in(client)
        assert answer == 303
        yield client


def open_client(site: TestServer) -> Client:
    """Return a client that behaves like a browser on one of our own pages."""
    # The jar keeps cookies of an IP address only when told so.
    return TestClient(site, cookie_jar=CookieJar(unsafe=True), headers={"Sec-Fetch-Site": "same-origin"})


async def sign_in(
    client: Client | ClientSession, email: str = EMAIL, password: str = PASSWORD, **more: str
) -> int:
    """Post the sign-in form and return the answer's status."""
    form = {"email": email, "password": password, **more}
    async with client.post("/sign-in", data=form, allow_redirects=False) as answer:
        return answer.status


def security_events(log: pytest.LogCaptureFixture) -> list[str]:
    """Return the names of security events since the last look."""
    found = [str(getattr(record, "event", "")) for record in log.records if record.name == SECURITY]
    log.clear()
    return found
