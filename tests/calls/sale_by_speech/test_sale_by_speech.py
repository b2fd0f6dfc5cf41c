"""A caller says what they want and is sold; nobody touches a key."""

from __future__ import annotations

import asyncio

from tests.calls.buyers import answers
from tests.calls.checks import assert_sold
from tests.calls.conftest import MakeScenario, Say
from tests.calls.market import Wanted
from tollbridge.phone.caller import Caller


async def test_refinance_in_california_by_voice(scenario: MakeScenario, say: Say) -> None:
    words = [await say("refinance"), await say("california")]
    market = await scenario([Wanted(name="Golden", behaviour=answers(), states=("CA",))])
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        for clip in words:
            assert await call.my_turn(20)
            await call.say(clip)
        await market.buyers["Golden"].wait_leg(ended=False, seconds=10)
        await asyncio.sleep(2)
        ended_ms = call.hearing.last_sound_ms or 0
        await call.hang_up()
    leg = await market.buyers["Golden"].wait_leg()
    story = await market.settled(call, caller=invite.caller)

    assert_sold(story, leg)
    assert [(answer.tag, answer.value, answer.source) for answer in story.answers] == [
        ("loan_type", "refinance", "speech"),
        ("state", "CA", "speech"),
    ]
    assert all((answer.confidence or 0) > 0.5 for answer in story.answers)
    assert call.times.answered_ms is not None
    assert call.hearing.longest_silence_ms(call.times.answered_ms, ended_ms) <= 4_000


async def test_a_caller_may_talk_over_the_prompt(scenario: MakeScenario, say: Say) -> None:
    words = [await say("refinance"), await say("california")]
    market = await scenario([Wanted(name="Golden", behaviour=answers(), states=("CA",))])
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        assert await call.my_turn(20)
        await call.say(words[0])
        said_ms = call.hearing.last_sound_ms or 0
        # The next question has begun: speak into it, a second in.
        assert await call.hears_sound(10, since_ms=said_ms + 500)
        await asyncio.sleep(1)
        await call.say(words[1])
        await market.buyers["Golden"].wait_leg(ended=False, seconds=10)
        await call.hang_up()
    story = await market.settled(call, caller=invite.caller)
    assert story.tags.get("state") == "CA", story.answers
