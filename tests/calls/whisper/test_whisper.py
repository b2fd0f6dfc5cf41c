"""The buyer's person is told what call this is; the caller hears ringing meanwhile, and pays for none of it."""

from __future__ import annotations

import asyncio
import time

from agi.channel import seconds_of
from ivr_flows.library import load
from tests.calls.buyers import answers, hangs_up_first
from tests.calls.checks import assert_balanced, assert_sold
from tests.calls.conftest import MakeScenario, Rendered
from tests.calls.market import EVERYWHERE, PRICE_MICROS, Wanted
from tests.clocks import assert_clocks_agree
from tollbridge.phone.caller import Caller

DIRECT = {"flow_name": "direct", "flow": load("direct")}
WORDS = "A borrower who wants to refinance, from Rate Compare Media."
NOTHING_MS = 4_000


async def test_billed_from_the_last_word_on(scenario: MakeScenario, rendered: Rendered) -> None:
    whisper_ms = seconds_of(rendered(WORDS)) * 1000
    wanted = Wanted(name="Told", behaviour=answers(), states=EVERYWHERE, whisper_text=WORDS)
    market = await scenario([wanted], **DIRECT)
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(10)
        await asyncio.sleep(1.5)
        await call.hang_up()
    leg = await market.buyers["Told"].wait_leg()
    assert leg.answered_ms is not None and leg.connected_ms is not None
    assert call.times.answered_ms is not None
    # Put through after the last word.
    assert_clocks_agree(call.times.answered_ms - leg.answered_ms, whisper_ms, within_ms=150)
    story = await market.settled(call, caller=invite.caller)
    assert story.connected_ms is not None
    assert_clocks_agree(story.connected_ms, leg.connected_ms - whisper_ms, within_ms=150)
    assert story.outcome == "sold" and story.converted and story.revenue_micros == PRICE_MICROS
    assert story.evidence is not None and not story.evidence["alarm"]
    assert_balanced(story)


async def test_a_caller_who_has_answered_questions_hears_ringing_meanwhile(
    scenario: MakeScenario, rendered: Rendered
) -> None:
    rendered(WORDS)
    market = await scenario(
        [Wanted(name="Told", behaviour=answers(ring_ms=1_000), states=EVERYWHERE, whisper_text=WORDS)]
    )
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        assert await call.my_turn(20)
        await call.press("1#")
        assert await call.my_turn(20)
        pressed_ms = await call.press("22#")
        leg = await market.buyers["Told"].wait_connected()
        assert leg.answered_ms is not None
        assert await call.hears_sound(4, since_ms=leg.answered_ms + 500), (
            "ringing goes on while the buyer is told"
        )
        await asyncio.sleep(4)
        assert call.hearing.longest_silence_ms(pressed_ms, time.time() * 1000) <= NOTHING_MS
        await call.hang_up()
    story = await market.settled(call, caller=invite.caller)
    assert story.outcome == "sold"


async def test_a_text_that_is_not_rendered_yet_hinders_nobody(scenario: MakeScenario) -> None:
    words = "Nobody has rendered this one."
    wanted = Wanted(name="Told", behaviour=answers(), states=EVERYWHERE, whisper_text=words)
    market = await scenario([wanted], **DIRECT)
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        await asyncio.sleep(1.5)
        await call.hang_up()
    leg = await market.buyers["Told"].wait_leg()
    assert_sold(await market.settled(call, caller=invite.caller), leg)


async def test_a_buyer_who_hangs_up_while_told_has_not_taken_the_call(
    scenario: MakeScenario, rendered: Rendered
) -> None:
    rendered(WORDS)
    first = hangs_up_first(talk_ms=900)
    market = await scenario(
        [
            Wanted(name="Gone", behaviour=first, states=EVERYWHERE, whisper_text=WORDS),
            Wanted(name="Second", behaviour=answers(), states=EVERYWHERE),
        ],
        **DIRECT,
    )
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(10)
        await asyncio.sleep(1.5)
        await call.hang_up()
    leg = await market.buyers["Second"].wait_leg()
    story = await market.settled(call, caller=invite.caller)
    assert_sold(story, leg)
    assert [(one.attempt, one.connected_ms > 0) for one in story.legs] == [(1, False), (2, True)]
