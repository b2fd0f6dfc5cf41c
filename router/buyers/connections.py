"""Connections to bidders, kept between questions. Every address is judged where its socket is made.

Whatever a name resolved to before: an answer of the DNS that changes between looking and connecting changes nothing.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohappyeyeballs import start_connection

from router.buyers.addresses import AddressRules, address_problem
from router.buyers.dialect import HttpAnswer
from router.buyers.wire import AnswerReader, Place

MAXIMUM_CONNECTIONS = 2_000
MAXIMUM_IDLE_PER_PLACE = 100
KEPT_SECONDS = 15.0
"""How long a connection is kept without a question: most servers close theirs later than this."""
PINNED_SECONDS = 60
"""How long a name keeps the addresses it was resolved to."""
MAXIMUM_PINNED = 4_096
RESOLVER_THREADS = 16
"""Of our own, so that the names of one buyer's dead servers do not hold up the rest of the process."""
STAGGERED_SECONDS = 0.1
"""How long the first of several addresses is tried alone (RFC 8305)."""

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""From host and port to addresses. Raises OSError."""


class AddressRefused(OSError):
    """An address that pings may not go to."""


class NoAnswer(Exception):
    """An answer that cannot be used; the message says why."""

    def __init__(self, detail: str, *, begun: bool) -> None:
        super().__init__(detail)
        self.begun = begun
        """Whether some of it came."""


class Connection(asyncio.Protocol):
    """One connection; one question at a time."""

    def __init__(self, place: Place, closed: Callable[[Connection], None]) -> None:
        self.place = place
        self.is_open = True
        self.asked_before = False
        self.idle_since = 0.0
        self._closed = closed
        self._transport: Any = None
        self._reader: AnswerReader | None = None
        self._answer: asyncio.Future[HttpAnswer] | None = None

    async def exchange(self, request: bytes) -> HttpAnswer:
        """Send a question and return its whole answer. Raises NoAnswer. Cancelled, it closes the connection."""
        self._reader = AnswerReader()
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._answer
        except BaseException:
            self.abort()
            raise
        finally:
            self.asked_before = True
            self._reader = self._answer = None

    def abort(self) -> None:
        """Close at once. What was sent is not taken back."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        if reader is None:
            self.abort()  # an answer to no question
            return
        reader.feed(data)
        if reader.answer is not None or reader.problem:
            self._settle(reader)

    def eof_received(self) -> None:
        self.is_open = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._closed(self)
        if self._reader is not None:
            self._reader.close()
            self._settle(self._reader)

    def _settle(self, reader: AnswerReader) -> None:
        self._reader = None
        if reader.problem or not reader.keeps_open:
            self.abort()
        if self._answer is None or self._answer.done():
            return
        if reader.answer is not None and not reader.problem:
            self._answer.set_result(reader.answer)
        else:
            self._answer.set_exception(NoAnswer(reader.problem, begun=reader.begun))


