"""The door: sign in by password, by the code after it, and sign out."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

from aiohttp import web

from web import auth, zones
from web.addresses import own_path
from web.auth import LOCK_OUT_MINUTES, SECOND_FACTOR_LIFETIME, SecondFactorAsked, SignedIn, SignInRefusal
from web.keys import ENGINE
from web.middleware import SESSION_COOKIE
from web.oidc.directory import DIRECTORY
from web.oidc.leaving import signed_out_page
from web.pages import render
from web.proxies import is_secure
from web.second_factor.factor import CodeRefusal, answer_code
from web.second_factor.vault import VAULT
from web.visitors import leave_nothing, left, let_in, visitor_of

SECOND_FACTOR_COOKIE = "tollbridge_second_factor"
REFUSALS = {
    SignInRefusal.WRONG: (403, "E-mail address and password do not match."),
    SignInRefusal.LOCKED_OUT: (
        429,
        f"Too many wrong passwords. Nobody gets in this way for {LOCK_OUT_MINUTES} minutes.",
    ),
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
    if SECOND_FACTOR_COOKIE not in request.cookies:
        raise web.HTTPSeeOther(_with_next("/sign-in", wanted))
    return render(request, "sign_in/code.html", wanted=wanted, refusal=None)


async def submit_code(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    wanted = own_path(str(form.get("next", "")))
    result = await answer_code(
        request.app[ENGINE],
        request.app[VAULT],
        token=request.cookies.get(SECOND_FACTOR_COOKIE, ""),
        code=str(form.get("code", "")),
        visitor=visitor_of(request),
        now=datetime.now(UTC),
    )
    if result is CodeRefusal.OVER:
        answer = sign_in_page(request, status=403, wanted=wanted, refusal=str(result))
        answer.del_cookie(SECOND_FACTOR_COOKIE)
        return answer
    if isinstance(result, CodeRefusal):
        status = CODE_STATUSES[result]
        return render(request, "sign_in/code.html", status=status, wanted=wanted, refusal=str(result))
    response = web.HTTPSeeOther(wanted)
    response.del_cookie(SECOND_FACTOR_COOKIE)
    await let_in(request, response, result.token)
    raise response


async def leave(request: web.Request) -> web.StreamResponse:
    await auth.sign_out(request.app[ENGINE], request.cookies[SESSION_COOKIE])
    page = await signed_out_page(request)
    if page is None:
        raise left(request)
    return leave_nothing(page)


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
    response.set_cookie(
        SECOND_FACTOR_COOKIE,
        asked.token,
        max_age=int(SECOND_FACTOR_LIFETIME.total_seconds()),
        httponly=True,
        samesite="Lax",
        secure=is_secure(request),
    )


def _with_next(address: str, wanted: str) -> str:
    return address if wanted == "/" else f"{address}?next={quote(wanted, safe='/')}"


def remember_zone(request: web.Request, response: web.StreamResponse, browser_zone: str) -> None:
    zone = zones.zone_named(browser_zone)
    if zone is not None and zones.COOKIE not in request.cookies:
        zones.remember_zone(response, zone, secure=is_secure(request))
