"""Every kind of node that does something on the line, in one call: and what it did stands in the call's story."""

from __future__ import annotations

import asyncio
import hashlib
import json
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from aiohttp import web
from sqlalchemy import text

from agi.speech.prompts import prompt_path
from tests.calls.buyers import answers
from tests.calls.checks import assert_sold
from tests.calls.conftest import MakeScenario, Published
from tests.calls.kept_sounds import kept_sound
from tests.calls.market import EVERYWHERE, Scenario, Wanted
from tests.sealed import number_in
from tollbridge.phone import mulaw
from tollbridge.phone.caller import Caller
from tollbridge.phone.clock import now_ms
from tollbridge.phone.ports import free_tcp_port
from tollbridge.phone.voice import tone

TIER = "Titanium"
BUYER = Wanted(name="Everywhere", behaviour=answers(), states=EVERYWHERE)


TIERS: dict[str, Any] = {
    "name": "tiers",
    "entry": "tell",
    "given": ["tier"],
    "nodes": {
        "tell": {"kind": "say", "text": "You are {tier}.", "exits": {"next": "back"}},
        "back": {"kind": "return"},
    },
}


def flow(port: int) -> dict[str, Any]:
    menu = {"prompt": "For an offer, press 1.", "retry": "Press 1."}
    digits = {"prompt": "Enter your four digits.", "retry": "Four digits."}
    hook = {
        "kind": "webhook",
        "url": f"http://127.0.0.1:{port}/tier",
        "body": {"account": "{account}", "variant": "{variant}"},
        "results": {"tier": "tier"},
        "exits": {"done": "more", "failed": "bye"},
    }
    return {
        "name": "kinds",
        "entry": "split",
        "nodes": {
            "split": {"kind": "split", "arms": {"a": 1, "b": 0}, "exits": {"a": "menu", "b": "bye"}},
            "menu": {
                "kind": "menu",
                **menu,
                "choices": {"offer": "1"},
                "exits": {"offer": "account", "unanswered": "bye"},
            },
            "account": {
                "kind": "digits",
                "tag": "account",
                **digits,
                "minimum": 4,
                "maximum": 4,
                "exits": {"answered": "said", "unanswered": "bye"},
            },
            "said": {"kind": "say", "text": "You pressed {account}.", "exits": {"next": "hook"}},
            "hook": hook,
            "more": {"kind": "sub_flow", "flow": "tiers", "exits": {"next": "score"}},
            "score": {
                "kind": "score",
                "base": 10,
                "rules": [{"when": {"fact": "tier", "kind": "text", "=": TIER}, "points": 5}],
                "exits": {"next": "hold"},
            },
            "hold": {"kind": "hold", "text": "One moment.", "seconds": 2, "exits": {"over": "broken"}},
            "broken": {
                **hook,
                "url": "http://127.0.0.1:9/",
                "exits": {"done": "bye", "failed": "message"},
            },
            "message": {
                "kind": "voicemail",
                "prompt": "Leave a word.",
                "silence_seconds": 2,
                "exits": {"left": "back", "nothing": "bye"},
            },
            "back": {
                "kind": "call_back",
                "text": "We call you once.",
                "exits": {"next": "route", "no_number": "bye"},
            },
            "route": {"kind": "route", "exits": {"no_buyer": "bye"}},
            "bye": {"kind": "hang_up"},
        },
        "subflows": {"tiers": {"version": 1, "definition": TIERS}},
    }


@asynccontextmanager
async def a_server(port: int, asked: list[dict[str, str]]) -> AsyncIterator[None]:
    """Somebody's own service: it knows the tier of an account, and takes its time."""

    async def tier(request: web.Request) -> web.Response:
        asked.append(await request.json())
        await asyncio.sleep(2)
        return web.json_response({"tier": TIER, "secret": "not asked for"})

    application = web.Application()
    application.router.add_post("/tier", tier)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


