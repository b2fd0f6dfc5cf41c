"""Who asks not to be called is on the list from then on, with the evidence, and is sold to nobody."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.calls.buyers import answers
from tests.calls.checks import assert_unsold
from tests.calls.conftest import MakeScenario, Published, Say
from tests.calls.market import EVERYWHERE, Scenario, Wanted
from tests.sealed import index_of
from tollbridge.phone.caller import Caller

BUYER = Wanted(name="Everywhere", behaviour=answers(), states=EVERYWHERE)
FLOW: dict[str, Any] = {
    "name": "stoppable",
    "entry": "ready",
    "nodes": {
        "ready": {
            "kind": "ask",
            "tag": "owner",
            "grammar": "yes_no",
            "prompt": "Do you own your home?",
            "retry": "Do you own your home?",
            "exits": {"answered": "route", "unanswered": "route"},
        },
        "route": {"kind": "route", "exits": {"no_buyer": "bye"}},
        "bye": {"kind": "hang_up"},
    },
    "commands": {"keys": {"9": "stop_calling"}},
}


async def kept_of(market: Scenario, call_id: UUID, caller: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the request and the rule that blocks the caller."""
    async with market.engine.connect() as connection:
        request = await connection.execute(
            text("SELECT * FROM no_buyer_requests WHERE call_id = :id"), {"id": call_id}
        )
        rule = await connection.execute(
            text("SELECT * FROM blocked_callers WHERE caller_index = :caller"), {"caller": index_of(caller)}
        )
        return dict(request.mappings().one()), dict(rule.mappings().one())


@pytest.mark.parametrize("way", ["by key", "by voice"])
async def test_stop_calling_me(scenario: MakeScenario, published: Published, say: Say, way: str) -> None:
    published(FLOW)
    market = await scenario([BUYER], flow_name="stoppable", flow=FLOW)
    invite = market.invite()
    assert invite.caller is not None
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        assert await call.my_turn(10)
        await (call.press("9") if way == "by key" else call.say(await say("please remove my number")))
        assert await call.ended(15), "told that it is done, then hung up"
    story = await market.settled(call, caller=invite.caller)
    assert_unsold(story, "abandoned")
    request, rule = await kept_of(market, story.call_id, invite.caller)
    assert (request["kind"], request["caller_index"]) == ("do_not_call", index_of(invite.caller))
    assert request["campaign_id"] == market.seeded.campaign_id
    assert story.started_at <= request["created_at"] <= (story.ended_at or story.started_at)
    assert request["detail"]["node"] == "ready"
    said = request["detail"]["said"].lower()
    assert said == "9" if way == "by key" else "remove my number" in said
    assert (rule["kind"], rule["campaign_id"]) == ("number", None) and str(story.call_id) in rule["reason"]
    if way == "by key":
        await _is_sold_to_nobody(market, invite.caller)


async def _is_sold_to_nobody(market: Scenario, caller: str) -> None:
    await market.node.market_is_live(tuple(market.seeded.target_ids.values()))
    invite = market.invite(caller=caller)
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        assert await call.my_turn(10)
        await call.press("1")
        assert await call.ended(15)
    story = await market.settled(call, caller=caller)
    assert_unsold(story, "no_buyer")
    assert [passed.code for passed in story.decisions[0].passed] == ["blocked_caller"]
    assert not market.buyers["Everywhere"].legs()
