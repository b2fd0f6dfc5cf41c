"""The bidders' machine: one HTTP server on the loopback that answers pings and posts as the bidder party likes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

from router.buyers.tollbridge.signing import SIGNATURE_HEADER, sign

SECRET = "a secret of two houses"


@dataclass(kw_only=True)
class Mood:
    """How a bidder answers from now on."""

    bid_micros: int = 40_000_000
    minimum_ms: int = 60_000
    takes_posts: bool = True


@dataclass(kw_only=True)
class BidderMachine:
    """What the bidders answer, and what they were asked."""

    server: TestServer
    moods: dict[str, Mood]
    callers_seen: dict[str, list[str]] = field(default_factory=dict)
    """Numbers that pings (not posts) showed each bidder."""

    def url(self, name: str) -> str:
        return str(self.server.make_url(f"/{name.replace(' ', '-')}"))


@asynccontextmanager
async def bidder_machine(names: tuple[str, ...]) -> AsyncIterator[BidderMachine]:
    """Run it."""
    moods = {name: Mood() for name in names}
    by_path = {name.replace(" ", "-"): name for name in names}

    async def answer(request: web.Request) -> web.Response:
        name = by_path[request.match_info["name"]]
        question = json.loads(await request.read())
        if question.get("kind") != "post" and question.get("caller"):
            machine.callers_seen.setdefault(name, []).append(question["caller"])
        body = json.dumps(_answer(moods[name], question)).encode()
        signature = sign(SECRET, question.get("ping_id") or "", body)
        return web.Response(body=body, headers={SIGNATURE_HEADER: signature})

    app = web.Application()
    app.router.add_post("/{name}", answer)
    server = TestServer(app)
    machine = BidderMachine(server=server, moods=moods)
    await server.start_server()
    try:
        yield machine
    finally:
        await server.close()


def _answer(mood: Mood, question: dict[str, object]) -> dict[str, object]:
    if question.get("kind") == "post":
        return {"accepted": True} if mood.takes_posts else {"accepted": False, "refusal": "no_capacity"}
    return {
        "bid": {
            "amount": f"{mood.bid_micros / 1_000_000:.2f}",
            "minimum_seconds": mood.minimum_ms // 1000,
            "reference": "r-1",
        }
    }
