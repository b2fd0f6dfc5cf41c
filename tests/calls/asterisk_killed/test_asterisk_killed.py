"""Asterisk is killed while two people talk: the call is closed from its last witness, and sold calls go on after."""

from __future__ import annotations

import asyncio
import os
import signal
import time

from ivr_flows.library import load
from rules.places import STATES
from tests.calls.buyers import answers
from tests.calls.checks import assert_balanced
from tests.calls.conftest import MakeScenario
from tests.calls.market import Wanted
from tests.calls.node import ASTERISK, Node
from tollbridge.phone.caller import Caller

HEARTBEAT_MS = 1_000
"""The heartbeat comes every half second; the last one may have been on its way."""


async def test_the_call_is_billed_to_the_last_sign_of_life(node: Node, scenario: MakeScenario) -> None:
    market = await scenario(
        [Wanted(name="Everywhere", behaviour=answers(), states=tuple(STATES))],
        flow_name="direct",
        flow=load("direct"),
    )
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(8)
        await asyncio.sleep(3)
        leg = await market.buyers["Everywhere"].wait_leg(ended=False)
        os.kill(node.asterisk_pid(), signal.SIGKILL)
        died_ms = time.time() * 1000
        await call.vanish()
    await node.up(ASTERISK)
    story = await market.settled(call, caller=invite.caller, seconds=30)

    assert leg.answered_ms is not None and story.connected_ms is not None
    true_ms = died_ms - leg.answered_ms
    assert true_ms - HEARTBEAT_MS <= story.connected_ms <= true_ms
    assert story.outcome == "sold" and story.converted
    assert story.evidence is not None and story.evidence["witness"] == "last_witness"
    assert_balanced(story)
