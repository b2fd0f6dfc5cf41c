"""A caller who says nothing is neither trapped nor dropped: the area code says where they are."""

from __future__ import annotations

import asyncio
import random

from tests.calls.buyers import answers
from tests.calls.checks import assert_sold
from tests.calls.conftest import MakeScenario
from tests.calls.market import Wanted, a_caller
from tollbridge.phone.caller import Caller

NOISE = random.Random(7).randbytes(16_000)
"""Two seconds of loud random mu-law: hiss, no speech."""


async def test_a_silent_caller_from_ohio_is_sold_to_ohio_s_lender(scenario: MakeScenario) -> None:
    market = await scenario(
        [
            Wanted(name="Golden", behaviour=answers(), states=("CA",)),
            Wanted(name="Buckeye", behaviour=answers(), states=("OH",)),
        ]
    )
    invite = market.invite(caller=a_caller("614"))
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        await market.buyers["Buckeye"].wait_leg(ended=False, seconds=100)
        sale_ms = market.buyers["Buckeye"].legs()[0].invite_ms
        await asyncio.sleep(1.5)
        await call.hang_up()
    leg = await market.buyers["Buckeye"].wait_leg()
    story = await market.settled(call, caller=invite.caller)

    assert_sold(story, leg)
    by_tag = {answer.tag: answer for answer in story.answers}
    assert by_tag["state"].source == "area_code" and by_tag["state"].value == "OH"
    assert (story.tags["state"], story.tags["state_source"]) == ("OH", "area_code")
    assert by_tag["loan_type"].value is None
    assert not market.buyers["Golden"].legs()
    assert call.times.answered_ms is not None
    # A question waits some seconds for an answer: that is the caller's silence, not ours.
    assert call.hearing.longest_silence_ms(call.times.answered_ms, sale_ms) < 8_000


async def test_wrong_keys_and_noise_neither_trap_nor_drop_a_caller(scenario: MakeScenario) -> None:
    market = await scenario([Wanted(name="Buckeye", behaviour=answers(), states=("OH",))])
    invite = market.invite(caller=a_caller("614"))
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        for _ in range(3):
            assert await call.my_turn(25)
            await call.press("9")
        for _ in range(2):
            assert await call.my_turn(25)
            await call.say(NOISE)
        assert await call.my_turn(25)
        await call.press("11")
        await market.buyers["Buckeye"].wait_leg(ended=False, seconds=15)
        await asyncio.sleep(1.5)
        await call.hang_up()
    story = await market.settled(call, caller=invite.caller)
    assert_sold(story, await market.buyers["Buckeye"].wait_leg())
    assert [(answer.tag, answer.value, answer.source) for answer in story.answers] == [
        ("loan_type", None, "none"),
        ("state", "OH", "area_code"),
    ]
