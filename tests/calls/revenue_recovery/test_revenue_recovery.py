"""A buyer who hangs up at once loses the call to the next, while the caller hears ringing."""

from __future__ import annotations

import asyncio
import time

from ivr_flows.library import load
from tests.calls.buyers import answers, hangs_up_first
from tests.calls.checks import assert_balanced, assert_sold
from tests.calls.conftest import MakeScenario
from tests.calls.market import EVERYWHERE, PRICE_MICROS, Wanted
from tests.clocks import assert_clocks_agree
from tollbridge.phone.caller import Caller

DIRECT = {"flow_name": "direct", "flow": load("direct")}
NOTHING_MS = 4_000
RECOVERIES_MAXIMUM = 5


async def test_the_next_buyer_has_the_call_and_pays_for_its_own_time(scenario: MakeScenario) -> None:
    """The first one's terms would have had it pay for 1.5 seconds: one call is billed once, to the one who kept it."""
    market = await scenario(
        [
            Wanted(
                name="Dropper", behaviour=hangs_up_first(talk_ms=1_500), states=EVERYWHERE, recovery_seconds=3
            ),
            Wanted(name="Second", behaviour=answers(ring_ms=2_500), states=EVERYWHERE),
        ],
        **DIRECT,
    )
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(8)
        dropped = await market.buyers["Dropper"].wait_leg()
        second = await market.buyers["Second"].wait_connected()
        assert dropped.ended_ms is not None and second.answered_ms is not None
        await asyncio.sleep(1.3)
        ringing = call.hearing.audio(dropped.ended_ms + 300, second.answered_ms - 100)
        assert len(ringing) > 8_000, "the caller is sent ringing between the two"
        assert call.hearing.longest_silence_ms(dropped.ended_ms, time.time() * 1000) <= NOTHING_MS
        await call.hang_up()
    leg = await market.buyers["Second"].wait_leg()
    story = await market.settled(call, caller=invite.caller)
    assert_sold(story, leg)
    assert story.target is not None and story.target.startswith("Second")
    assert [one.attempt for one in story.legs] == [1, 2]
    assert story.evidence is not None and story.evidence["dropped_attempts"] == [1]


async def test_one_who_stayed_long_enough_keeps_the_call(scenario: MakeScenario) -> None:
    market = await scenario(
        [
            Wanted(
                name="Patient", behaviour=hangs_up_first(talk_ms=2_500), states=EVERYWHERE, recovery_seconds=1
            ),
            Wanted(name="Second", behaviour=answers(), states=EVERYWHERE),
        ],
        **DIRECT,
    )
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.ended(10)
    leg = await market.buyers["Patient"].wait_leg()
    assert_sold(await market.settled(call, caller=invite.caller), leg)
    assert not market.buyers["Second"].legs()


async def test_a_buyer_whose_terms_say_so_pays_for_a_dropped_call(scenario: MakeScenario) -> None:
    market = await scenario(
        [Wanted(name="Only", behaviour=hangs_up_first(talk_ms=1_500), states=EVERYWHERE, recovery_seconds=5)],
        **DIRECT,
    )
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.ended(20), "the caller is told that there is nobody else"
    leg = await market.buyers["Only"].wait_leg()
    story = await market.settled(call, caller=invite.caller)
    assert story.connected_ms is not None and leg.connected_ms is not None
    assert_clocks_agree(story.connected_ms, leg.connected_ms)
    assert story.converted and story.revenue_micros == PRICE_MICROS
    assert_balanced(story)


async def test_five_times_at_most(scenario: MakeScenario) -> None:
    names = [f"Dropper{number}" for number in range(1, 8)]
    quick = hangs_up_first(talk_ms=400, ring_ms=50)
    market = await scenario(
        [Wanted(name=name, behaviour=quick, states=EVERYWHERE, recovery_seconds=5) for name in names],
        maximum_attempts=20,
        **DIRECT,
    )
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.ended(30)
    story = await market.settled(call, caller=invite.caller)
    rung = [name for name in names if market.buyers[name].legs()]
    assert rung == names[: RECOVERIES_MAXIMUM + 1]
    assert not story.converted, "nobody talked for as long as the terms want"
