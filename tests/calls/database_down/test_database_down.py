"""PostgreSQL is away when the call arrives and when it ends: sold from the snapshot, settled when it is back."""

from __future__ import annotations

import asyncio

from tests.calls.buyers import answers
from tests.calls.checks import assert_sold
from tests.calls.conftest import MakeScenario
from tests.calls.market import Wanted
from tests.calls.node import AGI, FAST, Node
from tollbridge.phone.caller import Caller
from tollbridge.postgres import start_embedded_postgres, stop_embedded_postgres


async def test_the_call_is_sold_from_the_snapshot_and_settled_later(
    node: Node, scenario: MakeScenario
) -> None:
    market = await scenario([Wanted(name="Golden", behaviour=answers(), states=("CA",))])
    assert stop_embedded_postgres(node.layout.postgres_dir)
    try:
        # A fresh agi has no market but the one on disk.
        node.kill(AGI)
        await node.up(AGI)
        invite = market.invite()
        async with Caller.dial(invite) as call:
            assert await call.answered(5)
            assert await call.my_turn(20)
            await call.press("1")
            assert await call.my_turn(20)
            await call.press("22")
            await market.buyers["Golden"].wait_leg(ended=False, seconds=10)
            await asyncio.sleep(1.5)
            await call.hang_up()
        leg = await market.buyers["Golden"].wait_leg()
    finally:
        start_embedded_postgres(node.layout.postgres_dir, FAST)
    story = await market.settled(call, caller=invite.caller, seconds=20)
    assert_sold(story, leg)
    assert [decided.decided_by for decided in story.decisions] == ["router"]
    assert story.tags == {"loan_type": "refinance", "state": "CA", "state_source": "stated"}
