"""A SIP phone of the house, known by its address, dials a one-time code and hears a call. It can dial nothing else."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text

from tests.calls.buyers import answers
from tests.calls.conftest import MakeScenario
from tests.calls.market import Scenario, Wanted
from tollbridge.phone.caller import Caller, CallState
from tollbridge.phone.clock import now_ms
from tollbridge.phone.voice import tone
from web.audit import Actor
from web.auth import UserCreated, Visitor, create_user, digest_of, open_session
from web.keys import Role, User
from web.live.acts import listening_code
from web.softphone.codes import MadeCode, Purpose

DESK, STRANGER = "127.0.0.8", "127.0.0.9"
EMAIL = "desk-phone@example.com"


async def a_code(market: Scenario, caller: str, email: str = EMAIL) -> str:
    """Return a code that a session of somebody new has made."""
    made = await create_user(market.engine, email, "correct horse battery", "admin")
    assert isinstance(made, UserCreated)
    user = User(user_id=made.user_id, email=email, role=Role.ADMIN)
    async with market.engine.begin() as connection:
        session = await open_session(
            connection, user, Visitor(address="192.0.2.1"), datetime.now(UTC), how="password"
        )
    actor = Actor(user=user, holder=digest_of(session.token))
    code = await listening_code(
        market.engine, actor, await call_id_of(market, caller), Purpose.LISTEN, datetime.now(UTC)
    )
    assert isinstance(code, MadeCode), code
    return code.code


async def call_id_of(market: Scenario, caller: str) -> UUID:
    async with asyncio.timeout(20):
        while True:
            async with market.engine.connect() as connection:
                query = text("SELECT id FROM calls WHERE caller = :caller")
                found = (await connection.execute(query, {"caller": caller})).scalar()
            if found is not None:
                return UUID(str(found))
            await asyncio.sleep(0.1)


async def refused(market: Scenario, dialled: str, address: str = DESK) -> int | None:
    async with Caller.dial(market.invite(dialled=dialled), address=address) as phone:
        await phone.answered(3)
        assert phone.state is not CallState.TALKING
        return phone.status


async def test_it_is_hung_up_when_who_made_its_code_signs_out(scenario: MakeScenario) -> None:
    market = await scenario([Wanted(name="Golden", behaviour=answers())])
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(10)
        code = await a_code(market, invite.caller, "signs-out@example.com")
        async with Caller.dial(market.invite(dialled=code), address=DESK) as phone:
            assert await phone.answered(5)
            async with market.engine.begin() as connection:
                await connection.execute(text("DELETE FROM web_sessions"))
            assert await phone.ended(10)
            assert call.state is CallState.TALKING, "the call itself goes on"


async def test_it_hears_the_call_its_code_opens_and_no_other(scenario: MakeScenario) -> None:
    market = await scenario([Wanted(name="Golden", behaviour=answers())])
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(10)
        code = await a_code(market, invite.caller)
        async with Caller.dial(market.invite(dialled=code), address=DESK) as phone:
            assert await phone.answered(5)
            since_ms = now_ms()
            await call.say(tone(440, 2.0))
            assert await phone.hears_sound(5, since_ms=since_ms)
            await call.hang_up()
            assert await phone.ended(10), "it ends with the call"
        assert await refused(market, code) == 403, "a code opens once"
    assert await refused(market, market.number) == 404, "a tracking number is none of its numbers"
    assert await refused(market, "000000000000") == 403
    assert await refused(market, "000000000000", STRANGER) is None, "a stranger gets no answer"
