"""A caller's telephone loses its network in mid-call: nobody says BYE, and the bill does not run for ever."""

from __future__ import annotations

import asyncio

import pytest

from ivr_flows.library import load
from tests.calls.buyers import answers
from tests.calls.checks import assert_sold
from tests.calls.conftest import MakeScenario
from tests.calls.market import EVERYWHERE, Wanted
from tollbridge.phone.caller import Caller

RTP_TIMEOUT_SECONDS = 30


@pytest.mark.timeout(150)
async def test_the_call_ends_when_no_sound_has_come_for_half_a_minute(scenario: MakeScenario) -> None:
    market = await scenario(
        [Wanted(name="Buckeye", behaviour=answers(), states=EVERYWHERE)],
        flow_name="direct",
        flow=load("direct"),
    )
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(10)
        await asyncio.sleep(1)
        await call.vanish()
    leg = await market.buyers["Buckeye"].wait_leg(seconds=RTP_TIMEOUT_SECONDS + 25)
    story = await market.settled(call, caller=invite.caller)
    assert leg.ended_ms is not None and call.times.vanished_ms is not None
    assert leg.ended_ms - call.times.vanished_ms < (RTP_TIMEOUT_SECONDS + 10) * 1000
    assert_sold(story, leg)
