"""The bidders' machine: one HTTP server on the loopback that answers pings and posts as the bidder party likes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from router.buyers.tollbridge.signing import SIGNATURE_HEADER, sign
from tests.adversaries.contracts import FARAWAY_BIDDER
from tests.adversaries.events import BidMade, Question

SECRET = "a secret of two houses"


@dataclass(kw_only=True)
class Mood:
    """How a bidder answers from now on."""

    bid_micros: int = 40_000_000
    """0: does not want the call."""
    minimum_ms: int = 60_000
    takes_posts: bool = True
    dial: str | None = None
    """Where the bid wants the call; None: at the target's own address."""
    post_dial: str | None = None
    """The same, of the answer to a post."""


@dataclass(kw_only=True)
class BidderMachine:
    """What the bidders answer, and what they were asked."""

    server: TestServer
    moods: dict[str, Mood]
    asked: list[Question] = field(default_factory=list)

    def url(self, name: str) -> str:
        return str(self.server.make_url(f"/{name.replace(' ', '-')}"))

    def asked_since(self, place: int) -> list[Question]:
        """Return the questions after so many."""
        return self.asked[place:]


def bids_in(questions: list[Question]) -> dict[str, BidMade]:
    """Return the newest bid of each bidder among these answers."""
    return {one.buyer: one.answer for one in questions if one.answer is not None}


@asynccontextmanager
async def bidder_machine(names: tuple[str, ...]) -> AsyncIterator[BidderMachine]:
    """Run it."""
    moods = {name: Mood() for name in names}
    moods[FARAWAY_BIDDER.name].bid_micros = 0
    by_path = {name.replace(" ", "-"): name for name in names}

    async def answer(request: web.Request) -> web.Response:
        name = by_path[request.match_info["name"]]
        question = json.loads(await request.read())
        machine.asked.append(_noted(name, moods[name], question))
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


def _noted(name: str, mood: Mood, question: dict[str, Any]) -> Question:
    is_post = question.get("kind") == "post"
    bid = BidMade(buyer=name, bid_micros=mood.bid_micros, minimum_ms=mood.minimum_ms, dial=mood.dial)
    return Question(
        buyer=name,
        is_post=is_post,
        shows_caller=bool(question.get("caller") or question.get("caller_hash")),
        answer=None if is_post or not mood.bid_micros else bid,
        takes=mood.takes_posts,
    )


def _answer(mood: Mood, question: dict[str, Any]) -> dict[str, Any]:
    if question.get("kind") == "post":
        taken = {"accepted": True, **({"dial": mood.post_dial} if mood.post_dial else {})}
        return taken if mood.takes_posts else {"accepted": False, "refusal": "no_capacity"}
    if not mood.bid_micros:
        return {"refusal": "no_interest"}
    bid = {
        "amount": f"{mood.bid_micros / 1_000_000:.2f}",
        "minimum_seconds": mood.minimum_ms // 1000,
        "reference": "r-1",
    }
    return {"bid": {**bid, **({"dial": mood.dial} if mood.dial else {})}}
