"""A flow is published while a caller is in it: that call goes on as it began, the next one goes the new way."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import text

from ivr_flows.publishing import Published as PublishedVersion
from ivr_flows.publishing import Saved
from tests.calls.buyers import answers
from tests.calls.checks import assert_sold
from tests.calls.conftest import MakeScenario, Published
from tests.calls.market import EVERYWHERE, Scenario, Wanted
from tollbridge.phone.caller import Caller
from web.audit import Actor
from web.flows import work

BUYER = Wanted(name="Everywhere", behaviour=answers(), states=EVERYWHERE)


def flow(version: str, key: str) -> dict[str, Any]:
    """A flow whose only way to a buyer is `key`."""
    return {
        "name": "changing",
        "entry": "mark",
        "nodes": {
            "mark": {"kind": "set_tag", "tag": "way", "value": version, "exits": {"next": "ready"}},
            "ready": {
                "kind": "menu",
                "prompt": "Press a key to go on.",
                "retry": "Press a key to go on.",
                "silence_seconds": 10,
                "choices": {"go": key},
                "exits": {"go": "last", "unanswered": "bye"},
            },
            "last": {"kind": "set_tag", "tag": "done", "value": version, "exits": {"next": "route"}},
            "route": {"kind": "route", "exits": {"no_buyer": "bye"}},
            "bye": {"kind": "hang_up"},
        },
    }


async def test_a_call_keeps_the_version_it_began_with(scenario: MakeScenario, published: Published) -> None:
    published(flow("old", "1"))
    market = await scenario([BUYER], flow_name="changing", flow=flow("old", "1"))
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        assert await call.my_turn(10)
        await _publish(market, flow("new", "2"))
        await _is_sold(market, call, "1", index=0)
    await _went(market, call, invite.caller, "old", version=1)

    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        assert await call.my_turn(10)
        await _is_sold(market, call, "2", index=1)
    await _went(market, call, invite.caller, "new", version=2)


async def _publish(market: Scenario, definition: dict[str, Any]) -> None:
    """As the flow editor does it: the draft is saved, then published."""
    folder, editor = market.node.layout.prompts_dir, Actor(user=None, name="editor")
    saved = await work.save(market.engine, folder, "changing", definition, seen=0, actor=editor)
    assert isinstance(saved, Saved)
    done = await work.publish(
        market.engine, folder, "changing", note="the new way", seen=saved.revision, actor=editor
    )
    assert isinstance(done, PublishedVersion)
    await market.node.market_is_live(tuple(market.seeded.target_ids.values()))


async def _is_sold(market: Scenario, call: Caller, key: str, *, index: int) -> None:
    await call.press(key)
    await market.buyers["Everywhere"].wait_leg(index=index, ended=False, seconds=10)
    await market.buyers["Everywhere"].wait_connected()
    await asyncio.sleep(1.2)
    await call.hang_up()


async def _went(market: Scenario, call: Caller, caller: str | None, way: str, *, version: int) -> None:
    story = await market.settled(call, caller=caller)
    leg = await market.buyers["Everywhere"].wait_leg(index=version - 1)
    assert_sold(story, leg)
    assert (story.tags["way"], story.tags["done"]) == (way, way)
    async with market.engine.connect() as connection:
        query = text("SELECT flow_version FROM calls WHERE id = :id")
        assert (await connection.execute(query, {"id": story.call_id})).scalar_one() == version
