"""A caller presses keys and is sold."""

from __future__ import annotations

import asyncio

from tests.calls.buyers import answers
from tests.calls.checks import assert_sold
from tests.calls.conftest import MakeScenario
from tests.calls.market import Wanted
from tollbridge.phone.caller import Caller


async def test_refinance_in_california_by_keys(scenario: MakeScenario) -> None:
    market = await scenario(
        [
            Wanted(name="Ohio only", behaviour=answers(), states=("OH",)),
            Wanted(name="Golden", behaviour=answers(), states=("CA",)),
        ]
    )
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        assert await call.my_turn(20)
        await call.press("1#")
        assert await call.my_turn(20)
        await call.press("22#")
        leg = await market.buyers["Golden"].wait_leg(ended=False, seconds=10)
        await asyncio.sleep(2)
        await call.hang_up()
    leg = await market.buyers["Golden"].wait_leg()
    story = await market.settled(call, caller=invite.caller)

    assert_sold(story, leg)
    assert [(answer.tag, answer.value, answer.source) for answer in story.answers] == [
        ("loan_type", "refinance", "keys"),
        ("state", "CA", "keys"),
    ]
    assert [passed.code for passed in story.decisions[0].passed] == ["unlicensed"]
    assert not market.buyers["Ohio only"].legs()