def tls_context() -> ssl.SSLContext:
    """Return what bidders' certificates are checked by. Reading all the roots of the system takes 25 ms."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class Connections:
    """All connections of one process to bidders. Close it when done."""

    def __init__(self, rules: AddressRules, resolve: Resolve | None = None) -> None:
        self._rules = rules
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="ping-names")
        self._resolve = resolve or self._resolve_by_system
        self._pinned: dict[tuple[str, int], tuple[float, asyncio.Task[list[str]]]] = {}
        self._open: set[Connection] = set()
        self._idle: dict[Place, list[Connection]] = {}
        self._connecting = 0
        self._tls = tls_context()
        self._sweep: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Close every connection."""
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in list(self._open):
            connection.abort()
        for _, task in self._pinned.values():
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def kept(self, place: Place) -> Connection | None:
        """Return a connection that stands already; None when a new one has to be made."""
        idle = self._idle.get(place)
        while idle:
            connection = idle.pop()
            if connection.is_open:
                return connection
        return None

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next question, if it can take one."""
        if not connection.is_open:
            return
        idle = self._idle.setdefault(connection.place, [])
        if len(idle) >= MAXIMUM_IDLE_PER_PLACE:
            connection.abort()
            return
        connection.idle_since = time.monotonic()
        idle.append(connection)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(KEPT_SECONDS, self._close_idle)

    async def make(self, place: Place) -> Connection:
        """Make a connection. Raises OSError, AddressRefused among them."""
        if len(self._open) + self._connecting >= MAXIMUM_CONNECTIONS:
            raise OSError(f"{MAXIMUM_CONNECTIONS} connections are open")
        self._connecting += 1
        try:
            return await self._make(place)
        finally:
            self._connecting -= 1

    async def _make(self, place: Place) -> Connection:
        scheme, host, port = place
        addresses = await self._addresses_of(host, port)
        found = [_address_info(address, port) for address in addresses]
        connected = await start_connection(
            found,
            happy_eyeballs_delay=STAGGERED_SECONDS,
            interleave=1,
            socket_factory=self._checked_socket,
        )
        secure = scheme == "https"
        connection = Connection(place, self._open.discard)
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                sock=connected,
                ssl=self._tls if secure else None,
                server_hostname=host if secure else None,
            )
        except BaseException:
            connected.close()
            raise
        if connection.is_open:
            self._open.add(connection)
        return connection

    def _close_idle(self) -> None:
        """Close what nobody has asked for a while. Comes back as long as anything is kept."""
        self._sweep = None
        latest = time.monotonic() - KEPT_SECONDS
        for place, idle in list(self._idle.items()):
            for connection in idle:
                if connection.idle_since <= latest:
                    connection.abort()
            self._idle[place] = [connection for connection in idle if connection.is_open]
            if not self._idle[place]:
                del self._idle[place]
        if self._idle:
            self._sweep = asyncio.get_running_loop().call_later(KEPT_SECONDS / 3, self._close_idle)

    async def _addresses_of(self, host: str, port: int) -> list[str]:
        """Return the addresses of a name: looked up once for all who ask meanwhile, and then kept for a while."""
        now = time.monotonic()
        until, task = self._pinned.get((host, port), (0.0, None))
        if task is None or now >= until or (task.done() and (task.cancelled() or task.exception())):
            if len(self._pinned) >= MAXIMUM_PINNED:
                self._pinned = {key: value for key, value in self._pinned.items() if now < value[0]}
            task = asyncio.create_task(self._checked_addresses(host, port))
            task.add_done_callback(_looked_at)
            self._pinned[host, port] = (now + PINNED_SECONDS, task)
        return await asyncio.shield(task)

    async def _checked_addresses(self, host: str, port: int) -> list[str]:
        """Refuse a name of which any address is not public: no honest buyer mixes them."""
        addresses = await self._resolve(host, port)
        for address in addresses:
            problem = address_problem(address, self._rules)
            if problem:
                raise AddressRefused(problem)
        if not addresses:
            raise OSError("the name has no address")
        return addresses

    def _checked_socket(self, address: Any) -> socket.socket:
        """Make the socket of a connection: the last place where its address can be judged, and the only sure one."""
        family, kind, protocol, _, peer = address
        problem = address_problem(str(peer[0]), self._rules)
        if problem:
            raise AddressRefused(problem)
        return socket.socket(family=family, type=kind, proto=protocol)

    async def _resolve_by_system(self, host: str, port: int) -> list[str]:
        def look_up() -> list[str]:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return list(dict.fromkeys(str(address[4][0]) for address in found))

        return await asyncio.get_running_loop().run_in_executor(self._threads, look_up)


def _looked_at(task: asyncio.Task[list[str]]) -> None:
    """Keep asyncio from complaining about a name that nobody waits for any more."""
    if not task.cancelled():
        task.exception()


def _address_info(address: str, port: int) -> tuple[int, int, int, str, tuple[Any, ...]]:
    if ":" in address:
        return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))
