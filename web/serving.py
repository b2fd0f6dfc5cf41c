"""How the web's processes listen, and what a connection may cost.

A head is bounded by aiohttp: 8 kB a line, 128 lines.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress

from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestHandler

from web.counted_address import counted_as
from web.plain_refusal import PlainRefusal
from web.proxies import TRUSTED_PROXIES, Networks, is_within

log = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 2.0
HEAD_SECONDS = 75.0
"""Within it a connection has sent a whole head, the first or the next: longer than proxies keep an idle one (60 s)."""
BODY_SECONDS = 20.0
BODY_BYTES_PER_SECOND = 16 * 1024
"""A body has BODY_SECONDS, and a second more for each so many bytes that it says it has."""
CONNECTIONS_OF_ADDRESS = 250
"""From one address, IPv6 by /64; reverse proxies that are trusted have no such limit."""
CONNECTIONS_MAXIMUM = 4_000
COUNT_EVERY_SECONDS = 1.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Connection = RequestHandler


class TooSlow(PlainRefusal):
    """The body did not come in time."""

    def __init__(self) -> None:
        super().__init__(408, "Too slow", "What was sent did not arrive in time. Try again.")


class Compressed(PlainRefusal):
    """A small body that unpacks to a huge one would keep the loop, before anybody asks who sent it."""

    def __init__(self) -> None:
        super().__init__(415, "Compressed", "Send the body as it is, without Content-Encoding.")


async def serve_app(app: web.Application, address: str, port: int) -> None:
    """Serve until cancelled. Raises OSError when the port is taken."""
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=SHUTDOWN_SECONDS,
        keepalive_timeout=HEAD_SECONDS,
        auto_decompress=False,
    )
    await runner.setup()
    counting = asyncio.create_task(_keep_counting(runner, app[TRUSTED_PROXIES]))
    try:
        await web.TCPSite(runner, address, port).start()
        await asyncio.Event().wait()
    finally:
        counting.cancel()
        await asyncio.gather(counting, return_exceptions=True)
        await runner.cleanup()


@web.middleware
async def bodies_in_time(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give up a body that trickles in: anyone who waits for it then hears TooSlow. Nothing is unpacked."""
    if not request.can_read_body:
        return await handler(request)
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise Compressed
    seconds = BODY_SECONDS + (request.content_length or 0) / BODY_BYTES_PER_SECOND
    timer = asyncio.get_running_loop().call_later(seconds, _give_up, request)
    try:
        return await handler(request)
    finally:
        timer.cancel()


def _give_up(request: web.Request) -> None:
    if not request.content.is_eof():
        request.content.set_exception(TooSlow())


async def _keep_counting(runner: web.AppRunner, trusted: Networks) -> None:
    while True:
        await asyncio.sleep(COUNT_EVERY_SECONDS)
        if runner.server is None:
            continue
        by_address = _by_address(runner.server.connections, trusted)
        excess = too_many(by_address, each=CONNECTIONS_OF_ADDRESS, together=CONNECTIONS_MAXIMUM)
        if excess:
            log.warning("%d connections are closed: too many of one address, or of all", len(excess))
        for connection in excess:
            with suppress(OSError):
                connection.force_close()


def _by_address(connections: Iterable[Connection], trusted: Networks) -> dict[str, list[Connection]]:
    """Return connections by what their address counts as, oldest first; those of trusted proxies under ''."""
    found: dict[str, list[Connection]] = defaultdict(list)
    for connection in connections:
        peer = connection.peername
        address = str(peer[0]) if isinstance(peer, tuple) else ""
        found["" if is_within(address, trusted) else counted_as(address)].append(connection)
    return found


def too_many(by_address: dict[str, list[Connection]], *, each: int, together: int) -> Sequence[Connection]:
    """Return the connections to close: the oldest of anyone who has too many. '' has no limit of its own. Pure."""
    closed: list[Connection] = []
    for address, connections in by_address.items():
        if address and len(connections) > each:
            closed += connections[: len(connections) - each]
            del connections[: len(connections) - each]
    over = sum(map(len, by_address.values())) - together
    while over > 0 and (strangers := [found for address, found in by_address.items() if address and found]):
        most = max(strangers, key=len)
        closed.append(most.pop(0))
        over -= 1
    return closed
