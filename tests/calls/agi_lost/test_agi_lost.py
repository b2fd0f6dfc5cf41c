"""The agi process dies, is absent or freezes: the call is sold all the same, and nobody hears long nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from sqlalchemy import text

from ivr_flows.library import load
from router.domain.last_known import digest_of_caller
from router.last_known_file import read_last_known
from rules.places import STATES
from tests.calls.buyers import answers
from tests.calls.checks import assert_sold
from tests.calls.conftest import MakeScenario
from tests.calls.long_tags import TAGS_1000, with_tags
from tests.calls.market import Scenario, Wanted
from tests.calls.node import AGI, Node
from tests.sealed import hex_of
from tollbridge.call_story.story import CallStory
from tollbridge.phone.caller import Caller

NOTHING_MS = 4_000
Harm = Callable[[Node], None]
KILLED: Harm = lambda node: node.kill(AGI)  # noqa: E731
FROZEN: Harm = lambda node: node.freeze(AGI)  # noqa: E731


def now_ms() -> float:
    return time.time() * 1000


async def test_killed_while_two_people_talk_the_call_goes_on_and_bills_right(
    node: Node, scenario: MakeScenario
) -> None:
    market = await scenario(
        [Wanted(name="Everywhere", behaviour=answers(), states=tuple(STATES))],
        flow_name="direct",
        flow=load("direct"),
    )
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(8)
        await asyncio.sleep(1)
        node.kill(AGI)
        killed_ms = now_ms()
        await asyncio.sleep(1.5)
        assert await call.hears_sound(1, since_ms=killed_ms + 1_000)
        await call.hang_up()
    leg = await market.buyers["Everywhere"].wait_leg()
    assert leg.connected_ms is not None and leg.connected_ms > 2_400
    assert_sold(await market.settled(call, caller=invite.caller), leg)


@pytest.mark.parametrize("harm", [KILLED, FROZEN], ids=["killed", "frozen"])
async def test_lost_at_arrival_the_survival_script_sells_by_the_area_code(
    node: Node, scenario: MakeScenario, harm: Harm
) -> None:
    market = await scenario([Wanted(name="Ohio", behaviour=answers(), states=("OH",))])
    harm(node)
    story = await _sold_by_survival(market, silent_until_ringing=True)
    assert story.tags["state"] == "OH"
    assert [decided.decided_by for decided in story.decisions] == ["survival"]


@pytest.mark.parametrize("harm", [KILLED, FROZEN], ids=["killed", "frozen"])
async def test_lost_in_the_ivr_the_survival_script_sells_with_the_answers_so_far(
    node: Node, scenario: MakeScenario, harm: Harm
) -> None:
    """The refinance desk would be refused had the first answer been forgotten, also when it is one of many."""
    market = await scenario(
        [
            Wanted(name="Purchases", behaviour=answers(), states=("OH",), loan_types=("purchase",)),
            Wanted(name="Refinances", behaviour=answers(), states=("OH",), loan_types=("refinance",)),
        ],
        flow_name="many-tags",
        flow=with_tags(load("mortgage"), TAGS_1000),
    )
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        assert await call.my_turn(20)
        pressed_ms = await call.press("1")
        assert await call.hears_sound(5, since_ms=pressed_ms + 300)
        harm(node)
        if harm is FROZEN:
            # The question goes on without us; it is the answer to it that nobody takes.
            assert await call.my_turn(20)
            pressed_ms = await call.press("22")
        leg = await market.buyers["Refinances"].wait_leg(ended=False, seconds=20)
        assert await call.hears_sound(5, since_ms=leg.answered_ms or 0)
        await asyncio.sleep(1.5)
        assert call.hearing.longest_silence_ms(pressed_ms, now_ms()) <= NOTHING_MS
        await call.hang_up()
    leg = await market.buyers["Refinances"].wait_leg()
    story = await market.settled(call, caller=invite.caller)
    assert_sold(story, leg)
    assert story.decisions[0].decided_by == "survival"
    assert story.tags == {**TAGS_1000, "loan_type": "refinance", "state": "OH", "state_source": "area_code"}


async def _sold_by_survival(market: Scenario, *, silent_until_ringing: bool) -> CallStory:
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.ringing(NOTHING_MS / 1000)
        assert await call.answered(8)
        await asyncio.sleep(1.5)
        await call.hang_up()
    leg = await market.buyers["Ohio"].wait_leg()
    story = await market.settled(call, caller=invite.caller)
    assert_sold(story, leg)
    return story


async def test_a_caller_whom_a_buyer_suppresses_is_not_rung_by_the_survival_script(
    node: Node, scenario: MakeScenario
) -> None:
    market = await scenario(
        [
            Wanted(name="First", behaviour=answers(), states=("OH",)),
            Wanted(name="Second", behaviour=answers(), states=("OH",)),
        ]
    )
    invite = market.invite()
    await suppress(market, "First", invite.caller)
    node.kill(AGI)
    async with Caller.dial(invite) as call:
        assert await call.answered(8)
        await asyncio.sleep(1.5)
        await call.hang_up()
    story = await market.settled(call, caller=invite.caller)
    assert_sold(story, await market.buyers["Second"].wait_leg())
    (decided,) = story.decisions
    assert decided.decided_by == "survival"
    assert [one.code for one in decided.passed] == ["suppressed"]
    assert decided.not_known.startswith(
        "the database did not answer; went by what was known last: suppressed"
    )


async def suppress(market: Scenario, buyer: str, caller: str | None) -> None:
    """Put a caller on a buyer's list, and wait until the agi process has filed it."""
    assert caller is not None
    columns = "buyer_id, caller_sealed, caller_index"
    values = f"SELECT buyer_id, {hex_of(caller)} FROM targets WHERE id = :id"
    names = {name.split(" ")[0]: number for name, number in market.seeded.target_ids.items()}
    async with market.engine.begin() as connection:
        await connection.execute(
            text(f"INSERT INTO buyer_suppressions ({columns}) {values}"), {"id": names[buyer]}
        )
    file = market.node.layout.snapshot_file
    for _ in range(300):
        known = read_last_known(file)
        listed = known.suppressed
        if listed is not None and [*listed.find(digest_of_caller(caller, known.caller_key))]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the list is not filed after 30 s")
