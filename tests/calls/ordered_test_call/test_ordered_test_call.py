"""Somebody at a page orders a test call: the node's worker places it, tells it line by line, and it is sold."""

from __future__ import annotations

import asyncio

from ivr_flows.library import load
from tests.calls.buyers import hangs_up_first
from tests.calls.checks import assert_sold
from tests.calls.conftest import MakeScenario
from tests.calls.market import EVERYWHERE, Scenario, Wanted, a_caller
from tollbridge.call_story.queries import read_call
from web.audit import Actor, Via
from web.test_calls import order as ordering
from web.test_calls.order import Ordered, order
from web.test_calls.queries import TestCall, test_call_of

ADA = Actor(user=None, via=Via.COMMAND, name="ada")
SECONDS = 75


async def ordered(market: Scenario, **what: object) -> int:
    wanted = ordering.Wanted(dialled=market.number, caller=a_caller(), **what)  # type: ignore[arg-type]
    done = await order(market.engine, ADA, wanted)
    assert isinstance(done, Ordered), done
    return done.test_call_id


async def over(market: Scenario, test_call_id: int) -> tuple[TestCall, int]:
    """Wait for the end; return it, and how many lines had been told before."""
    told = 0
    async with asyncio.timeout(SECONDS):
        while True:
            async with market.engine.connect() as connection:
                found = await test_call_of(connection, test_call_id)
            assert found is not None
            if found.is_over:
                return found, told
            told = max(told, len(found.lines))
            await asyncio.sleep(0.1)


async def test_it_is_answered_by_keys_and_sold(scenario: MakeScenario) -> None:
    market = await scenario([Wanted(name="Golden", behaviour=hangs_up_first(talk_ms=1500), states=("CA",))])
    found, told = await over(market, await ordered(market, presses=("1#", "22#")))
    assert (found.state, found.problem, found.node) == ("done", "", "t")
    assert told >= 3, "lines came while it went on"
    assert any(line == "pressing 22#" for line in found.lines)
    assert found.call_id is not None
    story = await read_call(market.engine, found.call_id)
    assert story is not None
    # As real as any other: billed like one.
    assert_sold(story, await market.buyers["Golden"].wait_leg())


async def test_one_after_the_other(scenario: MakeScenario) -> None:
    market = await scenario(
        [Wanted(name="Buckeye", behaviour=hangs_up_first(talk_ms=1500), states=EVERYWHERE)],
        flow_name="direct",
        flow=load("direct"),
    )
    first, second = await ordered(market), await ordered(market)
    (one, _), (other, _) = await over(market, first), await over(market, second)
    assert one.state == other.state == "done"
    assert one.ended_at is not None and other.ended_at is not None and one.ended_at < other.ended_at
    legs = market.buyers["Buckeye"].legs()
    assert len(legs) == 2
    assert legs[0].ended_ms is not None and legs[1].invite_ms > 0
    assert legs[0].ended_ms < legs[1].invite_ms
