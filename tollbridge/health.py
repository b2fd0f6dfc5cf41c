"""Is a process of the node alive? Each answers a small question of its own within a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

ANSWER_WITHIN_SECONDS = 1.0
HEARTBEAT_LATE_SECONDS = 3.0

Ping = Callable[[], Awaitable[bool]]


def line_ping(port: int, question: bytes, answer: bytes) -> Ping:
    """Return a ping that sends a line to a loopback port and wants a line back that starts with `answer`."""

    async def ping() -> bool:
        return (await _exchange("127.0.0.1", port, question)).replace(b" ", b"").startswith(answer)

    return ping


def agi_ping(port: int) -> Ping:
    """Ask the FastAGI server."""
    return line_ping(port, b"ping\n", b"pong")


def speech_ping(control_port: int) -> Ping:
    """Ask a speech process."""
    return line_ping(control_port, b'{"ping": 1}\n', b'{"pong":1')


def web_ping(address: str, port: int) -> Ping:
    """Ask the web process for its health page."""
    host = "127.0.0.1" if address == "0.0.0.0" else address  # noqa: S104  compared, not bound

    async def ping() -> bool:
        request = f"GET /health HTTP/1.0\r\nHost: {host}\r\n\r\n".encode()
        return b" 200 " in await _exchange(host, port, request)

    return ping


def manager_ping(port: int) -> Ping:
    """Ask Asterisk's manager for its greeting."""
    return line_ping(port, b"", b"AsteriskCallManager")


def heartbeat_ping(file: Path) -> Ping:
    """Ask how old a process's heartbeat file is."""

    async def ping() -> bool:
        try:
            return time.time() - file.stat().st_mtime < HEARTBEAT_LATE_SECONDS
        except FileNotFoundError:
            return False

    return ping


async def _exchange(host: str, port: int, question: bytes) -> bytes:
    """Return the first line of the answer, or nothing when there is none in time."""
    writer = None
    try:
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(question)
            await writer.drain()
            return await reader.readline()
    except (OSError, ValueError, TimeoutError):
        return b""
    finally:
        if writer is not None:
            writer.close()
