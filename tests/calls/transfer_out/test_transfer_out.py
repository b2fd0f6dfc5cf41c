"""A flow rings a fixed number over the trunk: nobody's sale, and the call needs none of our services any more."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tests.calls.buyers import Behaviour, answers, hangs_up_first, refuses
from tests.calls.checks import assert_balanced, assert_sold
from tests.calls.conftest import MakeScenario, Published
from tests.calls.market import EVERYWHERE, Scenario, Wanted
from tests.calls.node import AGI
from tests.clocks import assert_clocks_agree
from tollbridge.phone.caller import Caller
from tollbridge.phone.sipp_buyer import SippBuyer

NUMBER = "+16145550142"
BUYER = Wanted(name="Everywhere", behaviour=answers(), states=EVERYWHERE)
FLOW: dict[str, Any] = {
    "name": "desk",
    "entry": "desk",
    "nodes": {
        "desk": {"kind": "transfer", "number": NUMBER, "ring_seconds": 8, "exits": {"failed": "route"}},
        "route": {"kind": "route", "exits": {"no_buyer": "bye"}},
        "bye": {"kind": "hang_up"},
    },
}


async def market_of(scenario: MakeScenario, published: Published) -> Scenario:
    published(FLOW)
    return await scenario([BUYER], flow_name="desk", flow=FLOW)


def the_desk(behaviour: Behaviour, folder: Path, port: int) -> Any:
    return SippBuyer.playing(behaviour.scenario, folder, name="desk", port=port, values=behaviour.values)


async def test_the_desk_answers(
    scenario: MakeScenario, published: Published, tmp_path: Path, trunk_port: int
) -> None:
    market = await market_of(scenario, published)
    invite = market.invite()
    async with the_desk(hangs_up_first(talk_ms=2_500), tmp_path, trunk_port) as desk:
        async with Caller.dial(invite) as call:
            assert await call.answered(8)
            await desk.wait_connected()
            market.node.kill(AGI)
            assert await call.ended(8), "the desk hung up: there is nobody to sell the call to any more"
        leg = await desk.wait_leg()
    assert leg.request_uri.startswith(f"sip:{NUMBER}@127.0.0.1")
    assert not market.buyers["Everywhere"].legs()
    story = await market.settled(call, caller=invite.caller)
    assert story.outcome == "transferred" and story.legs == () and story.buyer is None
    assert story.revenue_micros == 0 and story.payout_micros == 0
    assert_balanced(story)
    async with market.engine.connect() as connection:
        query = text("SELECT kind, node, detail FROM call_events WHERE call_id = :id ORDER BY id")
        rows = (await connection.execute(query, {"id": story.call_id})).all()
    said = {row.kind: row for row in rows}
    assert (said["transfer"].node, said["transfer"].detail) == ("desk", {"number": NUMBER})
    talked = said["transferred"].detail
    assert talked["number"] == NUMBER and leg.connected_ms is not None
    assert_clocks_agree(talked["ended_ms"] - talked["answered_ms"], leg.connected_ms, within_ms=50)


async def test_the_desk_is_busy_and_the_flow_goes_on(
    scenario: MakeScenario, published: Published, tmp_path: Path, trunk_port: int
) -> None:
    market = await market_of(scenario, published)
    invite = market.invite()
    async with the_desk(refuses(486, "Busy Here"), tmp_path, trunk_port), Caller.dial(invite) as call:
        await market.buyers["Everywhere"].wait_leg(ended=False, seconds=10)
        await market.buyers["Everywhere"].wait_connected()
        await asyncio.sleep(1.2)
        await call.hang_up()
    leg = await market.buyers["Everywhere"].wait_leg()
    assert_sold(await market.settled(call, caller=invite.caller), leg)


async def test_a_number_abroad_rings_nobody_and_the_flow_goes_on(
    scenario: MakeScenario, published: Published
) -> None:
    """The flow was published when the number was listed; it is not any more."""
    desk = {**FLOW["nodes"]["desk"], "number": "+18765550142"}
    flow = {**FLOW, "nodes": {**FLOW["nodes"], "desk": desk}}
    published(flow)
    market = await scenario([BUYER], flow_name="desk", flow=flow)
    invite = market.invite()
    async with Caller.dial(invite) as call:
        await market.buyers["Everywhere"].wait_connected()
        await asyncio.sleep(1.2)
        await call.hang_up()
    leg = await market.buyers["Everywhere"].wait_leg()
    story = await market.settled(call, caller=invite.caller)
    assert_sold(story, leg)
    async with market.engine.connect() as connection:
        query = text("SELECT detail FROM call_events WHERE call_id = :id AND kind = 'transfer'")
        detail = await connection.scalar(query, {"id": story.call_id})
    assert detail["number"] == "+18765550142" and "the area code 876" in detail["refused"]
