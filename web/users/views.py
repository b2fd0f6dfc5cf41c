"""People who may sign in: the list, one of them, and inviting somebody. Admins only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from webauthn.helpers import bytes_to_base64url

from web.account.sessions import sessions_of
from web.api_tokens import revoke_token, tokens_of
from web.audit_log.queries import history_of
from web.authority import Act, NotAllowed
from web.confirm.views import confirm_page
from web.ends import Ended
from web.etags import ETAGS
from web.keys import ENGINE, USER, Role
from web.links.links import LinkKind
from web.mail import MAILER
from web.oidc.admission import unlink as unlink_person
from web.pages import render
from web.passkeys.keys import credential_id_of, passkeys_of
from web.person_fields import UserRefusal
from web.users import people, queries
from web.users.forms import FIELDS_OF_REFUSALS, ROLES, Typed, belonging_of, read_form
from web.users.mailing import send_link
from web.users.people import Invited, LinkMade, PersonRefusal
from web.visitors import actor_of, origin_of

PAGE_LENGTH = 50
HISTORY_LENGTH = 15
SEARCH_LENGTH_MAXIMUM = 100
SAID = {
    "changed": "Saved.",
    "disabled": "Disabled: all sessions have ended, no token opens anything.",
    "enabled": "Enabled: they may sign in again.",
    "ended": "They are signed out everywhere: sessions, API tokens and passkeys open nothing more.",
    "factor": "Their second factor is gone, and their sessions have ended.",
    "passkey": "Their passkey opens nothing more, and their sessions have ended.",
    "unlinked": "Unlinked: the directory lets them in no more. Make an invitation link, by which they set a password.",
    "revoked": "The token is revoked.",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def show(request: web.Request) -> web.StreamResponse:
    text = request.query.get("q", "").replace("\x00", "").strip()[:SEARCH_LENGTH_MAXIMUM]
    named = request.query.get("role", "")
    role = Role(named) if named in set(Role) else None
    after = request.query.get("after", "").replace("\x00", "")[:300]
    async with request.app[ENGINE].connect() as connection:
        found = await queries.read_people(
            connection, text=text, role=role, after=after, maximum=PAGE_LENGTH + 1
        )
    page = found[:PAGE_LENGTH]
    following = None
    if len(found) > PAGE_LENGTH:
        kept = {"q": text, "role": named if role else ""}
        following = urlencode(
            {**{name: value for name, value in kept.items() if value}, "after": page[-1].user.email}
        )
    return render(
        request,
        "users/users.html",
        people=page,
        text=text,
        role=role,
        roles=ROLES,
        after=after,
        following=following,
    )


async def show_invitation(request: web.Request) -> web.StreamResponse:
    return await _invitation(request, Typed())


async def invite(request: web.Request) -> web.StreamResponse:
    """Make a person, and show their link this once."""
    typed = read_form(await request.post())
    engine, now = request.app[ENGINE], datetime.now(UTC)
    async with engine.connect() as connection:
        belonging = await belonging_of(connection, typed)
    if isinstance(belonging, UserRefusal):
        return await _invitation(request, typed, belonging)
    made = await people.invite(
        engine,
        actor_of(request),
        email=typed.email,
        name=typed.name,
        belonging=belonging,
        now=now,
    )
    if isinstance(made, NotAllowed):
        return await confirm_page(request, made)
    if not isinstance(made, Invited):
        return await _invitation(request, typed, made)
    email = typed.email.strip().lower()
    return await _link_page(request, made.user_id, made.path, LinkKind.INVITATION, email)


async def show_person(request: web.Request) -> web.StreamResponse:
    person = await _person(request)
    typed = Typed.of(person)
    return await _person_page(request, person, typed, said=SAID.get(request.query.get("done", "")))


async def change(request: web.Request) -> web.StreamResponse:
    person = await _person(request)
    form = await request.post()
    typed = read_form(form)
    engine = request.app[ENGINE]
    async with engine.connect() as connection:
        belonging = await belonging_of(connection, typed)
    if isinstance(belonging, UserRefusal):
        return await _person_page(request, person, typed, refusal=belonging)
    refusal = await people.change_person(
        engine,
        actor_of(request),
        person.user.user_id,
        name=typed.name,
        belonging=belonging,
        seen=request.app[ETAGS].read(str(form.get("etag", "")), people.KIND, person.user.user_id),
        now=datetime.now(UTC),
    )
    if refusal is None:
        raise _back_to(person, "changed")
    if isinstance(refusal, NotAllowed):
        return await confirm_page(request, refusal)
    return await _person_page(request, person, typed, refusal=refusal)


async def make_link(request: web.Request) -> web.StreamResponse:
    person = await _person(request)
    made = await people.make_person_link(
        request.app[ENGINE], actor_of(request), person.user.user_id, datetime.now(UTC)
    )
    if isinstance(made, NotAllowed):
        return await confirm_page(request, made)
    if not isinstance(made, LinkMade):
        return await _person_page(request, person, Typed.of(person), refusal=made)
    return await _link_page(request, person.user.user_id, made.path, made.kind, made.email)


async def disable(request: web.Request) -> web.StreamResponse:
    person = await _person(request)
    refusal = await people.disable(
        request.app[ENGINE], actor_of(request), person.user.user_id, datetime.now(UTC)
    )
    return await _done_or_refused(request, person, refusal, "disabled")


async def enable(request: web.Request) -> web.StreamResponse:
    person = await _person(request)
    refusal = await people.enable(request.app[ENGINE], actor_of(request), person.user.user_id)
    return await _done_or_refused(request, person, refusal, "enabled")


async def end_sessions(request: web.Request) -> web.StreamResponse:
    person = await _person(request)
    ended = await people.sign_out_everywhere(
        request.app[ENGINE], actor_of(request), person.user.user_id, datetime.now(UTC)
    )
    return await _done_or_refused(request, person, None if isinstance(ended, Ended) else ended, "ended")


async def take_factor(request: web.Request) -> web.StreamResponse:
    """For somebody who has lost telephone and recovery codes."""
    person = await _person(request)
    refusal = await people.take_factor(
        request.app[ENGINE], actor_of(request), person.user.user_id, datetime.now(UTC)
    )
    return await _done_or_refused(request, person, refusal, "factor")


async def take_passkey(request: web.Request) -> web.StreamResponse:
    """For somebody who has lost what held it, or whose passkey somebody else has made."""
    person, passkey = await _person(request), credential_id_of(request.match_info["passkey"])
    if passkey is None:
        raise web.HTTPNotFound
    refusal = await people.take_factor(
        request.app[ENGINE], actor_of(request), person.user.user_id, datetime.now(UTC), passkey=passkey
    )
    return await _done_or_refused(request, person, refusal, "passkey")


async def _done_or_refused(
    request: web.Request, person: queries.Person, refusal: PersonRefusal | NotAllowed | None, done: str
) -> web.StreamResponse:
    if refusal is None:
        raise _back_to(person, done)
    if isinstance(refusal, NotAllowed):
        return await confirm_page(request, refusal)
    return await _person_page(request, person, Typed.of(person), refusal=refusal)


async def unlink(request: web.Request) -> web.StreamResponse:
    person = await _person(request)
    refusal = await unlink_person(
        request.app[ENGINE], actor_of(request), person.user.user_id, datetime.now(UTC)
    )
    return await _done_or_refused(request, person, refusal, "unlinked")


async def revoke(request: web.Request) -> web.StreamResponse:
    person = await _person(request)
    if why := actor_of(request).may_not(Act.REVOKE_TOKEN, person.user.role):
        return await confirm_page(request, why)
    revoked = await revoke_token(
        request.app[ENGINE],
        actor_of(request),
        token_id=int(request.match_info["token_id"]),
        owner_id=person.user.user_id,
        now=datetime.now(UTC),
    )
    if not revoked:
        raise web.HTTPNotFound
    raise _back_to(person, "revoked")


async def _person(request: web.Request) -> queries.Person:
    async with request.app[ENGINE].connect() as connection:
        person = await queries.read_person(connection, int(request.match_info["id"]))
    if person is None:
        raise web.HTTPNotFound
    return person


async def _invitation(
    request: web.Request, typed: Typed, refusal: UserRefusal | PersonRefusal | None = None
) -> web.Response:
    async with request.app[ENGINE].connect() as connection:
        buyers, publishers = await queries.read_names(connection)
    return render(
        request,
        "users/invite.html",
        status=422 if refusal else 200,
        typed=typed,
        problems=problems_of(refusal),
        roles=ROLES,
        buyers=buyers,
        publishers=publishers,
        sends_mail=MAILER in request.app,
    )


async def _person_page(
    request: web.Request,
    person: queries.Person,
    typed: Typed,
    *,
    refusal: UserRefusal | PersonRefusal | None = None,
    said: str | None = None,
) -> web.Response:
    engine, user_id = request.app[ENGINE], person.user.user_id
    async with engine.connect() as connection:
        buyers, publishers = await queries.read_names(connection)
        history = await history_of(connection, "users", str(user_id), maximum=HISTORY_LENGTH)
    return render(
        request,
        "users/user.html",
        status=200 if refusal is None else 409 if refusal in _CONFLICTS else 422,
        person=person,
        typed=typed,
        etag=request.app[ETAGS].name(people.KIND, user_id, people.state_of(person)),
        problems=problems_of(refusal),
        said=said,
        roles=ROLES,
        buyers=buyers,
        publishers=publishers,
        history=history,
        sessions=await sessions_of(engine, user_id, datetime.now(UTC)),
        tokens=await tokens_of(engine, user_id),
        passkeys=[(bytes_to_base64url(one.credential_id), one) for one in await passkeys_of(engine, user_id)],
        is_self=user_id == request[USER].user_id,
    )


_CONFLICTS = frozenset(
    {
        PersonRefusal.LAST_ADMIN,
        PersonRefusal.CHANGED,
        PersonRefusal.DISABLED,
        PersonRefusal.NO_FACTOR,
        PersonRefusal.DIRECTORY,
        PersonRefusal.LOCAL,
    }
)


async def _link_page(
    request: web.Request, user_id: int, path: str, kind: LinkKind, email: str
) -> web.Response:
    """Show a link, the one time it is known, and send it where mail is set up."""
    sent = await send_link(request.app, LinkMade(path=path, kind=kind, email=email), by=request[USER].email)
    return render(
        request,
        "users/link.html",
        link=origin_of(request) + path,
        kind=kind,
        email=email,
        user_id=user_id,
        sent=sent,
    )


def problems_of(refusal: UserRefusal | PersonRefusal | None) -> Mapping[str, Any]:
    """Return what to say beside which field; under "" what concerns the whole."""
    return {} if refusal is None else {FIELDS_OF_REFUSALS.get(refusal, ""): refusal.value}


def _back_to(person: queries.Person, done: str) -> web.HTTPSeeOther:
    return web.HTTPSeeOther(f"/users/{person.user.user_id}?done={done}")
