"""Nobody takes the call: each campaign says what becomes of the caller, and nobody hears long nothing."""

from __future__ import annotations

import asyncio
import time
import wave
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from agi.channel import seconds_of
from ivr_flows.library import load
from tests.calls.buyers import answers, refuses
from tests.calls.checks import assert_sold, assert_unsold
from tests.calls.conftest import MakeScenario, Rendered, Say
from tests.calls.kept_sounds import kept_sound
from tests.calls.market import EVERYWHERE, Scenario, Wanted
from tests.calls.node import AGI
from tests.sealed import number_in
from tollbridge.phone.caller import Caller

DIRECT = {"flow_name": "direct", "flow": load("direct")}
BUSY = Wanted(name="Busy", behaviour=refuses(486, "Busy Here"), states=EVERYWHERE)
ELSEWHERE = Wanted(name="Elsewhere", behaviour=answers(), states=("CA",))
"""Not licensed for a caller from Ohio."""
NOTHING_MS = 4_000
WORDS = "All our lenders are at lunch. Call again at one."


async def request_of(market: Scenario, call_id: UUID) -> dict[str, Any] | None:
    """Return what the caller left, once the worker has stored it."""
    query = text("SELECT * FROM no_buyer_requests WHERE call_id = :call_id")
    async with market.engine.connect() as connection:
        row = (await connection.execute(query, {"call_id": call_id})).mappings().one_or_none()
    return None if row is None else {**row, "caller": number_in(row)}


def longest_silence_ms(call: Caller) -> float:
    assert call.times.answered_ms is not None and call.times.ended_ms is not None
    return call.hearing.longest_silence_ms(call.times.answered_ms, call.times.ended_ms)


@pytest.mark.parametrize("wanted", [BUSY, ELSEWHERE], ids=["all are busy", "none may take it"])
async def test_the_campaigns_own_message(scenario: MakeScenario, rendered: Rendered, wanted: Wanted) -> None:
    spoken_ms = seconds_of(rendered(WORDS)) * 1000
    market = await scenario([wanted], no_buyer={"treatment": "message", "text": WORDS}, **DIRECT)
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.ended(20)
    assert call.times.answered_ms is not None and call.times.ended_ms is not None
    assert abs(call.times.ended_ms - call.times.answered_ms - spoken_ms) < 700
    outcome = "not_answered" if wanted is BUSY else "no_buyer"
    assert_unsold(await market.settled(call, caller=invite.caller), outcome)


async def test_voicemail_is_kept_under_our_own_name_when_the_caller_hangs_up(
    scenario: MakeScenario, say: Say
) -> None:
    market = await scenario([BUSY], no_buyer={"treatment": "voicemail", "maximum_seconds": 30}, **DIRECT)
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(10)
        assert await call.my_turn(20)
        await call.say(await say("refinance"))
        await call.say(await say("refinance"))
        await asyncio.sleep(0.5)
        await call.hang_up()
    assert longest_silence_ms(call) <= NOTHING_MS
    story = await market.settled(call, caller=invite.caller)
    assert_unsold(story, "not_answered")
    left = await request_of(market, story.call_id)
    assert left is not None and left["kind"] == "voicemail"
    assert left["caller"] == invite.caller and left["campaign_id"] == market.seeded.campaign_id
    assert left["recording"] == f"{story.linkedid}.wav"
    plain = market.node.layout.voicemail_dir / left["recording"]
    with wave.open(await kept_sound(market.engine, story.call_id, plain)) as sound:
        seconds = sound.getnframes() / sound.getframerate()
    assert seconds > 1 and abs(seconds * 1000 - left["detail"]["length_ms"]) < 500


async def test_who_says_nothing_leaves_no_message(scenario: MakeScenario) -> None:
    market = await scenario([BUSY], no_buyer={"treatment": "voicemail"}, **DIRECT)
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(10)
        await asyncio.sleep(1)
        await call.hang_up()
    story = await market.settled(call, caller=invite.caller)
    assert await request_of(market, story.call_id) is None


@pytest.mark.parametrize("key", ["1", "2"])
async def test_only_who_presses_1_is_called_back(scenario: MakeScenario, key: str) -> None:
    market = await scenario([BUSY], no_buyer={"treatment": "call_back"}, **DIRECT)
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(10)
        await asyncio.sleep(1)
        await call.press(key)
        assert await call.ended(20)
    assert longest_silence_ms(call) <= NOTHING_MS
    story = await market.settled(call, caller=invite.caller)
    left = await request_of(market, story.call_id)
    if key == "2":
        assert left is None
        return
    assert left is not None and (left["kind"], left["caller"]) == ("call_back", invite.caller)
    assert left["detail"] == {"key": "1", "prompt": "tollbridge/call-back"}


async def test_one_who_hides_the_number_is_not_offered_a_call_back(scenario: MakeScenario) -> None:
    market = await scenario([BUSY], no_buyer={"treatment": "call_back"}, **DIRECT)
    async with Caller.dial(market.invite(caller=None)) as call:
        assert await call.answered(10)
        await call.press("1")
        assert await call.ended(20)
    story = await market.settled(call, caller=None)
    assert await request_of(market, story.call_id) is None


async def test_one_who_holds_gets_the_buyer_that_becomes_free(scenario: MakeScenario) -> None:
    market = await scenario(
        [Wanted(name="One", behaviour=answers(ring_ms=1_500), states=EVERYWHERE, concurrency_cap=1)],
        no_buyer={"treatment": "hold_and_retry", "every_seconds": 3, "tries": 20},
        **DIRECT,
    )
    first, second = market.invite(), market.invite()
    async with Caller.dial(first) as talking:
        assert await talking.answered(8)
        async with Caller.dial(second) as holding:
            assert await holding.answered(8), "the one who holds hears words and the chime"
            await asyncio.sleep(14)
            await talking.hang_up()
            leg = await market.buyers["One"].wait_leg(index=1, ended=False, seconds=12)
            await market.buyers["One"].wait_connected()
            await asyncio.sleep(1.4)
            assert holding.times.answered_ms is not None
            silence = holding.hearing.longest_silence_ms(holding.times.answered_ms, time.time() * 1000)
            assert silence <= NOTHING_MS
            await holding.hang_up()
    leg = await market.buyers["One"].wait_leg(index=1)
    assert_sold(await market.settled(holding, caller=second.caller), leg)


async def test_holding_ends_with_what_comes_then(scenario: MakeScenario, rendered: Rendered) -> None:
    rendered(WORDS)
    market = await scenario(
        [BUSY],
        no_buyer={
            "treatment": "hold_and_retry",
            "every_seconds": 3,
            "tries": 2,
            "then": {"treatment": "message", "text": WORDS},
        },
        **DIRECT,
    )
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.ended(50)
    assert longest_silence_ms(call) <= NOTHING_MS
    story = await market.settled(call, caller=invite.caller)
    assert_unsold(story, "not_answered")
    assert len(story.legs) == 3, "rung once, and once after each time of holding"


async def test_without_our_services_the_treatment_is_the_same(scenario: MakeScenario) -> None:
    market = await scenario([BUSY], no_buyer={"treatment": "call_back"}, **DIRECT)
    market.node.kill(AGI)
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(10)
        await asyncio.sleep(1)
        await call.press("1")
        assert await call.ended(20)
    story = await market.settled(call, caller=invite.caller)
    left = await request_of(market, story.call_id)
    assert left is not None and left["kind"] == "call_back"
