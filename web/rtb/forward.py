"""Publishers' machines at the address of the pages: passed on to the pings process, no more at once than it can take.

A reverse proxy may send `/rtb/` there by itself (docs/inbound-pings.md); then nothing of it comes here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, hdrs, web
from yarl import URL

from router.snapshot import DATABASE_FAULTS
from web.keys import ENGINE, RTB_KEYS
from web.known_keys import KnownKeys
from web.proxies import client_address, scheme_of
from web.rtb.body import TOO_SLOW, read_bytes
from web.rtb.publisher_keys import digest_of, is_key
from web.rtb.queries import digests_in_force
from web.rtb.shapes import Answer, PingProblem
from web.rtb.views import refuse_unknown, write_answer

log = logging.getLogger(__name__)

FORWARDED_MOST = 100
"""Pings on their way at once; the pings process decides 14 and lets the others wait 1.5 s."""
CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 15.0

NOBODY_ANSWERS = Answer(
    status=503,
    body={"error": "pings are not answered at this moment: try again"},
    headers={"Retry-After": "1"},
)
TOO_MANY = Answer(
    status=503, body={"error": "too many pings at once: try again"}, headers={"Retry-After": "1"}
)

_NOT_PASSED_ON = frozenset(
    name.lower()
    for name in (
        hdrs.CONNECTION, hdrs.KEEP_ALIVE, hdrs.PROXY_AUTHENTICATE, hdrs.PROXY_AUTHORIZATION, hdrs.TE, hdrs.TRAILER,
        hdrs.TRANSFER_ENCODING, hdrs.UPGRADE, hdrs.HOST, hdrs.COOKIE, hdrs.CONTENT_LENGTH, hdrs.CONTENT_ENCODING,
        hdrs.EXPECT, hdrs.FORWARDED, hdrs.X_FORWARDED_FOR, hdrs.X_FORWARDED_PROTO, hdrs.DATE, hdrs.SERVER,
        hdrs.SET_COOKIE, hdrs.ACCEPT_ENCODING,
    )
)  # fmt: skip

PINGS_URL: web.AppKey[str] = web.AppKey("pings_url", str)
_SESSION: web.AppKey[ClientSession] = web.AppKey("pings_session", ClientSession)
_ON_THEIR_WAY: web.AppKey[asyncio.Semaphore] = web.AppKey("pings_on_their_way", asyncio.Semaphore)


def add_pings(app: web.Application, url: str) -> None:
    """Let `/rtb/` be answered by the process at `url`; empty: nobody answers."""
    app[PINGS_URL] = url
    app[RTB_KEYS] = KnownKeys(partial(digests_in_force, app[ENGINE]))
    app[_ON_THEIR_WAY] = asyncio.Semaphore(FORWARDED_MOST)

    async def connect(app: web.Application) -> AsyncIterator[None]:
        app[_SESSION] = ClientSession(
            connector=TCPConnector(limit=FORWARDED_MOST),
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS),
            auto_decompress=False,
            trust_env=False,
        )
        yield
        await app[_SESSION].close()

    app.cleanup_ctx.append(connect)


async def pass_on(request: web.Request) -> web.Response:
    """Ask the pings process what it answers, and answer that."""
    key = request.match_info["key"].removesuffix(".json")
    if not is_key(key):
        return refuse_unknown(request)
    # A flood of wrong keys must not take the ways to the pings process. Without a database it says so itself.
    with suppress(*DATABASE_FAULTS):
        unknown = await request.app[RTB_KEYS].refusal(digest_of(key), client_address(request))
        if unknown is not None:
            return refuse_unknown(request, unknown)
    if not request.app[PINGS_URL]:
        return write_answer(NOBODY_ANSWERS)
    body = await read_bytes(request)
    if isinstance(body, PingProblem):
        refused = write_answer(Answer(status=408 if body is TOO_SLOW else 413, body={"error": body.detail}))
        refused.force_close()
        return refused
    on_their_way = request.app[_ON_THEIR_WAY]
    if on_their_way.locked():
        return write_answer(TOO_MANY)
    async with on_their_way:
        return await _asked(request, body)


async def _asked(request: web.Request, body: bytes) -> web.Response:
    address = URL(request.app[PINGS_URL] + request.raw_path, encoded=True)
    said = {
        **_passed_on(request.headers),
        hdrs.X_FORWARDED_FOR: client_address(request),
        hdrs.X_FORWARDED_PROTO: scheme_of(request),
    }
    session = request.app[_SESSION]
    try:
        async with session.request(
            request.method, address, data=body or None, headers=said, allow_redirects=False
        ) as answer:
            content = await answer.read()
    except (ClientError, OSError, TimeoutError) as fault:
        log.warning("the pings process does not answer: %s", str(fault) or type(fault).__name__)
        return write_answer(NOBODY_ANSWERS)
    return web.Response(status=answer.status, body=content, headers=_passed_on(answer.headers))


def _passed_on(headers: Mapping[str, str]) -> dict[str, Any]:
    return {name: value for name, value in headers.items() if name.lower() not in _NOT_PASSED_ON}
