"""The web as a process runs it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from aiohttp import ClientConnectionError, ClientSession

from web.app import WebConfig, serve


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def config_of(port: int, database_url: str) -> WebConfig:
    return WebConfig(
        address="127.0.0.1",
        port=port,
        database_url=database_url,
        snapshot_file=Path("/nowhere/market.json"),
        prompts_dir=Path("/nowhere"),
    )


async def test_it_serves_until_cancelled_and_needs_no_database_to_start() -> None:
    port = free_port()
    running = asyncio.create_task(serve(config_of(port, "postgresql://nobody@127.0.0.1:1/none")))
    async with ClientSession() as client:
        for _ in range(100):
            await asyncio.sleep(0.02)
            try:
                async with client.get(f"http://127.0.0.1:{port}/health") as answer:
                    assert await answer.json() == {"status": "ok"}
                    break
            except ClientConnectionError:
                continue
        else:
            pytest.fail("never answered")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_a_taken_port_is_said_and_not_waited_for() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="address already in use"):
            await serve(config_of(taken.getsockname()[1], "postgresql://nobody@127.0.0.1:1/none"))
