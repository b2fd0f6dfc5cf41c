"""Our FastAGI server: the protocol as a plain function of bytes, then a thin asyncio shell.

Asterisk connects for each AGI step, sends `agi_*` headers and an empty line, and then answers our commands one by
one; it writes `HANGUP` in between when the caller leaves. FastAGI has no authentication (FACTS 4): the request
must carry our token and come from this machine. Everything read has a limit and a time-out, so that a stray or
hostile connection costs its own socket and nothing else.

Source: Asterisk 22, res/res_agi.c (launch_netscript, run_agi, handle replies).
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

LINE_BYTES_MAXIMUM = 8 * 1024
HEADERS_MAXIMUM = 100
HEADER_SECONDS = 5.0
CONNECTIONS_MAXIMUM = 2_000
_REPLY = re.compile(r"^(\d{3}) result=(-?[0-9*#A-Da-d]*)(?: (.*))?$")
_HEADER = re.compile(r"^(agi_[a-z0-9_]{1,40}): ?(.*)$")

log = logging.getLogger(__name__)


class ProtocolError(Exception):
    """The peer does not speak AGI."""


class HungUp(Exception):
    """The caller is gone, or the connection to Asterisk is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """The headers of one AGI step. `script` is the path of the agi:// address, `query` its parameters."""

    script: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """Asterisk's answer to one command: `result` as text ('0', '-1', a key's code), `data` what follows."""

    code: int
    result: str
    data: str


def parse_request(lines: list[str]) -> Request:
    """Return the request. Raises ProtocolError."""
    headers: dict[str, str] = {}
    for line in lines:
        match = _HEADER.match(line)
        if match is None and not headers:
            raise ProtocolError(f"not a header: {line[:60]!r}")
        if match is not None:
            # The first of a name counts, and agi_request comes first: text from a caller cannot replace it.
            headers.setdefault(match[1], match[2])
    address = urlsplit(headers.get("agi_request", ""))
    return Request(script=address.path.strip("/"), query=_query(address.query), headers=headers)


def _query(text: str) -> dict[str, str]:
    """The dialplan writes it, from filtered values: nothing is escaped, and a plus is a plus."""
    return {name: value for name, _, value in (part.partition("=") for part in text.split("&"))}


def parse_reply(line: str) -> Reply:
    """Return the reply. Raises ProtocolError; HungUp for 511, which Asterisk says on a dead channel."""
    if line.startswith("511"):
        raise HungUp("command on a dead channel")
    match = _REPLY.match(line)
    if match is None:
        raise ProtocolError(f"not a reply: {line[:60]!r}")
    return Reply(code=int(match[1]), result=match[2], data=match[3] or "")


class Connection:
    """One AGI step in progress: `command` sends a line and returns Asterisk's reply."""

    def __init__(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self._reader = reader
        self._writer = writer
        self._lock = asyncio.Lock()

    async def command(self, line: str, *, timeout_seconds: float) -> Reply:
        """Send one command. Raises HungUp when the caller left, ProtocolError, TimeoutError.

        `line` is ours: a control character in it is a fault of the caller of this method (ValueError).
        """
        if any(ord(character) < 32 for character in line):
            raise ValueError("a control character in an AGI command")
        async with self._lock, asyncio.timeout(timeout_seconds):
            self._writer.write(line.encode() + b"\n")
            while True:
                answer = await read_line(self._reader)
                if answer == "HANGUP":
                    continue
                if answer.startswith("520-"):
                    await self._skip_usage()
                    raise ProtocolError(f"Asterisk does not know the command {line[:60]!r}")
                if answer.startswith("100 "):
                    continue  # GOSUB says first that it is trying
                return parse_reply(answer)

    async def _skip_usage(self) -> None:
        for _ in range(HEADERS_MAXIMUM):
            if (await read_line(self._reader)).startswith("520 "):
                return


async def read_line(reader: asyncio.StreamReader) -> str:
    """Return one line without its end. Raises HungUp at the end of the stream, ProtocolError when it is too long."""
    try:
        raw = await reader.readuntil(b"\n")
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise HungUp("Asterisk closed the connection") from error
    except asyncio.LimitOverrunError as error:
        raise ProtocolError("a line without an end") from error
    return raw.decode("utf-8", "replace").rstrip("\r\n")


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Return the request, or None when the peer only asked whether we live (`ping`). Raises as read_line does."""
    lines: list[str] = []
    for _ in range(HEADERS_MAXIMUM):
        line = await read_line(reader)
        if not lines and line == "ping":
            return None
        if not line:
            return parse_request(lines)
        lines.append(line)
    raise ProtocolError("too many headers")


Handler = Callable[[Connection], Awaitable[None]]


class FastAgiServer:
    """Serves AGI steps on 127.0.0.1. `handlers` maps a script's name to what performs it."""

    def __init__(self, handlers: Mapping[str, Handler], *, token: str) -> None:
        self._handlers = handlers
        self._token = token
        self._open = 0

    async def start(self, port: int) -> asyncio.Server:
        """Listen on 127.0.0.1:`port`. Raises OSError when the port is taken."""
        return await asyncio.start_server(
            self._serve, "127.0.0.1", port, limit=LINE_BYTES_MAXIMUM, backlog=1024
        )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= CONNECTIONS_MAXIMUM:
                await self._serve_step(reader, writer)
        except (ProtocolError, HungUp, TimeoutError, ConnectionError) as error:
            log.debug("AGI connection ended: %r", error)
        except Exception:
            # Without TB_DONE the dialplan runs the survival script, so the caller is served all the same.
            log.exception("an AGI step failed")
        finally:
            self._open -= 1
            writer.close()
            with suppress(ConnectionError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), 1)

    async def _serve_step(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(HEADER_SECONDS):
            request = await read_request(reader)
        if request is None:
            writer.write(b"pong\n")
            await writer.drain()
            return
        if not hmac.compare_digest(request.query.get("token", "").encode(), self._token.encode()):
            raise ProtocolError("a request without our token")
        handler = self._handlers.get(request.script)
        if handler is None:
            raise ProtocolError(f"no such script: {request.script[:60]!r}")
        await handler(Connection(request, reader, writer))
