"""Nothing a caller or a stranger sends reaches a Dial string or a shell, or bothers anybody else's call."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ivr_flows.library import load
from rules.places import STATES
from tests.calls.buyers import answers
from tests.calls.checks import assert_sold
from tests.calls.conftest import MakeScenario
from tests.calls.market import Scenario, Wanted
from tests.calls.node import Node
from tollbridge.phone.caller import Caller

STRAYS = 1_000

HOSTILE_NUMBERS = [
    "%2B18005550100%26PJSIP%2Ftarget-1",
    "500&PJSIP/target-1",
    "500,20,g",
    "${SHELL(touch${IFS}/tmp/tb-owned)}",
    "%24%7BSHELL(touch%20%2Ftmp%2Ftb-owned)%7D",
    "1\"%22'%27;%3B|%7C",
    "9" * 8_000,
    "h",
    "T",
    "s",
    "%FF%FE%00",
]
HOSTILE_NAMES = [
    '"><script>alert(1)</script>',
    "${SHELL(touch /tmp/tb-owned)}",
    "$[1+1]&PJSIP/target-1,20)\\",
    "x" * 8_000,
    b"\xff\xfe\x01 caf\xe9".decode("latin-1"),
]


@asynccontextmanager
async def direct(scenario: MakeScenario) -> AsyncIterator[Scenario]:
    yield await scenario(
        [Wanted(name="Everywhere", behaviour=answers(), states=tuple(STATES))],
        flow_name="direct",
        flow=load("direct"),
    )


async def test_hostile_dialled_numbers_are_never_dialled(scenario: MakeScenario) -> None:
    async with direct(scenario) as market:
        for dialled in HOSTILE_NUMBERS:
            async with Caller.dial(market.invite(dialled=dialled)) as call:
                await call.answered(2)
                if not call.times.answered_ms:
                    await call.cancel()
        assert market.buyers["Everywhere"].legs() == ()
        assert not os.path.exists("/tmp/tb-owned")
        await _sells(market)


@pytest.mark.parametrize("display", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
async def test_a_hostile_name_is_only_a_name(scenario: MakeScenario, display: str) -> None:
    async with direct(scenario) as market:
        escaped = display.replace("\\", "\\\\").replace('"', '\\"')
        await _sells(market, from_name=f'"{escaped}"')
        assert not os.path.exists("/tmp/tb-owned")


async def test_a_hostile_header_is_only_a_header(scenario: MakeScenario) -> None:
    headers = (
        ("X-Loan", "${SHELL(touch /tmp/tb-owned)}"),
        ("Subject", "a" * 4_000),
        ("P-Asserted-Identity", '"$[1]&" <sip:evil&PJSIP/target-1@x>'),
        ("User-Agent", "\u00ff\u00fe"),
    )
    async with direct(scenario) as market:
        await _sells_or_refuses(market, headers=headers)
        assert not os.path.exists("/tmp/tb-owned")
        await _sells(market)


async def test_garbage_on_our_ports_bothers_no_call(node: Node, scenario: MakeScenario) -> None:
    settings = node.settings
    ports = (settings.agi_port, settings.audiosocket_port, settings.speech_port, settings.ami_port)
    market = await scenario([Wanted(name="Golden", behaviour=answers(), states=("CA",))])
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        strays = await asyncio.gather(
            *(_stray(ports[number % len(ports)], number) for number in range(STRAYS)), return_exceptions=True
        )
        assert await call.my_turn(20)
        await call.press("1")
        assert await call.my_turn(20)
        await call.press("22")
        await market.buyers["Golden"].wait_leg(ended=False, seconds=10)
        await asyncio.sleep(1.5)
        await call.hang_up()
    for stray in strays:
        if isinstance(stray, asyncio.StreamWriter):
            stray.close()
    assert_sold(await market.settled(call, caller=invite.caller), await market.buyers["Golden"].wait_leg())


async def _stray(port: int, number: int) -> asyncio.StreamWriter:
    """Connect and send one of: nothing, half a header, garbage, a frame that promises more than it holds."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write([b"", b"agi_network: y", os.urandom(512), b"\x10\xff\xff", b"{", b"a" * 20_000][number % 6])
    await writer.drain()
    return writer


async def _sells(market: Scenario, *, from_name: str | None = None) -> None:
    invite = market.invite()
    if from_name is not None:
        header = f"{from_name} <sip:{invite.caller}@127.0.0.1>"
        invite = market.invite(caller=invite.caller, from_header=header)
    before = len(market.buyers["Everywhere"].legs())
    async with Caller.dial(invite) as call:
        assert await call.answered(8)
        await asyncio.sleep(1.2)
        await call.hang_up()
    leg = await market.buyers["Everywhere"].wait_leg(index=before)
    assert_sold(await market.settled(call, caller=invite.caller), leg)


async def _sells_or_refuses(market: Scenario, **changes: Any) -> None:
    async with Caller.dial(market.invite(**changes)) as call:
        await call.answered(8)
        await call.hang_up()
