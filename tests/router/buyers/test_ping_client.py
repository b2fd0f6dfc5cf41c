"""The ping client against a real server: aiohttp's, over TLS, with the ways a buyer's server treats connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from router.buyers.dialect import HttpRequest
from router.buyers.ping_client import PingClient, PingFailed
from router.domain.auction import BidOutcome
from tests.certificate import make_certificate
from tests.router.auctions import LOOPBACK


@dataclass
class Buyer:
    """A buyer's server."""

    port: int
    runner: web.AppRunner
    bodies: list[str] = field(default_factory=list)
    peers: set[object] = field(default_factory=set)
    looked_up: list[str] = field(default_factory=list)

    async def resolve(self, host: str, port: int) -> list[str]:
        self.looked_up.append(host)
        return ["127.0.0.1"]

    def ask(self, path: str = "/bid", host: str = "bids.example", scheme: str = "https") -> HttpRequest:
        url = f"{scheme}://{host}:{self.port}{path}"
        return HttpRequest(method="POST", url=url, headers={"X-Who": "us"}, body=b"hello")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), "DNS:bids.example")


@asynccontextmanager
async def a_buyer(certificate: Path | None) -> AsyncIterator[Buyer]:
    async def bid(request: web.Request) -> web.StreamResponse:
        buyer.bodies.append(await request.text())
        buyer.peers.add(request.transport.get_extra_info("peername") if request.transport else None)
        if request.path == "/once":
            return web.Response(text="once", headers={"Connection": "close"})
        if request.path == "/chunked":
            answer = web.StreamResponse()
            await answer.prepare(request)
            for _ in range(3):
                await answer.write(b"ab")
            return answer
        if request.path == "/gone" and request.transport is not None:
            request.transport.close()
        return web.Response(text=request.headers["X-Who"])

    app = web.Application()
    app.router.add_route("*", "/{any}", bid)
    runner = web.AppRunner(app, keepalive_timeout=0.3)
    await runner.setup()
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    buyer = Buyer(port=runner.addresses[0][1], runner=runner)
    try:
        yield buyer
    finally:
        await runner.cleanup()


async def test_over_tls_one_connection_and_one_look_up_serve_many_questions(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with a_buyer(certificate) as buyer, PingClient(LOOPBACK, buyer.resolve) as client:
        for path, body in (("/bid", b"us"), ("/chunked", b"ababab"), ("/bid", b"us")):
            answer = await client.exchange(buyer.ask(path))
            assert (answer.status, answer.body) == (200, body)
        assert len(buyer.peers) == 1 and buyer.looked_up == ["bids.example"]
        together = await asyncio.gather(*(client.exchange(buyer.ask()) for _ in range(5)))
        assert [answer.body for answer in together] == [b"us"] * 5
        assert len(buyer.peers) == 5 and buyer.looked_up == ["bids.example"]


async def test_a_certificate_nobody_vouches_for_or_of_another_name_is_no_connection(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_buyer(certificate) as buyer:
        for vouched, host in ((False, "bids.example"), (True, "other.example")):
            if vouched:
                monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            async with PingClient(LOOPBACK, buyer.resolve) as client:
                with pytest.raises(PingFailed, match="no connection") as failed:
                    await client.exchange(buyer.ask(host=host))
            assert failed.value.outcome is BidOutcome.UNREACHABLE
        assert buyer.bodies == []


async def test_a_ping_is_asked_again_when_its_kept_connection_was_closed_and_a_post_is_not() -> None:
    async with a_buyer(None) as buyer, PingClient(LOOPBACK, buyer.resolve) as client:
        question = buyer.ask("/bid", scheme="http")
        await client.exchange(question)
        kept = client.connections.kept(("http", "bids.example", buyer.port))
        assert kept is not None
        client.connections.give_back(kept)
        gone = buyer.ask("/gone", scheme="http")
        with pytest.raises(PingFailed, match="closed without an answer"):
            await client.exchange(gone, again=False)
        assert len(buyer.bodies) == 2, "the post was sent once"
        await client.exchange(question)
        with pytest.raises(PingFailed):
            await client.exchange(gone)
        assert len(buyer.bodies) == 5, "the ping was sent once more, on a connection of its own"


async def test_a_connection_the_server_closed_or_will_close_is_not_used_again() -> None:
    async with a_buyer(None) as buyer, PingClient(LOOPBACK, buyer.resolve) as client:
        for wait_seconds, path in ((0.0, "/once"), (0.0, "/bid"), (0.6, "/bid"), (0.0, "/bid")):
            await asyncio.sleep(wait_seconds)
            assert (await client.exchange(buyer.ask(path, scheme="http"), again=False)).status == 200
        assert len(buyer.peers) == 3


async def test_what_nobody_asks_any_more_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.buyers.connections.KEPT_SECONDS", 0.1)
    async with a_buyer(None) as buyer, PingClient(LOOPBACK, buyer.resolve) as client:
        await client.exchange(buyer.ask(scheme="http"))
        assert client.connections._open
        await asyncio.sleep(0.25)
        assert not client.connections._open and not client.connections._idle


async def test_of_several_addresses_one_that_is_inside_refuses_the_name() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1", "10.0.0.1"]

    async with a_buyer(None) as buyer, PingClient(LOOPBACK, resolve) as client:
        with pytest.raises(PingFailed, match=r"10\.0\.0\.1 is not a public address"):
            await client.exchange(buyer.ask(scheme="http"))
