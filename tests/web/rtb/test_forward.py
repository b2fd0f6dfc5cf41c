"""Publishers reach the pings process at the address of the pages; what they send costs the pages next to nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from router.buyers.tollbridge.signing import SIGNATURE_HEADER, signed_by
from tests.web.rtb.conftest import Publisher, a_caller
from web.app import make_app
from web.keys import RTB_KEYS
from web.rtb.forward import FORWARDED_MOST


@pytest_asyncio.fixture
async def pages(publisher: Publisher, engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[TestServer]:
    """The web process before the pings process."""
    pings_url = str(publisher.server.make_url("/")).rstrip("/")
    app = make_app(
        engine,
        secure_cookies=False,
        snapshot_file=tmp_path / "web.json",
        prompts_dir=tmp_path,
        pings_url=pings_url,
    )
    async with TestServer(app) as server:
        yield server


async def test_a_ping_at_the_address_of_the_pages_is_answered_word_for_word(
    publisher: Publisher, pages: TestServer, caller: str
) -> None:
    before = await publisher.ping(caller)
    through = replace(publisher, server=pages)
    after = await through.ping(caller)
    assert after["repeated"] and after["bid"]["reference"] == before["bid"]["reference"]
    key = await publisher.key()
    body = {"kind": "ping", "ping_id": "p-7", "answers": {}, "caller": caller}
    async with publisher.session.post(pages.make_url(f"/rtb/{key}.json"), json=body) as answer:
        said = await answer.read()
        assert signed_by(key, "p-7", said, answer.headers[SIGNATURE_HEADER])
        assert answer.content_type == "application/json" and "Set-Cookie" not in answer.headers


async def test_other_dialects_pass_too(publisher: Publisher, pages: TestServer, caller: str) -> None:
    through = replace(publisher, server=pages)
    asked = await through.ask("ringba", "GET", f"?CID=%2B{caller[1:]}&loan_type=refinance&state=OH")
    assert asked["bidAmount"] > 0
    reserved = await through.ask(
        "retreaver", "POST", json={"caller_number": a_caller(), "loan_type": "refinance", "state": "OH"}
    )
    confirmed = await through.ask("retreaver", "PUT", f"/{reserved['uuid']}", json={})
    assert confirmed["status"] == "confirmed"


async def test_what_cannot_be_a_key_or_is_too_large_goes_no_further(
    publisher: Publisher, pages: TestServer
) -> None:
    async with publisher.session.post(pages.make_url("/rtb/x"), json={}) as answer:
        assert answer.status == 404 and await answer.json() == {"error": "unknown key"}
    key = await publisher.key()
    async with publisher.session.post(pages.make_url(f"/rtb/{key}"), data=b"x" * 20_000) as answer:
        assert answer.status == 413 and "larger than 16 kB" in (await answer.json())["error"]


async def test_a_pings_process_that_is_away_is_said_so_and_pages_stay(
    publisher: Publisher, pages: TestServer
) -> None:
    await publisher.server.close()
    key = await publisher.key()
    async with publisher.session.post(pages.make_url(f"/rtb/{key}"), json={}) as answer:
        assert answer.status == 503 and answer.headers["Retry-After"] == "1"
    async with publisher.session.get(pages.make_url("/sign-in")) as answer:
        assert answer.status == 200


async def test_guessers_are_slowed_by_their_own_address_behind_the_pages(
    publisher: Publisher, pages: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pings process believes the web process about who asks, and the web process no stranger."""
    assert "bid" in await replace(publisher, server=pages).ping(a_caller())
    seen: list[str] = []
    keys = publisher.server.app[RTB_KEYS]
    refusal = keys.refusal

    async def noted(digest: bytes, address: str) -> object:
        seen.append(address)
        return await refusal(digest, address)

    monkeypatch.setattr(keys, "refusal", noted)
    statuses = []
    for n in range(25):
        wrong = pages.make_url(f"/rtb/tbk_{n:043d}")
        headers = {"X-Forwarded-For": f"203.0.113.{n}", "Cookie": "tollbridge_session=x"}
        async with publisher.session.post(wrong, json={}, headers=headers) as answer:
            statuses.append(answer.status)
    assert set(seen) == {"127.0.0.1"} and statuses[:20] == [404] * 20 and statuses[-1] == 429
    assert "bid" in await replace(publisher, server=pages).ping(a_caller())


async def test_a_flood_of_pings_takes_no_connection_of_the_pages(
    publisher: Publisher, pages: TestServer, engine: AsyncEngine
) -> None:
    used = 0

    def count(*_: object) -> None:
        nonlocal used
        used += 1

    event.listen(engine.sync_engine, "checkout", count)
    key = await publisher.key()

    async def ask(number: str) -> int:
        body = json.dumps({"kind": "ping", "ping_id": "p", "caller": number}).encode()
        async with publisher.session.post(pages.make_url(f"/rtb/{key}"), data=body) as answer:
            return answer.status

    await asyncio.sleep(0)
    before = used
    statuses = await asyncio.gather(*(ask(a_caller()) for _ in range(FORWARDED_MOST)))
    assert set(statuses) <= {200, 503}
    # What is left is the web's own look at the market, once a second, and at its bidders.
    assert used - before <= 20
