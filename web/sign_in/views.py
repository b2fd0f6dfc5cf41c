"""The door: sign in by password, by the code after it, and sign out."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

from aiohttp import web

from rules.log_lines import SecurityEvent
from web import auth, zones
from web.addresses import own_path
from web.auth import LONGEST_WAIT_MINUTES, SECOND_FACTOR_LIFETIME, SecondFactorAsked, SignedIn, SignInRefusal
from web.cookies import drop_cookie, read_cookie, set_cookie
from web.keys import ENGINE
from web.middleware import SESSION_COOKIE
from web.oidc.directory import DIRECTORY
from web.oidc.leaving import signed_out_page
from web.pages import render
from web.second_factor.factor import CodeRefusal, answer_code
from web.second_factor.vault import VAULT
from web.security_log import report
from web.visitors import forget_all, left, let_in, visitor_of

SECOND_FACTOR_COOKIE = "tollbridge_second_factor"
REFUSALS = {
    SignInRefusal.WRONG: (403, "E-mail address and password do not match."),
    SignInRefusal.LOCKED_OUT: (
        429,
        "Too many wrong passwords. Wait a little and try again: each wrong one makes the wait longer, "
        f"{LONGEST_WAIT_MINUTES} minutes at most. A passkey or a link for a new password opens without a wait, "
        "and a browser you have signed in with before does not wait for what others do.",
    ),
}
EVENTS = {
    SignInRefusal.WRONG: SecurityEvent.SIGN_IN_REFUSED,
    SignInRefusal.LOCKED_OUT: SecurityEvent.SIGN_IN_LOCKED,
    CodeRefusal.WRONG: SecurityEvent.SIGN_IN_REFUSED,
    CodeRefusal.LOCKED_OUT: SecurityEvent.SIGN_IN_LOCKED,
}
CODE_STATUSES = {CodeRefusal.WRONG: 403, CodeRefusal.UNREADABLE: 409, CodeRefusal.LOCKED_OUT: 429}


async def show(request: web.Request) -> web.StreamResponse:
    return sign_in_page(request, wanted=own_path(request.query.get("next")), welcome="set" in request.query)


async def submit(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    email, password = str(form.get("email", "")), str(form.get("password", ""))
    wanted = own_path(str(form.get("next", "")))
    result = await auth.sign_in(
        request.app[ENGINE],
        email=email,
        password=password,
        visitor=visitor_of(request),
        now=datetime.now(UTC),
    )
    if isinstance(result, SignInRefusal):
        status, refusal = REFUSALS[result]
        report(request, EVENTS[result])
        return sign_in_page(request, status=status, email=email, wanted=wanted, refusal=refusal)
    response = web.HTTPSeeOther(wanted)
    remember_zone(request, response, str(form.get("time_zone", "")))
    if isinstance(result, SignedIn):
        await let_in(request, response, result.token)
    else:
        ask_for_code(request, response, result, wanted)
    raise response


async def show_code(request: web.Request) -> web.StreamResponse:
    """The second step. Who has not done the first is led there."""
    wanted = own_path(request.query.get("next"))
    if read_cookie(request, SECOND_FACTOR_COOKIE) is None:
        raise web.HTTPSeeOther(_with_next("/sign-in", wanted))
    return render(request, "sign_in/code.html", wanted=wanted, refusal=None)


async def submit_code(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    wanted = own_path(str(form.get("next", "")))
    result = await answer_code(
        request.app[ENGINE],
        request.app[VAULT],
        token=read_cookie(request, SECOND_FACTOR_COOKIE) or "",
        code=str(form.get("code", "")),
        visitor=visitor_of(request),
        now=datetime.now(UTC),
    )
    if result in EVENTS:
        report(request, EVENTS[result])
    if result is CodeRefusal.OVER:
        answer = sign_in_page(request, status=403, wanted=wanted, refusal=str(result))
        drop_cookie(request, answer, SECOND_FACTOR_COOKIE)
        return answer
    if isinstance(result, CodeRefusal):
        status = CODE_STATUSES[result]
        return render(request, "sign_in/code.html", status=status, wanted=wanted, refusal=str(result))
    response = web.HTTPSeeOther(wanted)
    drop_cookie(request, response, SECOND_FACTOR_COOKIE)
    await let_in(request, response, result.token)
    raise response


async def leave(request: web.Request) -> web.StreamResponse:
    await auth.sign_out(request.app[ENGINE], read_cookie(request, SESSION_COOKIE) or "")
    page = await signed_out_page(request)
    if page is None:
        raise left(request)
    forget_all(request, page)
    return page


def sign_in_page(
    request: web.Request,
    *,
    status: int = 200,
    email: str = "",
    wanted: str = "/",
    refusal: str | None = None,
    welcome: bool = False,
    by_directory: bool = False,
) -> web.Response:
    """Return the page. `by_directory`: the refusal is about that way in, and not about the password."""
    directory = request.app[DIRECTORY]
    return render(
        request,
        "sign_in/sign_in.html",
        status=status,
        email=email,
        wanted=wanted,
        refusal=refusal,
        welcome=welcome,
        by_directory=by_directory,
        directory=directory and directory.config.name,
    )


def ask_for_code(
    request: web.Request, response: web.HTTPSeeOther, asked: SecondFactorAsked, wanted: str
) -> None:
    response.headers["Location"] = _with_next("/sign-in/code", wanted)
    lifetime = int(SECOND_FACTOR_LIFETIME.total_seconds())
    set_cookie(request, response, SECOND_FACTOR_COOKIE, asked.token, lifetime_seconds=lifetime)


def _with_next(address: str, wanted: str) -> str:
    return address if wanted == "/" else f"{address}?next={quote(wanted, safe='/')}"


def remember_zone(request: web.Request, response: web.StreamResponse, browser_zone: str) -> None:
    zone = zones.zone_named(browser_zone)
    if zone is not None and not zones.has_zone(request):
        zones.remember_zone(request, response, zone)
