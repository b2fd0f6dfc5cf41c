"""To the directory and back: signing in, and linking one's account. Nobody is believed before the answer is judged."""

from __future__ import annotations

import logging
import secrets
from datetime import UTC, datetime, timedelta

from aiohttp import web

from rules.log_lines import SecurityEvent
from web import queries as door
from web.addresses import own_path
from web.auth import SignedIn, digest_of, too_many
from web.challenge_queries import Challenge, Purpose, insert_challenge, take_challenge
from web.confirm.views import confirm_page, may_not_change_factors
from web.cookies import drop_cookie, read_cookie, set_cookie
from web.keys import ENGINE, USER, User
from web.middleware import signed_in_user
from web.oidc.admission import admit, link
from web.oidc.directory import DIRECTORY, Directory
from web.oidc.failures import DirectoryRefusal, Failure, distrusted
from web.oidc.metadata import Metadata
from web.oidc.provider import Granted
from web.oidc.question import authorization_address, is_state_of
from web.pages import render
from web.security_log import report
from web.sign_in.views import ask_for_code, remember_zone, sign_in_page
from web.sign_in_limits import directory_limit
from web.users.queries import lock_admins
from web.visitors import let_in, visitor_of

log = logging.getLogger(__name__)

COOKIE = "tollbridge_directory"
QUESTION_LIFETIME = timedelta(minutes=10)
"""How long somebody has to sign in at the provider."""
SECRET_LENGTH_MAXIMUM = 100
STATUSES = {DirectoryRefusal.AWAY: 503, DirectoryRefusal.LOCKED_OUT: 429}
EVENTS = dict.fromkeys(
    (
        DirectoryRefusal.OVER,
        DirectoryRefusal.DISTRUSTED,
        DirectoryRefusal.NO_GROUP,
        DirectoryRefusal.EMAIL_TAKEN,
        DirectoryRefusal.DISABLED,
        DirectoryRefusal.OTHER_PERSON,
    ),
    SecurityEvent.SIGN_IN_REFUSED,
) | {DirectoryRefusal.LOCKED_OUT: SecurityEvent.SIGN_IN_LOCKED}
"""What may be an attacker's doing. The others are the house's to mend, or the directory's."""


async def begin(request: web.Request) -> web.StreamResponse:
    """Lead somebody to the provider. `again`: anyone who is known there shows once more who they are."""
    wanted = own_path(request.query.get("next"))
    asked = await _ask(request, wanted=wanted, user=None, anew="again" in request.query)
    if isinstance(asked, DirectoryRefusal):
        return _refused(request, asked, wanted)
    response = web.HTTPSeeOther(asked.address)
    asked.remember(request, response)
    remember_zone(request, response, request.query.get("time_zone", ""))
    raise response


async def begin_link(request: web.Request) -> web.StreamResponse:
    """Lead somebody who is signed in to the provider, to link their account. They confirm who they are first."""
    user = request[USER]
    if why := may_not_change_factors(request):
        return await confirm_page(request, why)
    async with request.app[ENGINE].begin() as connection:
        if await lock_admins(connection) == [user.user_id]:
            return _not_linked(request, DirectoryRefusal.LAST_ADMIN)
    asked = await _ask(request, wanted="/account?done=linked", user=user, anew=True)
    if isinstance(asked, DirectoryRefusal):
        return _not_linked(request, asked)
    # A page between: our own policy lets no form lead to another site.
    response = render(
        request, "oidc/onward.html", name=_directory(request).config.name, address=asked.address
    )
    asked.remember(request, response)
    return response


async def finish(request: web.Request) -> web.StreamResponse:
    """Take what somebody brings back from the provider. Each question is answered once, by the browser that has it."""
    directory = _directory(request)
    secret, now = read_cookie(request, COOKIE) or "", datetime.now(UTC)
    question = await _question(request, secret, now)
    if question is None:
        # The cookie stays: an answer of a stranger's making must not end what this browser has begun.
        return _at_the_door(request, DirectoryRefusal.OVER, "/")
    wanted = own_path((question.challenge or b"").decode())
    granted = await _granted(request, directory, secret, now)
    if question.user_id is not None:
        return await _finish_link(request, directory, question.user_id, granted, wanted)
    if isinstance(granted, DirectoryRefusal):
        return _refused(request, granted, wanted)
    visitor = visitor_of(request)
    result = await admit(request.app[ENGINE], directory.vault, directory.config, granted, visitor, now)
    if isinstance(result, DirectoryRefusal):
        return _refused(request, result, wanted)
    async with request.app[ENGINE].begin() as connection:
        await door.take_back_attempt(connection, directory_limit(visitor.address).counter)
    response = web.HTTPSeeOther(wanted)
    drop_cookie(request, response, COOKIE)
    if isinstance(result, SignedIn):
        await let_in(request, response, result.token)
    else:
        ask_for_code(request, response, result, wanted)
    raise response


