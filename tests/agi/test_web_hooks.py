"""Somebody else's server may do what it likes: a flow gets an answer or a reason, in time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from agi.web_hooks import VALUE_MAXIMUM, ask_web_hook, read_answer
from ivr_flows.events import WebhookWait
from router.buyers.addresses import AddressRules
from router.buyers.dialect import HttpAnswer
from router.buyers.ping_client import PingClient
from tests.router.auctions import LOOPBACK


class Server:
    """Answers at /PATH as its name says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Any] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        match request.path.strip("/"):
            case "tier":
                self.asked.append(await request.json())
                return web.json_response({"tier": "gold", "limit": 5.0, "vip": True, "nested": {"a": 1}})
            case "slow":
                await asyncio.sleep(5)
                return web.json_response({})
            case "redirect":
                raise web.HTTPFound("http://169.254.169.254/latest/meta-data")
            case "large":
                return web.Response(body=b"x" * 200_000)
            case "html":
                return web.Response(text="<html>")
        return web.Response(status=503)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    here = Server()
    application = web.Application()
    application.router.add_post("/{name}", here.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    here.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield here
    await runner.cleanup()


def wait(url: str) -> WebhookWait:
    return WebhookWait(
        url=url, body={"state": "OH"}, fields=("tier", "limit", "vip", "nested"), timeout_seconds=0.5
    )


async def test_the_wanted_fields_come_back_as_texts(server: Server) -> None:
    async with PingClient(LOOPBACK) as client:
        told = await ask_web_hook(client, wait(f"{server.url}/tier"))
    assert told.reason == "" and told.values == {"tier": "gold", "limit": "5", "vip": "true"}
    assert server.asked == [{"state": "OH"}]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("slow", "no answer within 0.5 seconds"),
        ("redirect", "a redirect (status 302), which is never followed"),
        ("large", "an answer of 200000 bytes"),
        ("html", "the answer is not JSON"),
        ("gone", "status 503"),
    ],
)
async def test_whatever_goes_wrong_has_a_reason(server: Server, path: str, reason: str) -> None:
    async with PingClient(LOOPBACK) as client:
        told = await ask_web_hook(client, wait(f"{server.url}/{path}"))
    assert told.values == {} and told.reason == reason


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/", "http://example.com/"]
)
async def test_our_own_network_is_not_asked(url: str) -> None:
    async with PingClient(AddressRules()) as client:
        told = await ask_web_hook(client, wait(url))
    assert told.reason.startswith("url: ")


@pytest.mark.parametrize(
    ("body", "values"),
    [
        ({"tier": "x" * (VALUE_MAXIMUM + 1)}, {}),
        ({"tier": "line\nbreak"}, {}),
        ({"tier": None, "other": "y"}, {}),
        ({"tier": 7}, {"tier": "7"}),
        ({"tier": float("nan")}, {"tier": "nan"}),
    ],
)
def test_what_cannot_be_a_tag_is_left_out(body: dict[str, Any], values: dict[str, str]) -> None:
    answer = HttpAnswer(status=200, headers={}, body=json.dumps(body).encode())
    assert read_answer(answer, ("tier",)).values == values
