"""The telephone against a real Asterisk: talk, keys, hearing, pacing, CANCEL, hostile texts."""

from __future__ import annotations

import asyncio
import os
import statistics
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.tollbridge.phone.bare_asterisk import BareAsterisk, running
from tollbridge.phone.caller import Caller, CallState
from tollbridge.phone.dialogue import Invite
from tollbridge.phone.voice import tone

CACHE = Path(os.environ.get("TOLLBRIDGE_CACHE_DIR") or Path.home() / ".cache" / "tollbridge")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asterisk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BareAsterisk]:
    async with running(tmp_path_factory.mktemp("bare"), CACHE) as bare:
        yield bare


pytestmark = pytest.mark.asyncio(loop_scope="module")


def invite(asterisk: BareAsterisk, dialled: str) -> Invite:
    return Invite(switch=asterisk.switch, dialled=dialled, caller="+16145550123", display="A Caller")


async def test_an_echo_comes_back_and_packets_leave_every_20_ms(asterisk: BareAsterisk) -> None:
    async with Caller.dial(invite(asterisk, "echo")) as call:
        assert await call.answered(5)
        await asyncio.sleep(0.3)
        said_from = call.pacing.sent_ms[-1]
        await call.say(tone(440, 0.5))
        assert await call.hears_sound(2)
        await asyncio.sleep(0.3)
        await call.hang_up()
    (start, end), *_ = call.hearing.sounds()
    assert 400 < end - start < 650
    assert 0 < start - said_from < 400
    assert call.state is CallState.HUNG_UP
    # Paced by an absolute schedule: single packets may be late on a busy machine, the stream is not.
    deviations = call.pacing.deviations_ms()
    assert abs(statistics.mean(deviations)) < 1 and statistics.median(map(abs, deviations)) < 2


async def test_keys_are_pressed_at_my_turn_and_all_arrive(asterisk: BareAsterisk) -> None:
    async with Caller.dial(invite(asterisk, "play")) as call:
        assert await call.answered(5)
        assert await call.my_turn(20)
        await call.press("42#1")
        assert await call.ended(10)
    assert call.times.bye_received_ms is not None
    assert '""extra"":""42""' in asterisk.cel


async def test_ringing_then_cancel(asterisk: BareAsterisk) -> None:
    async with Caller.dial(invite(asterisk, "ring")) as call:
        assert await call.ringing(5)
        await call.hang_up()
    assert call.state is CallState.CANCELLED and call.status == 487


async def test_answered_later_and_hung_up_by_the_switch(asterisk: BareAsterisk) -> None:
    async with Caller.dial(invite(asterisk, "later")) as call:
        assert await call.ringing(5)
        assert await call.answered(5)
        assert await call.ended(5)
    times = call.times
    assert times.answered_ms is not None and times.ringing_ms is not None and times.ended_ms is not None
    assert times.answered_ms - times.ringing_ms >= 450
    assert 450 <= times.ended_ms - times.answered_ms < 1500


async def test_a_vanished_telephone_sends_nothing_more(asterisk: BareAsterisk) -> None:
    async with Caller.dial(invite(asterisk, "echo")) as call:
        assert await call.answered(5)
        await call.vanish()
        sent = len(call.pacing.sent_ms)
        await asyncio.sleep(0.2)
        assert len(call.pacing.sent_ms) == sent
    assert call.times.vanished_ms is not None and call.times.bye_sent_ms is None


@pytest.mark.parametrize(
    "dialled",
    ["+1800&PJSIP,x", "%24%7BSHELL(id)%7D", "\udcff\udcfe", "9" * 4000],
    ids=["amp", "expr", "utf8", "long"],
)
async def test_hostile_texts_go_out_as_they_are(asterisk: BareAsterisk, dialled: str) -> None:
    async with Caller.dial(invite(asterisk, dialled)) as call:
        assert not await call.answered(2)
    assert call.state in (CallState.REFUSED, CallState.UNANSWERED, CallState.CALLING, CallState.HUNG_UP)
