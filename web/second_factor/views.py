"""The second factor on one's account: set up with a QR code, renew the recovery codes, take it away."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import segno
from aiohttp import web

from web.confirm.views import confirm_page, may_not_change_factors
from web.keys import ENGINE, SESSION, USER
from web.pages import render
from web.second_factor.codes import grouped, setup_address
from web.second_factor.factor import (
    CodeRefusal,
    FactorSet,
    begin_setup,
    finish_setup,
    remove_factor,
    renew_recovery_codes,
    secret_of_setup,
)
from web.second_factor.vault import VAULT
from web.session_rules import SESSION_RULES
from web.visitors import actor_of


async def begin(request: web.Request) -> web.StreamResponse:
    if why := may_not_change_factors(request):
        return await confirm_page(request, why)
    token = await begin_setup(request.app[ENGINE], request.app[VAULT], request[USER], datetime.now(UTC))
    raise web.HTTPSeeOther(f"/account/second-factor/{token}")


async def show_needed(request: web.Request) -> web.StreamResponse:
    """The page that leads through it when one's role wants a second factor and there is none, or it was not shown."""
    session = request[SESSION]
    rules, now = request.app[SESSION_RULES], datetime.now(UTC)
    if session.has_factor and not rules.lacks_factor(session, now):
        raise web.HTTPSeeOther("/")
    return render(
        request,
        "second_factor/needed.html",
        has_factor=session.has_factor,
        has_app=session.has_app,
        has_passkey=session.has_passkey,
    )


async def show_setup(request: web.Request) -> web.StreamResponse:
    return await _setup_page(request)


async def picture(request: web.Request) -> web.StreamResponse:
    """The QR code, as a picture of our own address: the page's policy lets nothing in that is written in the page."""
    secret = await _secret(request)
    if secret is None:
        raise web.HTTPNotFound
    drawn = io.BytesIO()
    code = segno.make(setup_address(secret, request[USER].email), error="m", micro=False)
    # Dark on light in the dark too: not every telephone reads the other way round.
    code.save(drawn, kind="svg", scale=6, border=4, dark="#000", light="#fff")
    return web.Response(body=drawn.getvalue(), content_type="image/svg+xml")


async def finish(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    user = request[USER]
    result = await finish_setup(
        request.app[ENGINE],
        request.app[VAULT],
        actor_of(request),
        user,
        token=request.match_info["token"],
        code=str(form.get("code", "")),
        own_session_digest=request[SESSION].token_digest,
        now=datetime.now(UTC),
    )
    if isinstance(result, FactorSet):
        return render(
            request, "second_factor/recovery_codes.html", codes=result.recovery_codes, renewed=False
        )
    return await _setup_page(request, result)


async def renew(request: web.Request) -> web.StreamResponse:
    if why := may_not_change_factors(request):
        return await confirm_page(request, why)
    user = request[USER]
    result = await renew_recovery_codes(request.app[ENGINE], actor_of(request), user)
    if result is None:
        raise web.HTTPSeeOther("/account")
    return render(request, "second_factor/recovery_codes.html", codes=result.recovery_codes, renewed=True)


async def remove(request: web.Request) -> web.StreamResponse:
    if why := may_not_change_factors(request):
        return await confirm_page(request, why)
    user = request[USER]
    await remove_factor(request.app[ENGINE], actor_of(request), user.user_id)
    raise web.HTTPSeeOther("/account?done=factor_gone")


async def _secret(request: web.Request) -> str | None:
    token = request.match_info["token"]
    return await secret_of_setup(
        request.app[ENGINE], request.app[VAULT], request[USER], token, datetime.now(UTC)
    )


async def _setup_page(request: web.Request, refusal: CodeRefusal | None = None) -> web.Response:
    secret = await _secret(request)
    if secret is None:
        # Set up meanwhile, or too late: the account page says how things stand.
        raise web.HTTPSeeOther("/account")
    return render(
        request,
        "second_factor/setup.html",
        status=422 if refusal else 200,
        token=request.match_info["token"],
        secret=grouped(secret),
        refusal=refusal,
    )
