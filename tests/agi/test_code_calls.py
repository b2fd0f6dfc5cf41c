"""Calls that a one-time code opened end with the session or token that made the code."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from agi.code_calls import CodeCalls
from agi.dial_code_queries import take_code
from agi.live_calls import NO_ANSWER
from store.tables import api_tokens, dial_codes, users, web_sessions
from tests.agi.test_call_commands import Telephones

CODE, CHANNEL, HOLDER = "123456789012", "a-1764000300.7", b"digest"

End = Callable[[AsyncEngine], Awaitable[None]]


async def add_code(engine: AsyncEngine, holder: str) -> None:
    """Make a code for listening, by a session or by a token."""
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        user = {"email": "ada@example.com", "password_hash": "", "role": "admin"}
        user_id = (await connection.execute(insert(users).values(user).returning(users.c.id))).scalar_one()
        held = {"token_digest": HOLDER, "user_id": user_id, "expires_at": now + timedelta(hours=1)}
        if holder == "session":
            await connection.execute(insert(web_sessions).values(held))
        else:
            token = {**held, "name": "t", "beginning": "tbt_", "scopes": ["write:calls"]}
            await connection.execute(insert(api_tokens).values(token))
        code = {
            "code_digest": hashlib.sha256(CODE.encode()).digest(),
            "purpose": "listen",
            "user_id": user_id,
            "holder_digest": HOLDER,
            "expires_at": now + timedelta(minutes=1),
        }
        await connection.execute(insert(dial_codes).values(code))


async def dialled(engine: AsyncEngine) -> bool:
    async with engine.begin() as connection:
        return await take_code(connection, CODE, node="a", channel=CHANNEL) is not None


async def signed_out(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(delete(web_sessions))


async def disabled(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(users).values(disabled_at=datetime.now(UTC)))


async def revoked(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(api_tokens).values(revoked_at=datetime.now(UTC)))


WAYS = [("session", signed_out), ("session", disabled), ("token", revoked), ("token", disabled)]


@pytest.mark.parametrize(("holder", "end"), WAYS)
async def test_a_desk_phone_is_hung_up(engine: AsyncEngine, holder: str, end: End) -> None:
    telephones = Telephones()
    calls = CodeCalls(engine, node="a", asterisk=telephones)
    await add_code(engine, holder)
    assert await dialled(engine)
    await calls.look()
    assert telephones.ended == []
    await end(engine)
    await CodeCalls(engine, node="b", asterisk=telephones).look()
    assert telephones.ended == [], "it is another node's"
    await calls.look()
    await calls.look()
    assert telephones.ended == [CHANNEL], "once"


@pytest.mark.parametrize(("holder", "end"), WAYS)
async def test_a_code_that_was_not_dialled_yet_opens_nothing(
    engine: AsyncEngine, holder: str, end: End
) -> None:
    await add_code(engine, holder)
    await end(engine)
    assert not await dialled(engine)


async def test_an_asterisk_that_does_not_answer_is_asked_again(engine: AsyncEngine) -> None:
    telephones = Telephones(problem=NO_ANSWER)
    calls = CodeCalls(engine, node="a", asterisk=telephones)
    await add_code(engine, "session")
    await dialled(engine)
    await signed_out(engine)
    await calls.look()
    telephones.problem = "the call was over already"
    await calls.look()
    await calls.look()
    assert telephones.ended == [CHANNEL] * 2
    async with engine.connect() as connection:
        assert (await connection.execute(select(dial_codes.c.channel))).scalar_one() is None


async def test_talking_for_long_without_a_click_ends_nothing(engine: AsyncEngine) -> None:
    telephones = Telephones()
    await add_code(engine, "session")
    await dialled(engine)
    async with engine.begin() as connection:
        await connection.execute(update(web_sessions).values(idle_until=datetime.now(UTC)))
    await CodeCalls(engine, node="a", asterisk=telephones).look()
    assert telephones.ended == []
