"""Everybody's own page: name, password, second factor, passkeys, sessions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from aiohttp import web
from webauthn.helpers import bytes_to_base64url

from rules.log_lines import SecurityEvent
from web.account import sessions
from web.account.account import AccountRefusal, change_password, rename
from web.account.sessions import end_other_sessions, end_session, sessions_of
from web.auth import SignedIn
from web.keys import ENGINE, SESSION, USER
from web.oidc.directory import DIRECTORY
from web.pages import render
from web.passkeys.keys import passkeys_of
from web.password_rules import PasswordRefusal
from web.second_factor.factor import factor_of, is_lost
from web.second_factor.vault import VAULT
from web.security_log import report
from web.visitors import actor_of, left, look_again, session_digest, visitor_of

SAID = {
    "name": "Saved.",
    "password": "Your password is changed. All else has ended: other sessions, API tokens and passkeys.",
    "linked": "Your account is linked: from now on you sign in by the directory, and your password no longer works.",
    "ended": "That session has ended.",
    "others": "All other sessions have ended.",
    "factor_gone": "The second factor is gone: your password alone opens.",
    "passkey": "The passkey is added. At the door, choose “Sign in with a passkey”.",
    "passkey_name": "The passkey has its new name.",
    "passkey_gone": "The passkey opens nothing more. Delete it in your browser or on your key too.",
    "no_name": "A passkey's name has 1 to 60 characters: nothing was changed.",
}
EVENTS = {
    AccountRefusal.WRONG: SecurityEvent.SIGN_IN_REFUSED,
    AccountRefusal.LOCKED_OUT: SecurityEvent.SIGN_IN_LOCKED,
}


async def show(request: web.Request) -> web.StreamResponse:
    return await account_page(request, said=SAID.get(request.query.get("done", "")))


async def submit_name(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    name, user = str(form.get("name", "")), request[USER]
    refusal = await rename(request.app[ENGINE], actor_of(request), user, name)
    if refusal is None:
        raise web.HTTPSeeOther("/account?done=name")
    return await account_page(request, refusals={"name": refusal}, name=name)


async def submit_password(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    user = request[USER]
    result = await change_password(
        request.app[ENGINE],
        actor_of(request),
        user,
        old=str(form.get("old", "")),
        new=str(form.get("new", "")),
        again=str(form.get("again", "")),
        own_session_digest=session_digest(request),
        visitor=visitor_of(request),
        now=datetime.now(UTC),
    )
    if not isinstance(result, SignedIn):
        if isinstance(result, AccountRefusal) and result in EVENTS:
            report(request, EVENTS[result])
        return await account_page(request, refusals={"password": result})
    await look_again(request, result)
    raise web.HTTPSeeOther("/account?done=password")


async def end_one(request: web.Request) -> web.StreamResponse:
    user = request[USER]
    try:
        session_id = UUID(request.match_info["id"])
    except ValueError as error:
        raise web.HTTPNotFound from error
    if not await end_session(request.app[ENGINE], actor_of(request), user, session_id):
        raise web.HTTPNotFound
    raise web.HTTPSeeOther("/account?done=ended")


async def end_others(request: web.Request) -> web.StreamResponse:
    user = request[USER]
    await end_other_sessions(request.app[ENGINE], actor_of(request), user, session_digest(request))
    raise web.HTTPSeeOther("/account?done=others")


async def sign_out_everywhere(request: web.Request) -> web.StreamResponse:
    await sessions.sign_out_everywhere(
        request.app[ENGINE], actor_of(request), request[USER], datetime.now(UTC)
    )
    raise left(request)


async def account_page(
    request: web.Request,
    *,
    said: str | None = None,
    refusals: Mapping[str, AccountRefusal | PasswordRefusal] | None = None,
    name: str | None = None,
) -> web.Response:
    """Return the page; `refusals` say what was wrong with which part of it."""
    engine, user = request.app[ENGINE], request[USER]
    status = 200 if not refusals else 429 if AccountRefusal.LOCKED_OUT in refusals.values() else 422
    factor = await factor_of(engine, user)
    directory = request.app[DIRECTORY]
    return render(
        request,
        "account/account.html",
        status=status,
        said=said,
        refusals=refusals or {},
        name=user.name if name is None else name,
        factor=factor,
        factor_is_lost=is_lost(request.app[VAULT], user, factor),
        passkeys=[
            (bytes_to_base64url(one.credential_id), one) for one in await passkeys_of(engine, user.user_id)
        ],
        sessions=await sessions_of(engine, user.user_id, datetime.now(UTC)),
        own_session=session_digest(request),
        directory=directory and directory.config.name,
        is_of_directory=request[SESSION].of_directory,
    )
