"""What holds for every request: headers, the CSRF check, errors as pages, and who is signed in."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from aiohttp import ClientConnectionResetError, hdrs, web
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from rules.log_lines import SecurityEvent
from web import auth
from web.cookies import read_cookie
from web.keys import ENGINE, FACTOR_DUE, MICROPHONE, SESSION, USER, Role, User
from web.pages import TEMPLATES, render
from web.plain_refusal import PlainRefusal
from web.proxies import client_address, is_in_clear, is_secure
from web.security_log import report
from web.session_rules import SESSION_RULES

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SESSION_COOKIE = "tollbridge_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
TOKEN_LENGTH_MAXIMUM = 100
BY_ITSELF = "Tollbridge-By-Itself"
"""Header of what a page asks because calls have moved."""
EVENT_STREAM = "text/event-stream"
FACTOR_NEEDED = "/second-factor"
"""The page that leads through setting a second factor up."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: that would make browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Server": "Tollbridge",
}
PERMISSIONS_WITH_MICROPHONE = HEADERS["Permissions-Policy"].replace("microphone=()", "microphone=(self)")
STRICT_TRANSPORT = "max-age=31536000; includeSubDomains"

EXPLANATIONS = {
    403: ("Not yours to see", "Your account has no access to this page."),
    404: ("There is nothing here", "The address may be mistyped, or what was here is gone."),
    405: ("That cannot be done here", "This address does not take such a request."),
    413: ("Too much", "What was sent is larger than any form of ours."),
    426: (
        "Not over plain http",
        "Passwords and keys would cross the network for everybody to read. Use the address with https. If you run "
        "this switch: put a reverse proxy with TLS before it and name the proxy in TOLLBRIDGE_TRUSTED_PROXIES, or "
        "name the networks that may use plain http in TOLLBRIDGE_PLAIN_HTTP_NETWORKS.",
    ),
    500: ("Something broke on our side", "It has been written to the log. Calls are not touched by this."),
    503: (
        "The database does not answer",
        "Calls go on without it and are stored when it is back. Try again in a moment.",
    ),
}
KEPT_HEADERS = (hdrs.ALLOW, hdrs.UPGRADE)
"""What a refusal says to machines: which methods there are, and what to speak instead."""
UNEXPLAINED = ("That did not work", "The request could not be understood.")

LEFT = 499
"""What nginx calls an answer that nobody waited for."""

MACHINES = "/rtb/"
"""Below here publishers' machines ask, each with a key in the address: no cookie counts, and no page is of use."""
HOOKS = "/hooks/"
"""Below here payment providers tell of money; what bears their signature is believed (web/hooks.py)."""
POSTBACKS = "/postback/"
"""Below here buyers' machines report sales, each with a key in the address (web/sale_keys)."""
IN_CLEAR = ("/health", "/static/")
"""Below here nothing is secret: plain http from anywhere will do."""
SECRET_PATHS = (MACHINES, POSTBACKS, "/link/")
API = "/api/v1/"
"""Below here programs ask; web/api looks itself at who they are, and tells them of problems in JSON."""


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Set the headers of every answer; pages are never kept by a cache, versioned files always."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    if request.get(MICROPHONE):
        response.headers["Permissions-Policy"] = PERMISSIONS_WITH_MICROPHONE
    if is_secure(request):
        response.headers["Strict-Transport-Security"] = STRICT_TRANSPORT
    if request.path.startswith("/static/") and response.status == 200:
        versioned = "v" in request.query
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if versioned else "no-cache"
    else:
        response.headers["Cache-Control"] = "no-store"


@web.middleware
async def errors_as_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every failure into a page that says what happened and leads on."""
    try:
        return await handler(request)
    except web.HTTPException as exception:
        if exception.status < 400:
            raise
        if exception.status == 403:
            report(request, SecurityEvent.FORBIDDEN)
        page = _error_page(request, exception.status)
        page.headers.update(
            {name: exception.headers[name] for name in KEPT_HEADERS if name in exception.headers}
        )
        return page
    except ClientConnectionResetError:
        if not _has_left(request):
            raise
        # Nobody reads the answer any more: no fault of ours, and none of the database.
        log.debug("%s %s: whoever asked has left", request.method, _path_without_key(request))
        return web.Response(status=LEFT)
    except (SQLAlchemyError, OSError, TimeoutError) as exception:
        if not _is_outage(exception):
            log.exception("%s %s", request.method, _path_without_key(request))
            return _error_page(request, 500)
        path = _path_without_key(request)
        log.warning("%s %s: the database does not answer: %s", request.method, path, exception)
        return _error_page(request, 503)
    except Exception:
        log.exception("%s %s", request.method, _path_without_key(request))
        return _error_page(request, 500)


@web.middleware
async def refuse_plain_http(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what comes from another machine without TLS; whether we live may be asked anyhow."""
    if is_in_clear(request) and not request.path.startswith(IN_CLEAR):
        log.warning("refused plain http from %s", client_address(request))
        raise web.HTTPUpgradeRequired(headers={"Upgrade": "TLS/1.2, HTTP/1.1"})
    return await handler(request)


