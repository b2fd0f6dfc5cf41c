"""The speech process is down, frozen, or dies in a question: keys still work and the flow goes on."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from agi.speech.prompts import prompt_path
from ivr_flows.grammars import keypad_help
from tests.calls.buyers import answers
from tests.calls.checks import assert_sold
from tests.calls.conftest import MakeScenario
from tests.calls.market import Wanted
from tests.calls.node import SPEECH, Node
from tollbridge.phone.caller import Caller


@pytest.mark.parametrize("moment", ["down at arrival", "frozen at arrival", "killed in the first question"])
async def test_the_caller_answers_by_keys_and_is_sold(
    node: Node, scenario: MakeScenario, moment: str
) -> None:
    market = await scenario([Wanted(name="Golden", behaviour=answers(), states=("CA",))])
    if moment == "down at arrival":
        node.kill(SPEECH)
    if moment == "frozen at arrival":
        node.freeze(SPEECH)
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        if moment == "killed in the first question":
            # The notice lasts about five seconds; the first question has begun after seven.
            await asyncio.sleep(7)
            node.kill(SPEECH)
        assert await call.my_turn(30)
        await call.press("1")
        assert await call.my_turn(20)
        await call.press("22")
        await market.buyers["Golden"].wait_leg(ended=False, seconds=10)
        await asyncio.sleep(1.5)
        await call.hang_up()
    leg = await market.buyers["Golden"].wait_leg()
    story = await market.settled(call, caller=invite.caller)
    assert_sold(story, leg)
    assert [(answer.value, answer.source) for answer in story.answers] == [
        ("refinance", "keys"),
        ("CA", "keys"),
    ]
    # What told the keys was heard too, and can be proved.
    async with market.engine.connect() as connection:
        query = text("SELECT detail FROM call_events WHERE call_id = :id AND kind = 'prompts'")
        details = (await connection.execute(query, {"id": story.call_id})).scalars().all()
    played = {name for detail in details for name in detail["sounds"]}
    prompts_dir = market.node.layout.prompts_dir
    assert {prompt_path(prompts_dir, keypad_help(asked)).stem for asked in ("loan_type", "state")} <= played
