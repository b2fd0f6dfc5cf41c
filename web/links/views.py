"""Pages for who has a link, and for who has forgotten a password. Nobody is signed in here."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from web.auth import LOCK_OUT_MINUTES
from web.keys import ENGINE
from web.links.links import LinkRefusal, ask_for_link, read_link, set_password_by_link
from web.mail import MAILER
from web.pages import render
from web.password_rules import PasswordRefusal
from web.visitors import visitor_of

STATUSES = {LinkRefusal.OVER: 410, LinkRefusal.LOCKED_OUT: 429}


async def show(request: web.Request) -> web.StreamResponse:
    """The page to set a password. Looking at it uses nothing up."""
    token = request.match_info["token"]
    link = await read_link(request.app[ENGINE], token, datetime.now(UTC))
    if link is None:
        return render(request, "links/over.html", status=410, refusal=None)
    return render(request, "links/password.html", link=link, token=token, problem=None)


async def submit(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    token, password = request.match_info["token"], str(form.get("password", ""))
    engine, now = request.app[ENGINE], datetime.now(UTC)
    link = await read_link(engine, token, now)
    if link is not None and str(form.get("again", "")) != password:
        problem = "The two are not the same: type the password once more."
        return render(request, "links/password.html", status=422, link=link, token=token, problem=problem)
    result = await set_password_by_link(
        engine, token=token, password=password, visitor=visitor_of(request), now=now
    )
    if isinstance(result, PasswordRefusal):
        return render(
            request, "links/password.html", status=422, link=link, token=token, problem=result.value
        )
    if isinstance(result, LinkRefusal):
        too_many = f"Too many links that open nothing. Try again in {LOCK_OUT_MINUTES} minutes."
        refusal = too_many if result is LinkRefusal.LOCKED_OUT else None
        return render(request, "links/over.html", status=STATUSES.get(result, 410), refusal=refusal)
    raise web.HTTPSeeOther("/sign-in?set")


async def show_forgotten(request: web.Request) -> web.StreamResponse:
    return render(
        request, "links/forgotten.html", sends_mail=MAILER in request.app, sent_to=None, refusal=None
    )


async def submit_forgotten(request: web.Request) -> web.StreamResponse:
    """Say the same whether or not there is such a person; how long it takes says nothing either."""
    if MAILER not in request.app:
        return await show_forgotten(request)
    form = await request.post()
    email = str(form.get("email", "")).strip()
    heard = await ask_for_link(
        request.app[ENGINE],
        request.app[MAILER],
        email=email,
        visitor=visitor_of(request),
        now=datetime.now(UTC),
    )
    refusal = None
    if not heard:
        refusal = f"Too many questions from here. Try again in {LOCK_OUT_MINUTES} minutes."
    return render(
        request,
        "links/forgotten.html",
        status=200 if heard else 429,
        sends_mail=True,
        sent_to=email if heard else None,
        refusal=refusal,
    )
