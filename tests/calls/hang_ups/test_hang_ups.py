"""The caller hangs up in every phase; each time the call is closed, stored and billed as it was."""

from __future__ import annotations

import asyncio

from ivr_flows.library import load
from tests.calls.buyers import answers, answers_as_cancel_comes, hangs_up_first, never_answers
from tests.calls.checks import assert_balanced, assert_sold, assert_unsold
from tests.calls.conftest import MakeScenario
from tests.calls.market import EVERYWHERE, Scenario, Wanted
from tollbridge.phone.caller import Caller
from tollbridge.phone.sipp_log import BuyerLeg

DIRECT = {"flow_name": "direct", "flow": load("direct")}


async def rung(market: Scenario, name: str) -> None:
    await market.buyers[name].wait_leg(ended=False, seconds=10)


async def leg_of(market: Scenario, name: str) -> BuyerLeg:
    return await market.buyers[name].wait_leg()


async def test_in_a_prompt(scenario: MakeScenario) -> None:
    market = await scenario([Wanted(name="Buckeye", behaviour=answers(), states=EVERYWHERE)])
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.hears_sound(5)
        await asyncio.sleep(0.5)
        await call.hang_up()
    assert_unsold(await market.settled(call, caller=invite.caller), "abandoned")
    assert not market.buyers["Buckeye"].legs()


async def test_at_once_after_the_invite(scenario: MakeScenario) -> None:
    market = await scenario([Wanted(name="Buckeye", behaviour=answers(), states=EVERYWHERE)])
    invite = market.invite()
    async with Caller.dial(invite) as call:
        await call.cancel()
    story = await market.settled(call, caller=invite.caller)
    assert story.outcome in ("abandoned", "not_answered")
    assert_balanced(story)


async def test_while_the_buyer_rings(scenario: MakeScenario) -> None:
    market = await scenario([Wanted(name="Buckeye", behaviour=never_answers(), states=EVERYWHERE)], **DIRECT)
    invite = market.invite()
    async with Caller.dial(invite) as call:
        await rung(market, "Buckeye")
        await call.hang_up()
    assert (await leg_of(market, "Buckeye")).cancel_received_ms is not None
    assert_unsold(await market.settled(call, caller=invite.caller), "abandoned")


async def test_as_the_buyer_s_answer_crosses_our_cancel(scenario: MakeScenario) -> None:
    market = await scenario(
        [Wanted(name="Buckeye", behaviour=answers_as_cancel_comes(), states=EVERYWHERE)], **DIRECT
    )
    invite = market.invite()
    async with Caller.dial(invite) as call:
        await rung(market, "Buckeye")
        await call.hang_up()
    leg = await leg_of(market, "Buckeye")
    assert leg.answered_ms is not None and leg.bye_received_ms is not None
    story = await market.settled(call, caller=invite.caller)
    assert not story.converted and story.revenue_micros == 0
    assert_balanced(story)


async def test_one_second_after_the_answer_is_sold_but_does_not_pay(scenario: MakeScenario) -> None:
    wanted = Wanted(name="Buckeye", behaviour=answers(), states=EVERYWHERE, minimum_connected_ms=5_000)
    market = await scenario([wanted], **DIRECT)
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(10)
        await asyncio.sleep(1)
        await call.hang_up()
    leg = await leg_of(market, "Buckeye")
    assert_sold(await market.settled(call, caller=invite.caller), leg, converted=False)


async def test_after_the_minimum_pays(scenario: MakeScenario) -> None:
    market = await scenario([Wanted(name="Buckeye", behaviour=answers(), states=EVERYWHERE)], **DIRECT)
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(10)
        await asyncio.sleep(1.5)
        await call.hang_up()
    assert_sold(await market.settled(call, caller=invite.caller), await leg_of(market, "Buckeye"))


async def test_the_buyer_hangs_up_first(scenario: MakeScenario) -> None:
    market = await scenario(
        [Wanted(name="Buckeye", behaviour=hangs_up_first(talk_ms=1500), states=EVERYWHERE)], **DIRECT
    )
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(10)
        assert await call.ended(10)
    assert call.times.bye_received_ms is not None
    assert_sold(await market.settled(call, caller=invite.caller), await leg_of(market, "Buckeye"))


async def test_the_same_caller_again_does_not_pay_twice(scenario: MakeScenario) -> None:
    market = await scenario([Wanted(name="Buckeye", behaviour=answers(), states=EVERYWHERE)], **DIRECT)
    invite = market.invite()
    stories = []
    for _ in range(2):
        async with Caller.dial(invite) as call:
            assert await call.answered(10)
            await asyncio.sleep(1.3)
            await call.hang_up()
        stories.append(await market.settled(call, caller=invite.caller))
    first, second = stories
    assert first.call_id != second.call_id
    assert first.converted and not second.converted
    assert second.revenue_micros == 0 and second.outcome == "sold"
