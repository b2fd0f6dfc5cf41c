"""Callers who do what no flow expects: each of them still hears a person in the end."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import numpy as np

from tests.calls.buyers import answers
from tests.calls.conftest import MakeScenario, Published, Say
from tests.calls.market import EVERYWHERE, Scenario, Wanted
from tests.calls.node import SPEECH
from tollbridge.call_story.story import CallStory
from tollbridge.phone import mulaw
from tollbridge.phone.caller import Caller
from tollbridge.phone.clock import now_ms

RATE = 8000
PERSON_HERTZ = 440
"""What a buyer of these tests says."""
BUYER = Wanted(name="Everywhere", behaviour=answers(), states=EVERYWHERE, concurrency_cap=10)
QUESTION = {"silence_seconds": 1.5, "maximum_seconds": 3, "attempts": 2}
FLOW: dict[str, Any] = {
    "name": "patient",
    "entry": "loan",
    "nodes": {
        "loan": {
            "kind": "ask",
            "tag": "loan_type",
            "grammar": "loan_type",
            "prompt": "Refinance, or purchase?",
            "retry": "Press 1 or 2.",
            **QUESTION,
            "exits": {"answered": "zip", "unanswered": "zip"},
        },
        "zip": {
            "kind": "digits",
            "tag": "zip",
            "prompt": "Enter your ZIP code.",
            "retry": "Five digits.",
            "minimum": 5,
            "maximum": 5,
            **QUESTION,
            "exits": {"answered": "route", "unanswered": "route"},
        },
        "route": {"kind": "route", "exits": {"no_buyer": "bye"}},
        "bye": {"kind": "hang_up"},
    },
    # Or forty keys would soon hold the operator's.
    "commands": {"keys": {"0": "repeat"}},
}


def music(seconds: float) -> bytes:
    """Return a tune of three voices as mu-law: loud, tonal, never silent for long."""
    time = np.arange(int(seconds * RATE)) / RATE
    beat = 0.55 + 0.45 * np.cos(2 * np.pi * 2 * time)
    root = 262 * 2 ** (np.floor(time * 2) % 5 / 12)
    voices = sum(np.sin(2 * np.pi * root * interval * time) for interval in (1, 1.26, 1.5))
    return mulaw.encode((4000 * beat * voices).astype("<i2").tobytes())


def hears_a_person(call: Caller) -> bool:
    heard = np.frombuffer(mulaw.decode(call.hearing.audio(now_ms() - 500)), "<i2").astype(np.float64)
    if len(heard) < 2_000:
        return False
    turning = np.exp(-2j * np.pi * PERSON_HERTZ / RATE * np.arange(len(heard)))
    return bool(2 * np.abs(np.dot(heard, turning)) / len(heard) > 3_000)


async def reaches_somebody(market: Scenario, call: Caller, caller: str | None) -> CallStory:
    await call.listen(45, until=lambda: hears_a_person(call))
    assert hears_a_person(call), call.state
    await asyncio.sleep(1.1)
    await call.hang_up()
    story = await market.settled(call, caller=caller)
    assert story.outcome == "sold"
    return story


async def plays_music(market: Scenario) -> None:
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        await call.say(music(6))
        story = await reaches_somebody(market, call, invite.caller)
    assert not story.tags.get("loan_type")


async def presses_forty_keys(market: Scenario) -> None:
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        await call.press("9876#54*987" * 3 + "#######")
        await reaches_somebody(market, call, invite.caller)


async def says_nothing(market: Scenario) -> None:
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        story = await reaches_somebody(market, call, invite.caller)
    assert not story.tags.get("loan_type") and not story.tags.get("zip")


async def hangs_up_in_mid_word(market: Scenario, word: bytes) -> None:
    """Nobody can be reached any more; the call is over at once, and its row says so."""
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        assert await call.my_turn(10)
        await call.say(word[: len(word) // 2])
        await call.hang_up()
    story = await market.settled(call, caller=invite.caller)
    assert story.outcome == "abandoned" and not story.legs


async def talks_to_a_frozen_recogniser(market: Scenario, word: bytes) -> None:
    """It freezes in the question: the same question is asked by keys."""
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        (recogniser,) = market.node.children(SPEECH)
        os.kill(recogniser, signal.SIGSTOP)
        assert await call.my_turn(10)
        await call.say(word)
        assert await call.my_turn(20)
        await call.press("2")
        assert await call.my_turn(20)
        await call.press("90210")
        story = await reaches_somebody(market, call, invite.caller)
    assert (story.tags["loan_type"], story.tags["zip"]) == ("purchase", "90210")


async def talks_to_a_frozen_service(market: Scenario, word: bytes) -> None:
    """The whole service freezes in the question: the watchdog gives the call to survival."""
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        await asyncio.sleep(0.5)
        market.node.freeze(SPEECH)
        await call.say(word)
        story = await reaches_somebody(market, call, invite.caller)
    assert story.decisions[0].decided_by == "survival"


async def test_each_still_reaches_somebody(scenario: MakeScenario, published: Published, say: Say) -> None:
    published(FLOW)
    market = await scenario([BUYER], flow_name="patient", flow=FLOW)
    word = await say("refinance")
    await asyncio.gather(
        plays_music(market),
        presses_forty_keys(market),
        says_nothing(market),
        hangs_up_in_mid_word(market, word),
    )
    await talks_to_a_frozen_recogniser(market, word)
    await talks_to_a_frozen_service(market, word)
