"""The buyer's person presses 1 before the caller is put through: an answering machine gets no call."""

from __future__ import annotations

import asyncio

import pytest

from ivr_flows.library import load
from tests.calls.buyers import Behaviour, answers, hangs_up_first, presses
from tests.calls.checks import assert_balanced, assert_sold, assert_unsold
from tests.calls.conftest import MakeScenario
from tests.calls.market import EVERYWHERE, PRICE_MICROS, Wanted
from tests.clocks import assert_clocks_agree
from tollbridge.phone.caller import Caller

DIRECT = {"flow_name": "direct", "flow": load("direct")}
PRESSED_AFTER_MS = 2_500


async def test_billed_from_the_key_on(scenario: MakeScenario) -> None:
    behaviour = presses("1", after_ms=PRESSED_AFTER_MS)
    wanted = Wanted(name="Person", behaviour=behaviour, states=EVERYWHERE, press_to_accept=True)
    market = await scenario([wanted], **DIRECT)
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(10)
        await asyncio.sleep(1.5)
        await call.hang_up()
    leg = await market.buyers["Person"].wait_leg()
    assert leg.answered_ms is not None and leg.connected_ms is not None
    story = await market.settled(call, caller=invite.caller)
    assert story.connected_ms is not None and call.times.answered_ms is not None
    # A key is over when its last packet has come: some 100 to 300 ms after it was pressed.
    assert PRESSED_AFTER_MS - 50 <= call.times.answered_ms - leg.answered_ms <= PRESSED_AFTER_MS + 400
    talked_ms = leg.connected_ms - (call.times.answered_ms - leg.answered_ms)
    assert_clocks_agree(story.connected_ms, talked_ms, within_ms=40)
    assert story.outcome == "sold" and story.revenue_micros == PRICE_MICROS
    assert story.evidence is not None and not story.evidence["alarm"]
    assert_balanced(story)


@pytest.mark.parametrize(
    "machine",
    [answers(), presses("2", after_ms=1_000), hangs_up_first(talk_ms=1_500)],
    ids=["says nothing", "presses 2", "hangs up"],
)
async def test_who_does_not_accept_has_not_taken_it(scenario: MakeScenario, machine: Behaviour) -> None:
    market = await scenario(
        [
            Wanted(name="Machine", behaviour=machine, states=EVERYWHERE, press_to_accept=True),
            Wanted(name="Second", behaviour=answers(), states=EVERYWHERE),
        ],
        **DIRECT,
    )
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(25)
        await asyncio.sleep(1.5)
        await call.hang_up()
    leg = await market.buyers["Second"].wait_leg()
    story = await market.settled(call, caller=invite.caller)
    assert_sold(story, leg)
    assert [(one.attempt, one.answered_ms is not None) for one in story.legs] == [(1, False), (2, True)]


async def test_a_caller_who_leaves_before_the_key_is_sold_to_nobody(scenario: MakeScenario) -> None:
    behaviour = presses("1", after_ms=PRESSED_AFTER_MS)
    wanted = Wanted(name="Person", behaviour=behaviour, states=EVERYWHERE, press_to_accept=True)
    market = await scenario([wanted], **DIRECT)
    invite = market.invite()
    async with Caller.dial(invite) as call:
        await market.buyers["Person"].wait_connected()
        await asyncio.sleep(0.5)
        await call.hang_up()
    await market.buyers["Person"].wait_leg(seconds=10)
    assert_unsold(await market.settled(call, caller=invite.caller), "abandoned")