def beeps(call: Caller) -> bool:
    """The beep of a voice message is a pure 1000 Hz, which no voice and no chime is."""
    heard = np.frombuffer(mulaw.decode(call.hearing.audio(now_ms() - 140)), "<i2").astype(np.float64)
    turning = np.exp(-2j * np.pi * 1000 / 8000 * np.arange(len(heard)))
    level = float(np.abs(heard).mean()) if len(heard) else 0.0
    return level > 500 and float(2 * np.abs(np.dot(heard, turning)) / len(heard)) > 1.3 * level


async def is_there(sound: Path) -> bool:
    """On a busy machine what was asked for is ready for the next caller only."""
    for _ in range(200):
        if sound.is_file():
            return True
        await asyncio.sleep(0.1)
    return False


async def requests_of(market: Scenario, call_id: UUID) -> list[dict[str, Any]]:
    async with market.engine.connect() as connection:
        query = text("SELECT * FROM no_buyer_requests WHERE call_id = :id ORDER BY kind")
        rows = (await connection.execute(query, {"id": call_id})).mappings()
        return [{**row, "caller": number_in(row)} for row in rows]


async def test_one_call_through_them_all(scenario: MakeScenario, published: Published) -> None:
    port, asked = free_tcp_port(), list[dict[str, str]]()
    definition = flow(port)
    published(definition)
    market = await scenario([BUYER], flow_name="kinds", flow=definition)
    # What the server will say was never said before: it is rendered while the caller waits.
    prompt_path(market.node.layout.prompts_dir, TIER).unlink(missing_ok=True)
    invite = market.invite()
    async with a_server(port, asked), Caller.dial(invite) as call:
        assert await call.answered(5)
        assert await call.my_turn(10)
        await call.press("1")
        assert await call.my_turn(10)
        await call.press("4711")
        await call.listen(25, until=lambda: beeps(call))
        await call.say(tone(700, 1.5))
        await market.buyers["Everywhere"].wait_leg(ended=False, seconds=25)
        await market.buyers["Everywhere"].wait_connected()
        assert call.times.answered_ms is not None
        await asyncio.sleep(1.2)
        await call.hang_up()
    leg = await market.buyers["Everywhere"].wait_leg()
    story = await market.settled(call, caller=invite.caller)
    assert_sold(story, leg)
    assert asked == [{"account": "4711", "variant": "a"}]
    told = {"account": "4711", "variant": "a", "tier": TIER, "points": "15"}
    assert told.items() <= story.tags.items() and "secret" not in json.dumps(dict(story.tags))
    assert [(answer.tag, answer.value) for answer in story.answers] == [
        ("menu", "offer"),
        ("account", "4711"),
    ]
    assert await is_there(prompt_path(market.node.layout.prompts_dir, TIER))
    # Silence while the server thinks is short: then the chime.
    silence_ms = call.hearing.longest_silence_ms(call.times.answered_ms, leg.answered_ms or 0)
    assert silence_ms < 4_000

    async with market.engine.connect() as connection:
        query = text("SELECT kind, node, detail FROM call_events WHERE call_id = :id ORDER BY id")
        rows = (await connection.execute(query, {"id": story.call_id})).all()
    events = [(row.kind, row.node) for row in rows if row.kind not in ("prompts", "waiting")]
    assert events == [
        ("tag_set", "split"),
        ("web_hook", "hook"),
        ("tag_set", "hook"),
        ("tag_set", "score"),
        ("web_hook", "broken"),
        ("fault", "broken"),
    ]
    left = await requests_of(market, story.call_id)
    assert [request["kind"] for request in left] == ["call_back", "voicemail"]
    assert (left[0]["caller"], left[0]["detail"]["said"]) == (invite.caller, "We call you once.")
    plain = market.node.layout.voicemail_dir / left[1]["recording"]
    with wave.open(await kept_sound(market.engine, story.call_id, plain)) as message:
        assert 1.5 <= message.getnframes() / message.getframerate() <= 4.5
    assert any(row.detail.get("reason", "").startswith("no connection") for row in rows)
    played = {
        name: digest for row in rows if row.kind == "prompts" for name, digest in row.detail["sounds"].items()
    }
    notice = prompt_path(market.node.layout.prompts_dir, "We call you once.")
    assert played[notice.stem] == hashlib.sha256(notice.read_bytes()).hexdigest()
