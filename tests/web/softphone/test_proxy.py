"""The softphone's WebSocket: to the switch for a signed-in editor's own page, and for nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import users
from tests.web.conftest import Client
from tests.web.softphone.conftest import Switch
from tests.web.test_open_streams import (
    SOON_SECONDS,
    End,
    disabled,
    of_another_role,
    signed_out,
    unused_for_long,
)
from web import open_streams
from web.softphone import proxy

Line = tuple[Switch, str]


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not happened():  # noqa: ASYNC110  somebody else's turn decides
            await asyncio.sleep(0.01)


async def connect(client: Client, **changes: str) -> ClientWebSocketResponse:
    origin = str(client.make_url("")).rstrip("/")
    headers = {"Origin": origin, **changes}
    return await client.ws_connect("/softphone/ws", protocols=("sip",), headers=headers)


async def refused(client: Client, **changes: str) -> int:
    with pytest.raises(WSServerHandshakeError) as refusal:
        await connect(client, **changes)
    return refusal.value.status


async def test_what_is_said_reaches_the_switch_and_its_answer_comes_back(admin: Client, switch: Line) -> None:
    async with await connect(admin) as socket:
        assert socket.protocol == "sip"
        await socket.send_str("INVITE sip:1@x SIP/2.0")
        assert (await socket.receive_str(timeout=20)) == "SIP/2.0 200 22"
    assert switch[0].heard == ["INVITE sip:1@x SIP/2.0"]
    await until(lambda: switch[0].open == 0)
    # The switch leaves: the browser is told.
    async with await connect(admin) as socket:
        await socket.send_str("leave")
        assert (await socket.receive(timeout=20)).type is WSMsgType.CLOSE


async def test_other_sites_other_languages_strangers_and_analysts_get_nowhere(
    stranger: Client, admin: Client, engine: AsyncEngine, switch: Line
) -> None:
    assert await refused(admin, Origin="https://elsewhere.example") == 403
    assert await refused(admin, Origin="") == 403
    with pytest.raises(WSServerHandshakeError) as refusal:
        await admin.ws_connect("/softphone/ws", headers={"Origin": str(admin.make_url("")).rstrip("/")})
    assert refusal.value.status == 403, "no protocol named"
    with pytest.raises(WSServerHandshakeError):
        await connect(stranger)
    async with engine.begin() as connection:
        await connection.execute(update(users).values(role="analyst"))
    assert await refused(admin) == 403
    assert switch[0].heard == []


async def test_what_a_telephone_never_says_ends_it(
    admin: Client, switch: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await connect(admin) as socket:
        await socket.send_str("x" * (proxy.MESSAGE_BYTES_MAXIMUM + 1))
        assert (await socket.receive(timeout=20)).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
    assert switch[0].heard == []
    monkeypatch.setattr(proxy, "MESSAGES_A_MINUTE", 2)
    async with await connect(admin) as socket:
        for _ in range(3):
            await socket.send_str("OPTIONS")
        while (message := await socket.receive(timeout=20)).type is WSMsgType.TEXT:
            pass
        assert message.data == proxy.TOO_MUCH


async def test_it_closes_with_the_session(
    admin: Client, monkeypatch: pytest.MonkeyPatch, switch: Line
) -> None:
    monkeypatch.setattr(open_streams, "LOOK_SECONDS", 0.05)
    async with await connect(admin) as socket:
        await socket.send_str("OPTIONS")
        await socket.receive_str(timeout=20)
        await admin.post("/sign-out", allow_redirects=False)
        message = await socket.receive(timeout=20)
        assert (message.type, message.data) == (WSMsgType.CLOSE, proxy.SIGNED_OUT)
    await until(lambda: switch[0].open == 0)


async def test_one_person_has_four_telephones_at_most(admin: Client) -> None:
    sockets = [await connect(admin) for _ in range(proxy.OPEN_A_USER)]
    assert await refused(admin) == 503
    for socket in sockets:
        await socket.close()
    await until(lambda: admin.server.app[proxy.OPEN].total() == 0)  # type: ignore[union-attr]
    await (await connect(admin)).close()


async def test_a_switch_that_is_down_is_said_before_anything_is_opened(admin: Client, switch: Line) -> None:
    await switch[0].leave()
    assert await refused(admin) == 503


@pytest.mark.parametrize("end", [signed_out, disabled, of_another_role])
async def test_a_softphone_hangs_up(admin: Client, engine: AsyncEngine, switch: Line, end: End) -> None:
    async with await connect(admin) as socket:
        await end(engine)
        message = await socket.receive(timeout=SOON_SECONDS)
        assert (message.type, message.data) == (WSMsgType.CLOSE, 4401)


async def test_a_call_on_the_softphone_is_not_cut_because_nobody_clicks(
    admin: Client, engine: AsyncEngine, switch: Line
) -> None:
    async with await connect(admin) as socket:
        await unused_for_long(engine)
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=SOON_SECONDS)
