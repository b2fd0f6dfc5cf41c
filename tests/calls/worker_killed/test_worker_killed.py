"""The worker is killed again and again while calls end: every call is settled once, no posting lost or doubled."""

from __future__ import annotations

import asyncio
import random

from ivr_flows.library import load
from rules.places import STATES
from tests.calls.buyers import answers
from tests.calls.checks import assert_sold
from tests.calls.conftest import MakeScenario
from tests.calls.market import Scenario, Wanted
from tests.calls.node import WORKER, Node
from tollbridge.call_story.story import CallStory
from tollbridge.phone.caller import Caller

CALLS = 4
KILLS = 8


async def test_no_posting_is_lost_or_doubled(node: Node, scenario: MakeScenario) -> None:
    market = await scenario(
        [Wanted(name="Everywhere", behaviour=answers(), states=tuple(STATES))],
        flow_name="direct",
        flow=load("direct"),
    )
    moments = random.Random(7)
    calling = [asyncio.create_task(_call(market, seconds=1.2 + number * 0.4)) for number in range(CALLS)]
    for _ in range(KILLS):
        await asyncio.sleep(moments.uniform(0.2, 0.7))
        node.kill(WORKER)
        node.start(WORKER)
    await node.up(WORKER)
    settled = [await _settled(market, *await task) for task in calling]

    legs = market.buyers["Everywhere"].legs()
    assert len(legs) == CALLS
    for story in settled:
        assert story.caller is not None
        (leg,) = [leg for leg in legs if story.caller in leg.from_value]
        assert_sold(story, leg)


async def _call(market: Scenario, *, seconds: float) -> tuple[Caller, str]:
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(8)
        await asyncio.sleep(seconds)
        await call.hang_up()
    return call, invite.caller


async def _settled(market: Scenario, call: Caller, caller: str) -> CallStory:
    return await market.settled(call, caller=caller, seconds=20)
