"""Bidders of our own dialect on a loopback port, good and bad, each a path. Run as a program for the benchmark.

`/bid?amount=45.00&after_ms=100&dial=+16145550199&seconds=90&expires=30` bids; the other paths are BAD.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import uvloop

from router.buyers.tollbridge.signing import SIGNATURE_HEADER, sign

SECRET = "a secret of two houses"
HELD_HEADER = "X-Held-Us"
FLOOD_BYTES = 100 * 1024 * 1024


class Bidder(asyncio.Protocol):
    """One connection to the bidders."""

    def __init__(self, asked: list[tuple[str, dict[str, Any]]] | None, counted: dict[str, int]) -> None:
        self._asked = asked
        self._counted = counted
        self._data = b""
        self._transport: Any = None
        self._task: asyncio.Task[None] | None = None
        self._full = False
        self._drained = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._counted["connections"] = self._counted.get("connections", 0) + 1

    def connection_lost(self, exc: Exception | None) -> None:
        if self._task:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        received = time.monotonic()
        self._data += data
        head, end, body = self._data.partition(b"\r\n\r\n")
        if not end:
            return
        lines = head.split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.lower().startswith(b"content-length:")), 0)
        if len(body) < length:
            return
        self._data = body[length:]
        _, target, _ = lines[0].decode().split(" ")
        question = json.loads(body[:length]) if length else {}
        if self._asked is not None:
            self._asked.append((target, question))
        path, wanted = _read_target(target)
        if path == "/bid":
            # Made before the wait: the time a bidder takes is all in `after_ms`.
            answer = self.answer(200, _answer(wanted, question), question.get("ping_id"))
            due = received + float(wanted.get("after_ms", 0)) / 1000
            asyncio.get_running_loop().call_later(due - received, self._held, received, due, answer)
        else:
            BAD[path](self, wanted, question)

    def _held(self, received: float, due: float, answer: bytes) -> None:
        """Send an answer, and say in it how long it was really kept: a timer is late on a busy machine.

        Never before its time: uvloop's timers know whole milliseconds only.
        """
        now = time.monotonic()
        if now < due:
            asyncio.get_running_loop().call_soon(self._held, received, due, answer)
            return
        held = b"\r\n%s: %d\r\n" % (HELD_HEADER.encode(), int((now - received) * 1e6))
        self.write(answer.replace(b"\r\n", held, 1))

    def send(self, status: int, value: object, ping_id: str | None, *, signature: str | None = None) -> None:
        self.write(self.answer(status, value, ping_id, signature=signature))

    def answer(
        self, status: int, value: object, ping_id: str | None, *, signature: str | None = None
    ) -> bytes:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        signature = sign(SECRET, ping_id or "", body) if signature is None else signature
        head = (
            f"HTTP/1.1 {status} x\r\n{SIGNATURE_HEADER}: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        self._transport.close()

    def flood(self, *, chunked: bool) -> None:
        self._task = asyncio.create_task(self._flood(chunked))

    async def _flood(self, chunked: bool) -> None:
        kind = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {FLOOD_BYTES}"
        self.write(f"HTTP/1.1 200 OK\r\n{kind}\r\n\r\n".encode())
        part = b" " * 65536
        for _ in range(FLOOD_BYTES // 65536):
            self.write(b"10000\r\n" + part + b"\r\n" if chunked else part)
            if self._full:
                await self._drained.wait()

    def pause_writing(self) -> None:
        self._full = True
        self._drained.clear()

    def resume_writing(self) -> None:
        self._full = False
        self._drained.set()

    def drip(self, head: bytes, part: bytes) -> None:
        async def dripping() -> None:
            self.write(head)
            while True:
                await asyncio.sleep(0.05)
                self.write(part)

        self._task = asyncio.create_task(dripping())


@lru_cache(maxsize=1024)
def _read_target(target: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(target)
    return parts.path, dict(parse_qsl(parts.query))


def _answer(wanted: dict[str, str], question: dict[str, Any]) -> dict[str, Any]:
    if question.get("kind") == "post":
        if "refuse_post" in wanted:
            return {"accepted": False, "refusal": "no_capacity"}
        return {"accepted": True, **({"dial": wanted["post_dial"]} if "post_dial" in wanted else {})}
    bid: dict[str, Any] = {"amount": wanted.get("amount", "45.00"), "reference": "r-1"}
    if "dial" in wanted:
        bid["dial"] = wanted["dial"]
    if "seconds" in wanted:
        bid["minimum_seconds"] = int(wanted["seconds"])
    if "expires" in wanted:
        bid["expires_in_seconds"] = float(wanted["expires"])
    return {"bid": bid}


Bad = Callable[[Bidder, dict[str, str], dict[str, Any]], None]
STALLED_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"

BAD: dict[str, Bad] = {
    "/hang": lambda bidder, wanted, question: None,
    "/stall": lambda bidder, wanted, question: bidder.write(STALLED_HEAD),
    "/drip": lambda bidder, wanted, question: bidder.drip(STALLED_HEAD.replace(b"100", b"60000"), b"{"),
    "/headers": lambda bidder, wanted, question: bidder.drip(
        b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"a" * 9000
    ),
    "/garbage": lambda bidder, wanted, question: bidder.send(200, b"\xff\x00<html>{", question["ping_id"]),
    "/no-http": lambda bidder, wanted, question: bidder.write(b"\x00\x01\x02 hello\r\n\r\n"),
    "/deep": lambda bidder, wanted, question: bidder.send(200, b"[" * 60_000, question["ping_id"]),
    "/flood": lambda bidder, wanted, question: bidder.flood(chunked=False),
    "/chunked-flood": lambda bidder, wanted, question: bidder.flood(chunked=True),
    "/redirect": lambda bidder, wanted, question: bidder.write(
        b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/meta-data/\r\nContent-Length: 0\r\n\r\n"
    ),
    "/gzip": lambda bidder, wanted, question: bidder.write(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
    ),
    "/close": lambda bidder, wanted, question: bidder.close(),
    "/unsigned": lambda bidder, wanted, question: bidder.send(200, _answer({}, {}), None, signature=""),
    "/wrong-signature": lambda bidder, wanted, question: bidder.send(200, _answer({}, {}), "another ping"),
    "/status": lambda bidder, wanted, question: bidder.send(int(wanted["code"]), {}, question["ping_id"]),
    "/refuse": lambda bidder, wanted, question: bidder.send(
        200, {"refusal": "no_capacity", "detail": "all lines busy"}, question["ping_id"]
    ),
}


class Bidders:
    """A running set of bidders."""

    def __init__(self, port: int, asked: list[tuple[str, dict[str, Any]]], counted: dict[str, int]) -> None:
        self.port = port
        self.asked = asked
        """Path and question of everything that was asked, in order."""
        self.counted = counted

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@asynccontextmanager
async def bidders() -> AsyncIterator[Bidders]:
    """Run them in this process."""
    asked: list[tuple[str, dict[str, Any]]] = []
    counted: dict[str, int] = {}
    server = await asyncio.get_running_loop().create_server(lambda: Bidder(asked, counted), "127.0.0.1", 0)
    try:
        yield Bidders(server.sockets[0].getsockname()[1], asked, counted)
    finally:
        server.close()


async def _serve_for_ever() -> None:
    # A bidder of the real world has a machine of its own: here it must not push the auction off its core.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    server = await asyncio.get_running_loop().create_server(
        lambda: Bidder(None, {}), "127.0.0.1", 0, backlog=1024
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    # Ends with whoever started it.
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(_serve_for_ever())
