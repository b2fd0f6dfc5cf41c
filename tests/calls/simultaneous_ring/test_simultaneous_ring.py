"""Several buyers ring at once: the first to take the call has it and pays for its own time; the others are let go."""

from __future__ import annotations

import asyncio

from sqlalchemy import text

from ivr_flows.library import load
from tests.calls.buyers import answers, never_answers, presses, refuses
from tests.calls.checks import assert_balanced, assert_sold, assert_unsold
from tests.calls.conftest import MakeScenario
from tests.calls.market import EVERYWHERE, Scenario, Wanted
from tests.calls.node import AGI
from tests.clocks import assert_clocks_agree
from tollbridge.phone.caller import Caller

DIRECT = {"flow_name": "direct", "flow": load("direct")}
RELEASED_SECONDS = 1.5


async def held(market: Scenario) -> dict[str, int]:
    """Return the calls each target has now, by the beginning of its name."""
    async with market.engine.connect() as connection:
        rows = await connection.execute(text("SELECT key, used FROM cap_counters WHERE used > 0"))
        used = {row.key: int(row.used) for row in rows}
    names = {f"target:{number}:concurrency": name for name, number in market.seeded.target_ids.items()}
    return {names[key].split(" ")[0]: count for key, count in used.items() if key in names}


async def let_the_time_of_the_leases_be_over(market: Scenario) -> None:
    """As if the ring were two minutes past, and the worker had swept since."""
    async with market.engine.begin() as connection:
        await connection.execute(text("UPDATE leases SET expires_at = now() - interval '1 second'"))
    await asyncio.sleep(2.5)


async def test_the_first_to_answer_has_it_and_the_others_are_free_again(scenario: MakeScenario) -> None:
    market = await scenario(
        [
            Wanted(name="Slow", behaviour=answers(ring_ms=6_000), states=EVERYWHERE),
            Wanted(name="Quick", behaviour=answers(ring_ms=700), states=EVERYWHERE),
            Wanted(name="Deaf", behaviour=never_answers(), states=EVERYWHERE),
        ],
        simultaneous=3,
        **DIRECT,
    )
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(10)
        await asyncio.sleep(RELEASED_SECONDS)
        assert await held(market) == {"Quick": 1}
        assert await call.hears_sound(2), "the buyer is heard"
        await let_the_time_of_the_leases_be_over(market)
        assert await held(market) == {"Quick": 1}, "who talks keeps its room"
        await asyncio.sleep(1)
        await call.hang_up()
    leg = await market.buyers["Quick"].wait_leg()
    story = await market.settled(call, caller=invite.caller)
    assert_sold(story, leg)
    assert story.target is not None and story.target.startswith("Quick")
    assert [(one.attempt, one.answered_ms is not None) for one in story.legs] == [
        (1, False),
        (2, True),
        (3, False),
    ]
    for name in ("Slow", "Deaf"):
        loser = await market.buyers[name].wait_leg()
        assert loser.answered_ms is None and loser.cancel_received_ms is not None
    assert invite.caller is not None and invite.caller.strip("+") in leg.from_value
    assert await held(market) == {}


async def test_a_machine_that_picks_up_first_does_not_keep_it_from_a_person(scenario: MakeScenario) -> None:
    machine, person = answers(ring_ms=200), presses("1", after_ms=1_500, ring_ms=1_500)
    market = await scenario(
        [
            Wanted(name="Machine", behaviour=machine, states=EVERYWHERE, press_to_accept=True),
            Wanted(name="Person", behaviour=person, states=EVERYWHERE, press_to_accept=True),
        ],
        simultaneous=2,
        **DIRECT,
    )
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(10)
        await asyncio.sleep(1.5)
        await call.hang_up()
    leg = await market.buyers["Person"].wait_leg()
    story = await market.settled(call, caller=invite.caller)
    assert story.outcome == "sold" and story.converted
    assert story.target is not None and story.target.startswith("Person")
    assert leg.connected_ms is not None and leg.answered_ms is not None
    assert call.times.answered_ms is not None and story.connected_ms is not None
    talked_ms = leg.connected_ms - (call.times.answered_ms - leg.answered_ms)
    assert_clocks_agree(story.connected_ms, talked_ms, within_ms=60)
    assert [one.connected_ms > 0 for one in story.legs] == [False, True]
    assert_balanced(story)


async def test_when_all_refuse_the_next_are_rung(scenario: MakeScenario) -> None:
    market = await scenario(
        [
            Wanted(name="First", behaviour=refuses(486, "Busy Here"), states=EVERYWHERE),
            Wanted(name="Second", behaviour=refuses(603, "Decline"), states=EVERYWHERE),
            Wanted(name="Third", behaviour=answers(), states=EVERYWHERE),
        ],
        simultaneous=2,
        **DIRECT,
    )
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(10)
        await asyncio.sleep(1.5)
        await call.hang_up()
    leg = await market.buyers["Third"].wait_leg()
    story = await market.settled(call, caller=invite.caller)
    assert_sold(story, leg)
    assert [one.attempt for one in story.legs] == [1, 2, 3]


async def test_a_caller_who_leaves_while_all_ring(scenario: MakeScenario) -> None:
    deaf = never_answers()
    market = await scenario(
        [Wanted(name=name, behaviour=deaf, states=EVERYWHERE) for name in ("First", "Second")],
        simultaneous=2,
        **DIRECT,
    )
    invite = market.invite()
    async with Caller.dial(invite) as call:
        for name in ("First", "Second"):
            await market.buyers[name].wait_leg(ended=False, seconds=10)
        await call.hang_up()
    assert_unsold(await market.settled(call, caller=invite.caller), "abandoned")
    assert await held(market) == {}


async def test_without_our_services_they_ring_at_once_too(scenario: MakeScenario) -> None:
    market = await scenario(
        [
            Wanted(name="Deaf", behaviour=never_answers(), states=EVERYWHERE),
            Wanted(
                name="Person",
                behaviour=presses("1", after_ms=1_500),
                states=EVERYWHERE,
                press_to_accept=True,
            ),
        ],
        simultaneous=2,
        **DIRECT,
    )
    market.node.kill(AGI)
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(10)
        await asyncio.sleep(1.5)
        await call.hang_up()
    story = await market.settled(call, caller=invite.caller)
    assert story.outcome == "sold" and story.converted
    assert [decided.decided_by for decided in story.decisions] == ["survival"]
    assert [(one.attempt, one.answered_ms is not None) for one in story.legs] == [(1, False), (2, True)]