@web.middleware
async def refusals_as_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say what a handler refuses in plain words, as a page or as the API says it."""
    try:
        return await handler(request)
    except PlainRefusal as refused:
        answer = _error_page(request, refused.status, said=(refused.title, refused.sentence))
        if refused.retry_after_seconds is not None:
            answer.headers["Retry-After"] = str(refused.retry_after_seconds)
        return answer


@web.middleware
async def refuse_foreign_posts(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a changing request that another site made (CSRF)."""
    if request.path.startswith((MACHINES, HOOKS, POSTBACKS, API)):
        return await handler(request)
    if request.method not in SAFE_METHODS and not is_own_request(request):
        path = _path_without_key(request)
        log.warning("refused a foreign %s %s from %s", request.method, path, client_address(request))
        raise web.HTTPForbidden
    return await handler(request)


def is_own_request(request: web.Request) -> bool:
    """Tell whether one of our own pages made this request.

    Sec-Fetch-Site where the browser sends it (https and localhost), else Origin, which every browser sends
    with a POST. Neither: refused.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin", "")
    try:
        return bool(origin) and urlsplit(origin).netloc == request.host
    except ValueError:
        return False


def only(*roles: Role, before_factor: bool = False) -> Callable[[Handler], Handler]:
    """Return a decorator: the handler runs for these roles only; strangers are asked to sign in.

    `before_factor`: for who has yet to show the second factor that their role wants, too. Raises ValueError when no
    role is named.
    """
    if not roles:
        raise ValueError("name the roles that may ask")

    def guard(handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            user = await signed_in_user(request)
            if user is None:
                return _ask_to_sign_in(request)
            request[USER] = user
            if user.role not in roles:
                raise web.HTTPForbidden
            rules, session = request.app[SESSION_RULES], request[SESSION]
            if not rules.lacks_factor(session, datetime.now(UTC)):
                request[FACTOR_DUE] = rules.factor_due(session)
            elif not before_factor:
                return _ask_for_factor(request)
            return await handler(request)

        # Read by the test of every route for every role.
        guarded.roles = frozenset(roles)  # type: ignore[attr-defined]
        return guarded

    return guard


async def signed_in_user(request: web.Request) -> User | None:
    """Return whose session a request came with, and note the session as SESSION."""
    token = read_cookie(request, SESSION_COOKIE)
    if not token or len(token) > TOKEN_LENGTH_MAXIMUM:
        return None
    found = await auth.session_of(
        request.app[ENGINE],
        token,
        datetime.now(UTC),
        address=client_address(request),
        rules=request.app[SESSION_RULES],
        by_itself=BY_ITSELF in request.headers or EVENT_STREAM in request.headers.get("Accept", ""),
    )
    if found is None:
        return None
    request[SESSION] = found.session
    return found.user


def _ask_to_sign_in(request: web.Request) -> web.StreamResponse:
    if request.headers.get("HX-Request") == "true":
        # A part of a page asked: the whole page must go, so htmx is told where.
        back = urlsplit(request.headers.get("HX-Current-URL", ""))
        wanted = back.path + (f"?{back.query}" if back.query else "")
        return web.Response(status=401, headers={"HX-Redirect": sign_in_address(wanted)})
    wanted = request.path_qs if request.method in SAFE_METHODS else "/"
    raise web.HTTPSeeOther(sign_in_address(wanted))


def _ask_for_factor(request: web.Request) -> web.StreamResponse:
    if request.headers.get("HX-Request") == "true":
        return web.Response(status=403, headers={"HX-Redirect": FACTOR_NEEDED})
    if request.method in SAFE_METHODS:
        raise web.HTTPSeeOther(FACTOR_NEEDED)
    return render(
        request,
        "web/error.html",
        status=403,
        title="Second factor needed",
        explanation="Nothing was done: your role needs a second factor first.",
        way=FACTOR_NEEDED,
    )


def sign_in_address(wanted: str) -> str:
    return f"/sign-in?next={quote(wanted, safe='/')}" if wanted not in ("", "/") else "/sign-in"


def _has_left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _is_outage(exception: Exception) -> bool:
    """Tell a database that is away from a query that is wrong."""
    if isinstance(exception, DBAPIError):
        code = str(getattr(exception.orig, "sqlstate", "") or "")
        # 08 connection, 53 resources, 57 operator (shutdown, statement timeout).
        return exception.connection_invalidated or code[:2] in ("08", "53", "57")
    return isinstance(exception, (PoolTimeoutError, OSError, TimeoutError))


def _path_without_key(request: web.Request) -> str:
    """Return the path for the log: a publisher's key, or a link that opens an account, must not stand there."""
    secret = next((place for place in SECRET_PATHS if request.path.startswith(place)), None)
    return f"{secret}…" if secret else request.path


def _error_page(request: web.Request, status: int, said: tuple[str, str] | None = None) -> web.Response:
    title, explanation = said or EXPLANATIONS.get(status, UNEXPLAINED)
    if TEMPLATES not in request.app or request.path.startswith((MACHINES, HOOKS, POSTBACKS)):
        return web.json_response({"error": title}, status=status)
    if request.path.startswith(API):
        content = {"type": "about:blank", "title": title, "status": status, "detail": explanation}
        return web.Response(
            status=status, text=json.dumps(content), content_type="application/problem+json", charset="utf-8"
        )
    return render(request, "web/error.html", status=status, title=title, explanation=explanation)
