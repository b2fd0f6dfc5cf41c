"""Who stands before the door, as a request tells it: from where, by what address they reach us, let in or led out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urlsplit

from aiohttp import web

from web import auth, queries
from web.audit import Actor
from web.auth import SESSION_LIFETIME, SignedIn, Visitor
from web.authority import Credential, credential_of_session
from web.cookies import drop_cookie, read_cookie, set_cookie
from web.keys import ENGINE, NEW_TOKEN, SESSION, USER, Session
from web.known_devices import DEVICE_COOKIE, DEVICE_LIFETIME, DEVICES, KnownDevice
from web.middleware import SESSION_COOKIE, Handler
from web.proxies import client_address, scheme_of
from web.session_rules import SESSION_RULES

Answer = TypeVar("Answer", bound=web.StreamResponse)

WEB_URL: web.AppKey[str] = web.AppKey("web_url", str)
"""How people reach these pages, such as https://switch.example; empty: as each request says."""


def visitor_of(request: web.Request) -> Visitor:
    return Visitor(
        address=client_address(request),
        user_agent=request.headers.get("User-Agent", ""),
        device=_device_of(request),
    )


def _device_of(request: web.Request) -> KnownDevice | None:
    return request.app[DEVICES].read(read_cookie(request, DEVICE_COOKIE) or "", datetime.now(UTC))


def origin_of(request: web.Request) -> str:
    """Return scheme, host and port by which people reach us: the setting, or what this request says of itself.

    Never put into a mail without the setting: a stranger may send any Host.
    """
    return request.app[WEB_URL] or f"{scheme_of(request)}://{request.host}"


def host_of(request: web.Request) -> str:
    return urlsplit(origin_of(request)).hostname or ""


async def let_in(request: web.Request, response: web.StreamResponse, token: str) -> None:
    """Give a visitor their session, and let their browser be known from now on; the session before ends."""
    old = read_cookie(request, SESSION_COOKIE)
    if old:
        await auth.sign_out(request.app[ENGINE], old)
    await auth.apply_rules(request.app[ENGINE], token, request.app[SESSION_RULES], datetime.now(UTC))
    _set_session(request, response, token)
    async with request.app[ENGINE].connect() as connection:
        found = await queries.user_by_session(connection, auth.digest_of(token), datetime.now(UTC))
    if found is not None:
        await remember_device(request, response, found.user.user_id)


async def remember_device(request: web.Request, response: web.StreamResponse, user_id: int) -> None:
    """Let this browser be known to somebody who has just shown who they are (web/known_devices.py)."""
    async with request.app[ENGINE].connect() as connection:
        known = await queries.user_by_id(connection, user_id)
    if known is None:
        return
    device = request.app[DEVICES].write(
        user_id, known.password_hash, datetime.now(UTC), before=_device_of(request)
    )
    lifetime = int(DEVICE_LIFETIME.total_seconds())
    set_cookie(request, response, DEVICE_COOKIE, device, lifetime_seconds=lifetime)


async def look_again(request: web.Request, renewed: SignedIn) -> None:
    """Go on with a session that was renewed, as it is now; the answer brings the browser its new token."""
    found = await auth.session_of(
        request.app[ENGINE], renewed.token, datetime.now(UTC), rules=request.app[SESSION_RULES]
    )
    if found is not None:
        request[SESSION], request[NEW_TOKEN] = found.session, renewed.token


@web.middleware
async def hand_renewed_session(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Bring the browser the new token of a session that was renewed on the way."""
    try:
        response = await handler(request)
    except auth.SessionEnded as ended:
        raise web.HTTPSeeOther("/sign-in") from ended
    except web.HTTPException as leads_on:
        if NEW_TOKEN in request:
            _set_session(request, leads_on, request[NEW_TOKEN])
        raise
    if NEW_TOKEN in request:
        _set_session(request, response, request[NEW_TOKEN])
    return response


def _set_session(request: web.Request, response: web.StreamResponse, token: str) -> None:
    lifetime = int(SESSION_LIFETIME.total_seconds())
    set_cookie(request, response, SESSION_COOKIE, token, lifetime_seconds=lifetime)


def credential_of(request: web.Request, now: datetime) -> Credential:
    """Return by what this request asks: without a session it was a token."""
    session: Session | None = request.get(SESSION)
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
    session: Session | None = request.get(SESSION)
    if session is not None:
        return session.token_digest
    return auth.digest_of(request.headers.get("Authorization", "").partition(" ")[2].strip())


def left(request: web.Request) -> web.HTTPSeeOther:
    """Return what leads out: the cookie goes, and what this browser has kept of us, drafts of flows too."""
    response = web.HTTPSeeOther("/sign-in")
    forget_all(request, response)
    return response


def forget_all(request: web.Request, response: web.StreamResponse) -> None:
    """Have the browser forget the session, and what it has kept of us."""
    drop_cookie(request, response, SESSION_COOKIE)
    # Not "cookies": those of other services of the same domain would go too.
    response.headers["Clear-Site-Data"] = '"cache", "storage"'


def session_digest(request: web.Request) -> bytes:
    """Return the digest of the session this request came with."""
    return auth.digest_of(read_cookie(request, SESSION_COOKIE) or "")
