"""The page on which somebody confirms that it is them, by itself or on the way of what they asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from aiohttp import web

from rules.log_lines import SecurityEvent
from web.addresses import own_path
from web.auth import SignedIn
from web.authority import Act, NotAllowed
from web.confirm.confirm import ConfirmRefusal, confirm_by_passkey, confirm_by_password
from web.keys import ENGINE, SESSION, USER
from web.oidc.directory import DIRECTORY
from web.pages import render
from web.passkeys.answers import credential_in, json_of, said, text_in
from web.passkeys.keys import PasskeyRefusal, ask_to_sign_in, site_of
from web.second_factor.factor import CodeRefusal
from web.second_factor.vault import VAULT
from web.security_log import report
from web.visitors import actor_of, look_again, visitor_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PASSWORD, CODE = "confirm_password", "confirm_code"
"""Fields of the form beside those of what was asked."""
ADDRESS = "/confirm"
EVENTS = {
    ConfirmRefusal.WRONG: SecurityEvent.SIGN_IN_REFUSED,
    ConfirmRefusal.LOCKED_OUT: SecurityEvent.SIGN_IN_LOCKED,
    CodeRefusal.WRONG: SecurityEvent.SIGN_IN_REFUSED,
    CodeRefusal.LOCKED_OUT: SecurityEvent.SIGN_IN_LOCKED,
}


def confirming(guard: Callable[[Handler], Handler]) -> Callable[[Handler], Handler]:
    """Return a guard for what may have to be confirmed: a confirmation that comes with the form counts first."""

    def guarded(handler: Handler) -> Handler:
        async def confirm_first(request: web.Request) -> web.StreamResponse:
            if PASSWORD in await request.post():
                refusal = await _confirm(request)
                if refusal is not None:
                    return await confirm_page(request, NotAllowed.CONFIRM, refusal)
            return await handler(request)

        return guard(confirm_first)

    return guarded


async def show(request: web.Request) -> web.StreamResponse:
    return _page(request, wanted=own_path(request.query.get("next")))


async def submit(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    wanted, refusal = own_path(str(form.get("next", ""))), await _confirm(request)
    if refusal is not None:
        return _page(request, wanted=wanted, refusal=refusal)
    raise web.HTTPSeeOther(wanted)


async def ask_passkey(request: web.Request) -> web.StreamResponse:
    asked = await ask_to_sign_in(
        request.app[ENGINE], site_of(request), visitor_of(request), datetime.now(UTC)
    )
    return said(request, asked)


async def submit_passkey(request: web.Request) -> web.StreamResponse:
    body = await json_of(request)
    result = await confirm_by_passkey(
        request.app[ENGINE],
        site_of(request),
        request[USER],
        request[SESSION],
        token=text_in(body, "token"),
        credential=credential_in(body),
        now=datetime.now(UTC),
    )
    if isinstance(result, PasskeyRefusal):
        return said(request, result)
    await look_again(request, result)
    return web.json_response({"location": own_path(text_in(body, "next"))})


async def confirm_page(
    request: web.Request, why: NotAllowed, refusal: ConfirmRefusal | CodeRefusal | None = None
) -> web.Response:
    """Ask for a confirmation of what a form asked; with it the same form is sent again, and nothing typed is lost."""
    form = await request.post()
    typed = [(name, str(value)) for name, value in form.items() if name not in (PASSWORD, CODE)]
    return _page(request, action=request.path, typed=typed, why=why, refusal=refusal)


def may_not_change_factors(request: web.Request) -> NotAllowed | None:
    """Return why this session may not add, renew or take away what its owner signs in by."""
    act = Act.CHANGE_FACTORS if request[SESSION].has_factor else Act.ADD_FIRST_FACTOR
    return actor_of(request).may_not(act, request[USER].role, is_self=True)


async def _confirm(request: web.Request) -> ConfirmRefusal | CodeRefusal | None:
    """Look at the password and code of a form; what they are worth counts from now on."""
    form = await request.post()
    result = await confirm_by_password(
        request.app[ENGINE],
        request.app[VAULT],
        request[USER],
        request[SESSION],
        password=str(form.get(PASSWORD, "")),
        code=str(form.get(CODE, "")),
        visitor=visitor_of(request),
        now=datetime.now(UTC),
    )
    if not isinstance(result, SignedIn):
        if result in EVENTS:
            report(request, EVENTS[result])
        return result
    await look_again(request, result)
    return None


def _page(
    request: web.Request,
    *,
    wanted: str = "/",
    action: str = ADDRESS,
    typed: Sequence[tuple[str, str]] = (),
    why: NotAllowed | None = None,
    refusal: ConfirmRefusal | CodeRefusal | None = None,
) -> web.Response:
    locked_out = refusal in (ConfirmRefusal.LOCKED_OUT, CodeRefusal.LOCKED_OUT)
    forbidden = why in (NotAllowed.NOT_YOURS, NotAllowed.A_PERSON)
    if forbidden:
        raise web.HTTPForbidden
    session, directory = request[SESSION], request.app[DIRECTORY]
    return render(
        request,
        "confirm/confirm.html",
        status=429 if locked_out else 403 if refusal or why else 200,
        wanted=wanted,
        action=action,
        typed=typed,
        refusal=refusal,
        has_app=session.has_app,
        has_passkey=session.has_passkey,
        # A password alone is no second factor: it is of no use where one is wanted.
        takes_password=not session.of_directory and (session.has_app or why is not NotAllowed.FACTOR),
        of_directory=session.of_directory,
        directory=directory and directory.config.name,
        wants_factor=why is NotAllowed.FACTOR,
    )
