"""Callers who hide their number, however the carrier says so: no number of them is known."""

from __future__ import annotations

import pytest

from ivr_flows.library import load
from tests.calls.buyers import answers
from tests.calls.conftest import MakeScenario
from tests.calls.market import EVERYWHERE, Wanted
from tollbridge.phone.caller import Caller

DIRECT = {"flow_name": "direct", "flow": load("direct")}
BUYER = Wanted(name="Everywhere", behaviour=answers(), states=EVERYWHERE)


async def test_carriers_words_for_withheld_are_no_number(scenario: MakeScenario) -> None:
    market = await scenario([BUYER], **DIRECT)
    for written in ("+266696687", "anonymous", "+7378742833"):
        async with Caller.dial(market.invite(caller=written)) as call:
            assert await call.answered(8)
            await call.hang_up()
        story = await market.settled(call, caller=None)
        assert (story.caller, story.outcome) == (None, "sold"), written


@pytest.mark.parametrize("privacy", ["id", "id;critical"])
async def test_a_number_whose_showing_is_not_allowed_is_withheld(
    scenario: MakeScenario, privacy: str
) -> None:
    market = await scenario([BUYER], **DIRECT)
    invite = market.invite()
    told = (("Privacy", privacy), ("P-Asserted-Identity", f"<sip:{invite.caller}@127.0.0.1>"))
    async with Caller.dial(market.invite(caller=invite.caller, headers=told)) as call:
        assert await call.answered(8)
        await call.hang_up()
    assert (await market.settled(call, caller=None)).caller is None
