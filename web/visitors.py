"""Who stands before the door, as a request tells it: from where, by what address they reach us, let in or led out."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from web import auth
from web.auth import SESSION_LIFETIME, Visitor
from web.cookies import read_cookie, set_cookie
from web.keys import ENGINE
from web.middleware import SESSION_COOKIE
from web.proxies import client_address, scheme_of

WEB_URL: web.AppKey[str] = web.AppKey("web_url", str)
"""How people reach these pages, such as https://switch.example; empty: as each request says."""


def visitor_of(request: web.Request) -> Visitor:
    return Visitor(address=client_address(request), user_agent=request.headers.get("User-Agent", ""))


def origin_of(request: web.Request) -> str:
    """Return scheme, host and port by which people reach us: the setting, or what this request says of itself.

    Never put into a mail without the setting: a stranger may send any Host.
    """
    return request.app[WEB_URL] or f"{scheme_of(request)}://{request.host}"


def host_of(request: web.Request) -> str:
    return urlsplit(origin_of(request)).hostname or ""


async def let_in(request: web.Request, response: web.StreamResponse, token: str) -> None:
    """Give a visitor their session; the one they had before ends."""
    old = read_cookie(request, SESSION_COOKIE)
    if old:
        await auth.sign_out(request.app[ENGINE], old)
    lifetime = int(SESSION_LIFETIME.total_seconds())
    set_cookie(request, response, SESSION_COOKIE, token, lifetime_seconds=lifetime)


def session_digest(request: web.Request) -> bytes:
    """Return the digest of the session this request came with."""
    return auth.digest_of(read_cookie(request, SESSION_COOKIE) or "")
