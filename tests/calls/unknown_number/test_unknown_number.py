"""A number we do not have is dialled: the caller hears why, and a row is kept. A stranger's INVITE gets nothing."""

from __future__ import annotations

import asyncio
import socket

from sqlalchemy import text

from tests.calls.buyers import answers
from tests.calls.checks import assert_unsold
from tests.calls.conftest import MakeScenario
from tests.calls.market import Wanted, a_caller
from tests.calls.node import AGI, Node
from tests.sealed import index_of
from tollbridge.phone.caller import Caller

STRANGER = "127.0.0.9"


async def test_the_caller_hears_a_message_and_a_row_is_kept(scenario: MakeScenario) -> None:
    market = await scenario([Wanted(name="Golden", behaviour=answers())])
    invite = market.invite(dialled="+18005559999")
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        assert await call.hears_sound(3)
        assert await call.ended(15)
    story = await market.settled(call, caller=invite.caller)
    assert_unsold(story, "unknown_number")
    assert story.dialled == "+18005559999"


async def test_the_survival_script_says_the_same(node: Node, scenario: MakeScenario) -> None:
    market = await scenario([Wanted(name="Golden", behaviour=answers())])
    node.kill(AGI)
    invite = market.invite(dialled="+18005559998")
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        assert await call.ended(15)
    assert_unsold(await market.settled(call, caller=invite.caller), "unknown_number")


async def test_an_invite_from_an_unlisted_address_gets_no_answer_and_no_row_but_is_counted(
    node: Node, scenario: MakeScenario
) -> None:
    market = await scenario([Wanted(name="Golden", behaviour=answers())])
    caller = a_caller()
    before = await _turned_away(market.engine)
    answer = await asyncio.to_thread(_asked_by_a_stranger, node.switch, market.number, caller)
    assert answer is None
    for _ in range(50):
        if await _turned_away(market.engine) > before:
            break
        await asyncio.sleep(0.2)
    assert await _turned_away(market.engine) > before
    async with market.engine.connect() as connection:
        rows = await connection.execute(
            text("select 1 from calls where caller_index = :caller"), {"caller": index_of(caller)}
        )
        assert rows.first() is None


async def test_a_stranger_whom_asterisk_hears_stands_in_the_security_log_without_a_number(
    node: Node, scenario: MakeScenario
) -> None:
    """UPDATE comes through the front door, as some buyers' proxies need it; an open door lets in everything."""
    market = await scenario([Wanted(name="Golden", behaviour=answers())])
    caller, log = a_caller(), node.layout.security_log_file
    # Asterisk says so of who comes again and again.
    for turn in range(20):
        await asyncio.to_thread(_asked_by_a_stranger, node.switch, market.number, caller, "UPDATE", turn)
        if log.exists() and STRANGER in log.read_text():
            break
    assert f" event=sip-unknown address={STRANGER}\n" in log.read_text()
    assert caller not in log.read_text() and market.number not in log.read_text()


def _asked_by_a_stranger(
    switch: tuple[str, int], number: str, caller: str, method: str = "INVITE", turn: int = 1
) -> bytes | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((STRANGER, 0))
        stranger.settimeout(1.5)
        port = stranger.getsockname()[1]
        request = (
            f"{method} sip:{number}@{switch[0]}:{switch[1]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {STRANGER}:{port};branch=z9hG4bKstranger{turn}\r\n"
            f"From: <sip:{caller}@{STRANGER}>;tag=1\r\nTo: <sip:{number}@{switch[0]}>\r\n"
            f"Call-ID: stranger-{method}-{turn}\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n"
            f"Contact: <sip:x@{STRANGER}:{port}>\r\nContent-Length: 0\r\n\r\n"
        )
        stranger.sendto(request.encode(), switch)
        try:
            return stranger.recv(4096)
        except TimeoutError:
            return None


async def _turned_away(engine: object) -> int:
    async with engine.connect() as connection:  # type: ignore[attr-defined]
        value = await connection.execute(
            text("select coalesce(sum(value), 0) from counters where name = 'unlisted_source'")
        )
        return int(value.scalar_one())