class _Asked:
    """Where a browser goes, and the secret it keeps meanwhile."""

    def __init__(self, address: str, secret: str) -> None:
        self.address = address
        self._secret = secret

    def remember(self, request: web.Request, response: web.StreamResponse) -> None:
        lifetime = int(QUESTION_LIFETIME.total_seconds())
        set_cookie(request, response, COOKIE, self._secret, lifetime_seconds=lifetime)


async def _ask(
    request: web.Request, *, wanted: str, user: User | None, anew: bool
) -> _Asked | DirectoryRefusal:
    directory, now = _directory(request), datetime.now(UTC)
    limit = directory_limit(visitor_of(request).address)
    async with request.app[ENGINE].begin() as connection:
        await door.delete_forgotten_attempts(connection, now)
        if await too_many(connection, [limit], now):
            return DirectoryRefusal.LOCKED_OUT
    metadata = await directory.provider.metadata()
    if isinstance(metadata, Failure):
        return metadata.refusal
    secret = secrets.token_urlsafe(32)
    async with request.app[ENGINE].begin() as connection:
        await insert_challenge(
            connection,
            token_digest=digest_of(secret),
            purpose=Purpose.DIRECTORY,
            user_id=None if user is None else user.user_id,
            challenge=wanted.encode(),
            now=now,
            expires_at=now + QUESTION_LIFETIME,
        )
    return _Asked(authorization_address(metadata, directory.config, secret, anew=anew), secret)


async def _question(request: web.Request, secret: str, now: datetime) -> Challenge | None:
    """Return the question this browser was sent away with, and close it. A state of another is left alone."""
    state = request.query.get("state", "")
    if not secret or len(secret) > SECRET_LENGTH_MAXIMUM or not is_state_of(secret, state):
        return None
    async with request.app[ENGINE].begin() as connection:
        return await take_challenge(connection, digest_of(secret), Purpose.DIRECTORY, now)


async def _granted(
    request: web.Request, directory: Directory, secret: str, now: datetime
) -> Granted | DirectoryRefusal:
    """Return who the provider names for the code that was brought. No connection to the database is held meanwhile."""
    metadata = await directory.provider.metadata()
    if isinstance(metadata, Failure):
        return metadata.refusal
    failure = _misled(request, metadata, directory.config.issuer)
    if failure is None and "error" in request.query:
        why = f"the provider answered {request.query['error']!r:.100}"
        failure = Failure(refusal=DirectoryRefusal.CANCELLED, why=why)
    granted: Granted | Failure = failure or await directory.provider.redeem(
        request.query.get("code", ""), secret, now
    )
    if isinstance(granted, Failure):
        log.warning("directory: nobody is let in: %r", granted.why)
        return granted.refusal
    return granted


def _misled(request: web.Request, metadata: Metadata, issuer: str) -> Failure | None:
    """Return what shows that another provider's answer was brought to us (RFC 9207)."""
    named = request.query.get("iss")
    if named is None and metadata.names_itself:
        return distrusted("the answer does not say who gave it")
    if named is not None and named != issuer:
        return distrusted(f"the answer is of the issuer {named!r:.200}")
    return None


async def _finish_link(
    request: web.Request,
    directory: Directory,
    user_id: int,
    granted: Granted | DirectoryRefusal,
    wanted: str,
) -> web.StreamResponse:
    user = await signed_in_user(request)
    if user is None or user.user_id != user_id:
        return _refused(request, DirectoryRefusal.OVER, "/")
    request[USER] = user
    if isinstance(granted, DirectoryRefusal):
        return _not_linked(request, granted)
    result = await link(
        request.app[ENGINE],
        directory.vault,
        directory.config,
        user,
        granted,
        visitor_of(request),
        datetime.now(UTC),
    )
    if isinstance(result, DirectoryRefusal):
        return _not_linked(request, result)
    response = web.HTTPSeeOther(wanted)
    drop_cookie(request, response, COOKIE)
    await let_in(request, response, result.token)
    raise response


def _directory(request: web.Request) -> Directory:
    directory = request.app[DIRECTORY]
    if directory is None:
        raise web.HTTPNotFound
    return directory


def _refused(request: web.Request, refusal: DirectoryRefusal, wanted: str) -> web.Response:
    response = _at_the_door(request, refusal, wanted)
    drop_cookie(request, response, COOKIE)
    return response


def _at_the_door(request: web.Request, refusal: DirectoryRefusal, wanted: str) -> web.Response:
    _note(request, refusal)
    status = STATUSES.get(refusal, 403)
    return sign_in_page(request, status=status, wanted=wanted, refusal=str(refusal), by_directory=True)


def _not_linked(request: web.Request, refusal: DirectoryRefusal) -> web.Response:
    _note(request, refusal)
    status = STATUSES.get(refusal, 409)
    response = render(request, "oidc/not_linked.html", status=status, refusal=str(refusal))
    drop_cookie(request, response, COOKIE)
    return response


def _note(request: web.Request, refusal: DirectoryRefusal) -> None:
    if refusal in EVENTS:
        report(request, EVENTS[refusal])
