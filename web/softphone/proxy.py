"""The softphone's WebSocket: passed on to Asterisk, which listens for nobody but us.

Only a signed-in editor's own page may open it; it closes with the session, and its call with it. Asterisk speaks SIP
on it and asks for the softphone's password; all that can be called there are one-time codes.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from contextlib import suppress

from aiohttp import ClientError, ClientSession, ClientTimeout, ClientWebSocketResponse, WSMsgType, web

from web.keys import USER
from web.middleware import is_own_request
from web.open_streams import OPEN_STREAMS
from web.softphone.dialog import Dialogs
from web.softphone.line import LINE, SoftphoneLine

PROTOCOL = "sip"
MESSAGE_BYTES_MAXIMUM = 32 * 1024
"""An INVITE of a browser has 2 to 6 kB."""
MESSAGES_A_MINUTE = 600
OPEN_A_USER, OPEN_MAXIMUM = 4, 50
CONNECT_SECONDS = 3.0
HEARTBEAT_SECONDS = 20.0
GOING_AWAY = 1001
SIGNED_OUT = 4401
TOO_MUCH = 4429

Socket = web.WebSocketResponse

OPEN: web.AppKey[Counter[int]] = web.AppKey("softphones_open", Counter)
"""How many softphones of each user are connected."""
SOCKETS: web.AppKey[set[Socket]] = web.AppKey("softphone_sockets", set)
SESSION: web.AppKey[ClientSession] = web.AppKey("softphone_session", ClientSession)

log = logging.getLogger(__name__)


async def pass_on(request: web.Request) -> web.StreamResponse:
    """Connect a signed-in editor's softphone with Asterisk until one of them leaves."""
    if not _is_own_page(request) or PROTOCOL not in request.headers.get("Sec-WebSocket-Protocol", ""):
        raise web.HTTPForbidden
    line = request.app.get(LINE)
    if line is None:
        raise web.HTTPServiceUnavailable
    opened, user_id = request.app[OPEN], request[USER].user_id
    if opened[user_id] >= OPEN_A_USER or opened.total() >= OPEN_MAXIMUM:
        raise web.HTTPServiceUnavailable
    opened[user_id] += 1
    try:
        return await _connected(request, line)
    finally:
        opened[user_id] -= 1


def _is_own_page(request: web.Request) -> bool:
    """A WebSocket is opened by GET and knows no CORS: Origin has to be there and ours, whatever else is."""
    origin = request.headers.get("Origin", "")
    return bool(origin) and is_own_request(request) and origin.partition("://")[2] == request.host


async def close_all(app: web.Application) -> None:
    """Let go of every softphone: the process ends."""
    connected = app[SOCKETS]
    for browser in tuple(connected):
        await browser.close(code=GOING_AWAY)


async def _connected(request: web.Request, line: SoftphoneLine) -> web.StreamResponse:
    try:
        asterisk = await request.app[SESSION].ws_connect(
            line.url, protocols=(PROTOCOL,), max_msg_size=MESSAGE_BYTES_MAXIMUM, ssl=line.tls()
        )
    except (ClientError, OSError, TimeoutError) as fault:
        log.warning("Asterisk takes no WebSocket at %s: %s", line.url, fault)
        raise web.HTTPServiceUnavailable from fault
    browser = Socket(
        protocols=(PROTOCOL,),
        max_msg_size=MESSAGE_BYTES_MAXIMUM,
        heartbeat=HEARTBEAT_SECONDS,
        compress=False,
    )
    async with asterisk:
        await browser.prepare(request)
        request.app[SOCKETS].add(browser)
        try:
            await _both_ways(request, browser, asterisk)
        finally:
            request.app[SOCKETS].discard(browser)
    return browser


async def _both_ways(request: web.Request, browser: Socket, asterisk: ClientWebSocketResponse) -> None:
    dialogs, signed_out = Dialogs(), asyncio.Event()
    work = (
        _from_browser(browser, asterisk, dialogs),
        _from_switch(asterisk, browser, dialogs),
        _watch_session(signed_out),
    )
    ways = [asyncio.create_task(one) for one in work]
    watched = request.app[OPEN_STREAMS].watched(request, signed_out.set, outlives_idling=True)
    try:
        async with watched:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        code = next((code for task in done if task.exception() is None and (code := task.result())), 1000)
    finally:
        for task in ways:
            task.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
    with suppress(ConnectionError, TimeoutError):
        await browser.close(code=code)


async def _from_switch(asterisk: ClientWebSocketResponse, browser: Socket, dialogs: Dialogs) -> int:
    """Pass on what the switch says until it leaves; returns the code to close with."""
    async for message in asterisk:
        if message.type is WSMsgType.TEXT:
            dialogs.heard_from_switch(message.data)
        if not await _pass(message.type, message.data, browser):
            break
    return 1000


async def _from_browser(browser: Socket, asterisk: ClientWebSocketResponse, dialogs: Dialogs) -> int:
    """Pass on what the browser says, no more than a telephone has to say. When it is over so are its calls."""
    loop, began, count = asyncio.get_running_loop(), 0.0, 0
    try:
        async for message in browser:
            if loop.time() - began > 60:
                began, count = loop.time(), 0
            count += 1
            if count > MESSAGES_A_MINUTE:
                return TOO_MUCH
            if message.type is WSMsgType.TEXT:
                dialogs.heard_from_browser(message.data)
            if not await _pass(message.type, message.data, asterisk):
                break
    finally:
        with suppress(ConnectionError, TimeoutError):
            for farewell in dialogs.farewells(secrets.token_hex(8)):
                await asterisk.send_str(farewell)
    return 1000


async def _pass(kind: WSMsgType, data: str | bytes, to: Socket | ClientWebSocketResponse) -> bool:
    if kind is WSMsgType.TEXT and isinstance(data, str):
        await to.send_str(data)
    elif kind is WSMsgType.BINARY and isinstance(data, bytes):
        await to.send_bytes(data)
    else:
        return False
    return True


async def _watch_session(signed_out: asyncio.Event) -> int:
    """Return once whoever opened it is no longer signed in."""
    await signed_out.wait()
    return SIGNED_OUT


def client_session() -> ClientSession:
    """Return what connections to Asterisk are made with; the caller closes it."""
    return ClientSession(timeout=ClientTimeout(total=None, sock_connect=CONNECT_SECONDS), trust_env=False)
