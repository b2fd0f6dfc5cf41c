"""The pages, with a small WebSocket server where Asterisk would be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest_asyncio
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.web.conftest import EMAIL, PASSWORD
from web.app import make_app
from web.auth import UserCreated, create_user
from web.softphone.line import SoftphoneLine

LINE_PASSWORD = "of-the-softphone"


@dataclass(kw_only=True)
class Switch:
    """Answers each message with itself; remembers who is connected."""

    heard: list[str | bytes] = field(default_factory=list)
    open: int = 0
    server: TestServer | None = None

    async def leave(self) -> None:
        assert self.server is not None
        await self.server.close()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("sip",))
        await socket.prepare(request)
        self.open += 1
        async for message in socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self.heard.append(message.data)
                if message.data == "leave":
                    break
                await socket.send_str(f"SIP/2.0 200 {len(message.data)}")
        self.open -= 1
        return socket


@pytest_asyncio.fixture
async def switch() -> AsyncIterator[tuple[Switch, str]]:
    """A switch and its address."""
    playing = Switch()
    app = web.Application()
    app.router.add_get("/ws", playing.serve)
    server = TestServer(app)
    await server.start_server()
    playing.server = server
    yield playing, str(server.make_url("/ws")).replace("http", "ws", 1)
    await server.close()


@pytest_asyncio.fixture
async def site(engine: AsyncEngine, tmp_path: Path, switch: tuple[Switch, str]) -> AsyncIterator[TestServer]:
    """The pages with a line to the switch, and one admin who may come in."""
    assert isinstance(await create_user(engine, EMAIL, PASSWORD, "admin"), UserCreated)
    app = make_app(
        engine,
        secure_cookies=False,
        snapshot_file=tmp_path / "market.json",
        prompts_dir=tmp_path / "prompts",
        softphone=SoftphoneLine(url=switch[1], password=LINE_PASSWORD),
    )
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()
