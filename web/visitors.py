"""Who stands before the door, as a request tells it: from where, by what address they reach us, let in or led out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urlsplit

from aiohttp import web

from web import auth
from web.audit import Actor
from web.auth import SESSION_LIFETIME, Visitor
from web.authority import Credential, credential_of_session
from web.keys import ENGINE, SESSION, USER
from web.middleware import SESSION_COOKIE
from web.proxies import client_address, is_secure, scheme_of
from web.session_rules import SESSION_RULES

Answer = TypeVar("Answer", bound=web.StreamResponse)

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
    old = request.cookies.get(SESSION_COOKIE)
    if old:
        await auth.sign_out(request.app[ENGINE], old)
    await auth.apply_rules(request.app[ENGINE], token, request.app[SESSION_RULES], datetime.now(UTC))
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        httponly=True,
        samesite="Lax",
        secure=is_secure(request),
    )


def credential_of(request: web.Request, now: datetime) -> Credential:
    """Return by what this request asks: without a session it was a token."""
    session = request.get(SESSION)
    if session is None:
        return Credential.TOKEN
    return credential_of_session(verified_at=session.verified_at, factor_at=session.factor_at, now=now)


def actor_of(request: web.Request) -> Actor:
    """Return who asks by a page."""
    return Actor(
        user=request[USER], credential=credential_of(request, datetime.now(UTC)), holder=holder_of(request)
    )


def holder_of(request: web.Request) -> bytes:
    """Return the digest of the session or the token that this request came with."""
    session = request.get(SESSION)
    if session is not None:
        return session.token_digest
    return auth.digest_of(request.headers.get("Authorization", "").partition(" ")[2].strip())


def left(request: web.Request) -> web.HTTPSeeOther:
    """Return what leads out: the cookie goes, and what this browser has kept of us, drafts of flows too."""
    return leave_nothing(web.HTTPSeeOther("/sign-in"))


def leave_nothing(response: Answer) -> Answer:
    """Have an answer take away the cookie and what the browser keeps of us."""
    response.del_cookie(SESSION_COOKIE)
    # Not "cookies": those of other services of the same domain would go too.
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def session_digest(request: web.Request) -> bytes:
    """Return the digest of the session this request came with."""
    return auth.digest_of(request.cookies.get(SESSION_COOKIE, ""))
