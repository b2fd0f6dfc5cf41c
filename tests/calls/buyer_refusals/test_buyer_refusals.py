"""The first buyer does not take the call: the next one gets it, and pays for its own time only."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from ivr_flows.library import load
from tests.calls.buyers import (
    Behaviour,
    answers,
    answers_as_cancel_comes,
    never_answers,
    refuses,
)
from tests.calls.checks import assert_balanced, assert_sold, assert_unsold
from tests.calls.conftest import MakeScenario
from tests.calls.market import EVERYWHERE, Wanted
from tollbridge.phone.caller import Caller

DIRECT = {"flow_name": "direct", "flow": load("direct")}

REFUSALS = {
    "486 busy": (refuses(486, "Busy Here"), 17),
    "480 unavailable": (refuses(480, "Temporarily Unavailable"), None),
    "503 overloaded": (refuses(503, "Service Unavailable"), None),
    "603 declined": (refuses(603, "Decline"), None),
    "rings for ever": (never_answers(), None),
    "answers too late": (answers(ring_ms=30_000), None),
    "answer crosses our CANCEL": (answers_as_cancel_comes(), None),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_the_next_target_takes_the_call(scenario: MakeScenario, name: str) -> None:
    behaviour, cause = REFUSALS[name]
    market = await scenario(
        [
            Wanted(name="First", behaviour=behaviour, states=EVERYWHERE, ring_timeout_seconds=3),
            Wanted(name="Second", behaviour=answers(), states=EVERYWHERE),
        ],
        **DIRECT,
    )
    invite = market.invite()
    async with AsyncExitStack() as stack:
        call = await stack.enter_async_context(Caller.dial(invite))
        await market.buyers["Second"].wait_connected(seconds=12)
        await asyncio.sleep(1.3)
        await call.hang_up()
    leg = await market.buyers["Second"].wait_leg()
    story = await market.settled(call, caller=invite.caller)

    assert_sold(story, leg)
    assert [one.attempt for one in story.legs] == [1, 2]
    assert story.legs[0].connected_ms == 0
    assert cause is None or story.legs[0].cause == cause
    assert story.target is not None and story.target.startswith("Second")


async def test_nobody_takes_it(scenario: MakeScenario) -> None:
    busy: Behaviour = refuses(486, "Busy Here")
    market = await scenario(
        [
            Wanted(name="First", behaviour=busy, states=EVERYWHERE),
            Wanted(name="Second", behaviour=busy, states=EVERYWHERE),
        ],
        **DIRECT,
    )
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(10), "the closing message is spoken"
        assert await call.ended(20)
    assert call.hearing.first_sound_ms is not None
    assert_unsold(await market.settled(call, caller=invite.caller), "not_answered")


async def test_a_late_answer_within_the_ring_time_is_sold(scenario: MakeScenario) -> None:
    wanted = Wanted(name="Slow", behaviour=answers(ring_ms=4_000), states=EVERYWHERE, ring_timeout_seconds=8)
    market = await scenario([wanted], **DIRECT)
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(10)
        await asyncio.sleep(1.3)
        await call.hang_up()
    leg = await market.buyers["Slow"].wait_leg()
    story = await market.settled(call, caller=invite.caller)
    assert_sold(story, leg)
    assert_balanced(story)
