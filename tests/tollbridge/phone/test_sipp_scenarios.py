"""The telephone against SIPp's buyers: each ending as each side's clock has it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.calls.buyers import SCENARIOS as TEST_SCENARIOS
from tests.clocks import assert_clocks_agree
from tollbridge.phone.caller import Caller, CallState
from tollbridge.phone.dialogue import Invite
from tollbridge.phone.sipp_buyer import SCENARIOS, SippBuyer


def invite(buyer: SippBuyer) -> Invite:
    return Invite(switch=("127.0.0.1", buyer.port), dialled="buyer", caller="+16145550123")


async def test_talk_and_hang_up_are_timed_alike_by_both_clocks(tmp_path: Path) -> None:
    async with SippBuyer.playing(
        SCENARIOS / "answer.xml", tmp_path, name="b", values={"RING_MS": "100"}
    ) as buyer:
        async with Caller.dial(invite(buyer)) as call:
            assert await call.answered(5)
            assert await call.hears_sound(2)
            await asyncio.sleep(1)
            await call.hang_up()
        leg = await buyer.wait_leg()
    assert call.state is CallState.HUNG_UP
    assert call.times.answered_ms is not None and call.times.bye_sent_ms is not None
    assert leg.answered_ms is not None and leg.bye_received_ms is not None
    assert_clocks_agree(call.times.answered_ms, leg.answered_ms)
    assert_clocks_agree(call.times.bye_sent_ms, leg.bye_received_ms)


async def test_the_other_side_may_hang_up_first(tmp_path: Path) -> None:
    values = {"RING_MS": "50", "TALK_MS": "300"}
    scenario = TEST_SCENARIOS / "hangs_up_first.xml"
    async with (
        SippBuyer.playing(scenario, tmp_path, name="b", values=values) as buyer,
        Caller.dial(invite(buyer)) as call,
    ):
        assert await call.answered(5)
        assert await call.ended(5)
        assert call.times.bye_received_ms is not None and call.times.bye_sent_ms is None


@pytest.mark.parametrize(("status", "reason"), [("486", "Busy Here"), ("503", "Service Unavailable")])
async def test_a_refusal_is_acknowledged_and_reported(tmp_path: Path, status: str, reason: str) -> None:
    values = {"STATUS": status, "REASON": reason}
    async with (
        SippBuyer.playing(SCENARIOS / "refuse.xml", tmp_path, name="b", values=values) as buyer,
        Caller.dial(invite(buyer)) as call,
    ):
        assert not await call.answered(5)
        assert (call.state, call.status, call.reason) == (CallState.REFUSED, int(status), reason)
        assert (await buyer.wait_leg()).acknowledged_ms is not None


async def test_hanging_up_while_it_rings_cancels(tmp_path: Path) -> None:
    scenario = TEST_SCENARIOS / "no_answer.xml"
    async with (
        SippBuyer.playing(scenario, tmp_path, name="b") as buyer,
        Caller.dial(invite(buyer)) as call,
    ):
        assert await call.ringing(5)
        await call.hang_up()
        assert (call.state, call.status) == (CallState.CANCELLED, 487)
        assert (await buyer.wait_leg()).cancel_received_ms is not None


async def test_a_200_that_crosses_cancel_is_acknowledged_and_ended(tmp_path: Path) -> None:
    scenario = TEST_SCENARIOS / "answer_crosses_cancel.xml"
    async with (
        SippBuyer.playing(scenario, tmp_path, name="b") as buyer,
        Caller.dial(invite(buyer)) as call,
    ):
        assert await call.ringing(5)
        await call.hang_up()
        leg = await buyer.wait_leg()
        assert call.state is CallState.HUNG_UP
        assert leg.acknowledged_ms is not None and leg.bye_received_ms is not None
