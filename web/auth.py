"""Who may come in: passwords, sessions, what slows anyone who guesses.

A session is a random token in the visitor's cookie; the database keeps only its sha256, so a stolen table opens
nothing. Whoever has a second factor is asked for it after the password (web/second_factor).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from web import passwords, queries
from web.audit import Actor, Via, write_audit
from web.challenge_queries import Purpose, insert_challenge
from web.ends import end_everything
from web.keys import User
from web.known_devices import KnownDevice
from web.password_rules import PasswordRefusal, refusal_of_password
from web.person_fields import UserRefusal, clean_email, is_email, refusal_of_person
from web.queries import SessionUser
from web.session_rules import SessionRules
from web.sign_in_limits import LONGEST_WAIT, Limit, device_limits, limits_for

SESSION_LIFETIME = timedelta(hours=12)
SESSIONS_PER_USER = 20
SECOND_FACTOR_LIFETIME = timedelta(minutes=5)
"""How long the right password is remembered while the code is looked up."""
SEEN_EVERY = timedelta(minutes=1)
"""How often "last seen" is written: not with every request."""
USER_AGENT_LENGTH_MAXIMUM = 300
LONGEST_WAIT_MINUTES = int(LONGEST_WAIT.total_seconds() // 60)


class SignInRefusal(StrEnum):
    """Why nobody was let in. A wrong address and a wrong password are not told apart."""

    WRONG = "wrong"
    LOCKED_OUT = "locked_out"


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """From where somebody comes: an address, for the limits too, and their browser in its own words."""

    address: str
    user_agent: str = ""
    # Who signed in with this browser before, if somebody did.
    device: KnownDevice | None = None


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """The token for the cookie; known to nobody else."""

    token: str


@dataclass(frozen=True, kw_only=True)
class SecondFactorAsked:
    """The password was right; now the code. The token names this sign-in until then."""

    token: str


@dataclass(frozen=True, kw_only=True)
class UserCreated:
    user_id: int


class SessionEnded(Exception):
    """The session was ended while it was used."""


async def create_user(
    engine: AsyncEngine,
    email: str,
    password: str,
    role: str,
    *,
    name: str = "",
    buyer_id: int | None = None,
    publisher_id: int | None = None,
    actor: Actor | None = None,
) -> UserCreated | UserRefusal | PasswordRefusal:
    """Make a user who may sign in at once. Raises SQLAlchemyError when the database is away."""
    address = clean_email(email)
    refusal = refusal_of_person(
        address, role, name=name, buyer_id=buyer_id, publisher_id=publisher_id
    ) or refusal_of_password(password, about=(address, name))
    if refusal:
        return refusal
    password_hash = await passwords.hash_of(password)
    belonging = {"role": role, "name": name, "buyer_id": buyer_id, "publisher_id": publisher_id}
    async with engine.begin() as connection:
        user_id = await queries.insert_user(
            connection,
            email=address,
            password_hash=password_hash,
            role=role,
            name=name,
            buyer_id=buyer_id,
            publisher_id=publisher_id,
        )
        if user_id is None:
            return UserRefusal.EMAIL_TAKEN
        await write_audit(
            connection,
            actor or Actor(user=None, via=Via.COMMAND, name="tollbridge"),
            action="create",
            kind="users",
            ref=user_id,
            after={"email": address, **belonging},
        )
    return UserCreated(user_id=user_id)


async def set_password(
    engine: AsyncEngine, email: str, password: str, *, actor: Actor | None = None
) -> UserRefusal | PasswordRefusal | None:
    """Give a user a new password and end all they had open: sessions, tokens, passkeys, links.

    None: it is set.
    """
    email = clean_email(email)
    if not is_email(email):
        return UserRefusal.NOBODY
    if refusal := refusal_of_password(password, about=(email,)):
        return refusal
    password_hash = await passwords.hash_of(password)
    async with engine.begin() as connection:
        user_id = await queries.change_password_hash(connection, email=email, password_hash=password_hash)
        if user_id is None:
            known = await queries.user_by_email(connection, email)
            return UserRefusal.DIRECTORY if known and known.of_directory else UserRefusal.NOBODY
        ended = await end_everything(connection, user_id, datetime.now(UTC))
        await write_audit(
            connection,
            actor or Actor(user=None, via=Via.COMMAND, name="tollbridge"),
            action="set_password",
            kind="users",
            ref=user_id,
            after=asdict(ended),
        )
    return None


async def sign_in(
    engine: AsyncEngine, *, email: str, password: str, visitor: Visitor, now: datetime
) -> SignedIn | SecondFactorAsked | SignInRefusal:
    """Let somebody in by password.

    Attempts are counted before the password is looked at: many at once gain nothing. Raises PasswordsBusy.
    """
    # A crowd of strangers stands in a line of its own, and asks nothing of the database before it is their turn.
    line = passwords.STRANGERS if visitor.device is None else passwords.KNOWN
    with line.place():
        return await _sign_in(engine, clean_email(email), password, visitor, now)


async def _sign_in(
    engine: AsyncEngine, email: str, password: str, visitor: Visitor, now: datetime
) -> SignedIn | SecondFactorAsked | SignInRefusal:
    async with engine.begin() as connection:
        await queries.delete_forgotten_attempts(connection, now)
        known = await queries.user_by_email(connection, email) if is_email(email) else None
        limits, line = _way_of(known, email, visitor)
        locked_out = await too_many(connection, limits, now)
    if locked_out:
        return SignInRefusal.LOCKED_OUT
    right = await passwords.is_right(known.password_hash if known else None, password, line=line)
    if known is None or not right:
        if known is not None:
            await _note_refused(engine, known.user, visitor)
        return SignInRefusal.WRONG
    async with engine.begin() as connection:
        if not await queries.is_still_known(connection, known):
            return SignInRefusal.WRONG
        await forgive(connection, limits)
        if known.has_second_factor:
            return await ask_second_factor(connection, known.user, now, after="password")
        return await open_session(connection, known.user, visitor, now, how="password")


def _way_of(
    known: queries.KnownUser | None, email: str, visitor: Visitor
) -> tuple[tuple[Limit, ...], passwords.Line]:
    """Return what counts this attempt and where it waits: a device its owner knows is not behind strangers."""
    device = visitor.device
    if device is not None and known is not None and device.is_of(known.user.user_id, known.password_hash):
        return device_limits(device), passwords.KNOWN
    return limits_for(email=email, address=visitor.address), passwords.STRANGERS


async def confirm_password(
    engine: AsyncEngine, user: User, password: str, visitor: Visitor, now: datetime
) -> SignInRefusal | None:
    """Ask somebody who is inside for their password again: a computer left alone changes no door.

    Wrong ones count as at the door. None: it was right. Raises PasswordsBusy.
    """
    async with engine.begin() as connection:
        known = await queries.user_by_id(connection, user.user_id)
        limits, _ = _way_of(known, user.email, visitor)
        locked_out = await too_many(connection, limits, now)
    if locked_out:
        return SignInRefusal.LOCKED_OUT
    if known is None or not await passwords.is_right(known.password_hash, password, line=passwords.KNOWN):
        return SignInRefusal.WRONG
    async with engine.begin() as connection:
        await forgive(connection, limits)
    return None


async def open_session(
    connection: AsyncConnection,
    user: User,
    visitor: Visitor,
    now: datetime,
    *,
    how: str,
    with_factor: bool = False,
    verified: bool = True,
) -> SignedIn:
    """Open a session for somebody who has shown who they are; `how` goes to the audit log.

    `with_factor`: they have shown a second factor too, or a passkey. `verified` of False: they have shown it some time
    ago, to somebody we believe.
    """
    token = secrets.token_urlsafe(32)
    await queries.insert_session(
        connection,
        token_digest=digest_of(token),
        user_id=user.user_id,
        address=visitor.address,
        user_agent=clean_user_agent(visitor.user_agent),
        with_factor=with_factor,
        verified=verified,
        now=now,
        idle_until=SessionRules().idle_until(user.role, now),
        expires_at=now + SESSION_LIFETIME,
    )
    await queries.delete_spent_sessions(connection, user_id=user.user_id, now=now, keep=SESSIONS_PER_USER)
    await write_audit(
        connection,
        Actor(user=user),
        action="sign_in",
        kind="users",
        ref=user.user_id,
        after={"how": how, "address": visitor.address},
    )
    return SignedIn(token=token)


async def renew_session(
    connection: AsyncConnection, token_digest: bytes, *, with_factor: bool, now: datetime
) -> SignedIn:
    """Note that a session's owner has shown who they are, by a second factor too if so.

    It gets another token: anyone who holds a copy of the old one gains nothing by it, and is out. Raises SessionEnded,
    which undoes the caller's transaction: what is made as all of a person ends must not outlive it.
    """
    token = secrets.token_urlsafe(32)
    if not await queries.note_verified(
        connection, token_digest, digest_of(token), with_factor=with_factor, now=now
    ):
        raise SessionEnded
    return SignedIn(token=token)


async def session_of(
    engine: AsyncEngine,
    token: str,
    now: datetime,
    *,
    address: str = "",
    rules: SessionRules,
    by_itself: bool = False,
) -> SessionUser | None:
    """Return whose session this token names, or None when it is unknown, over, or was not used for too long.

    `by_itself`: a page asks, and perhaps nobody is there; that is no use of it.
    """
    digest = digest_of(token)
    async with engine.connect() as connection:
        found = await queries.user_by_session(connection, digest, now)
    if found is None:
        return None
    if not by_itself and now - found.last_seen_at >= SEEN_EVERY:
        idle_until = rules.idle_until(found.user.role, now)
        async with engine.begin() as connection:
            await queries.note_seen(connection, digest, address=address, now=now, idle_until=idle_until)
    return found


async def apply_rules(engine: AsyncEngine, token: str, rules: SessionRules, now: datetime) -> None:
    """Let what the house has set count for a new session from its beginning."""
    digest = digest_of(token)
    async with engine.begin() as connection:
        found = await queries.user_by_session(connection, digest, now)
        if found is not None:
            idle_until = rules.idle_until(found.user.role, now)
            await queries.note_seen(connection, digest, address="", now=now, idle_until=idle_until)


async def sign_out(engine: AsyncEngine, token: str) -> None:
    """End one session."""
    async with engine.begin() as connection:
        await queries.delete_session(connection, digest_of(token))


async def too_many(connection: AsyncConnection, limits: Sequence[Limit], now: datetime) -> bool:
    """Count an attempt under each limit, or tell that it has to wait and is not counted."""
    return await queries.take_attempt(connection, limits, now) > 0


async def forgive(connection: AsyncConnection, limits: Sequence[Limit]) -> None:
    """Forget a person's wrong passwords after the right one. A place keeps those of other people."""
    await queries.forgive(connection, [limit.counter for limit in limits if not limit.counts_others])
    for limit in limits:
        if limit.counts_others:
            await queries.take_back_attempt(connection, limit.counter)


def clean_user_agent(text: str) -> str:
    """Return what a browser calls itself, fit to be stored."""
    return "".join(character for character in text if character.isprintable())[:USER_AGENT_LENGTH_MAXIMUM]


def digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


async def ask_second_factor(
    connection: AsyncConnection, user: User, now: datetime, *, after: str
) -> SecondFactorAsked:
    """Ask somebody for the code; `after` says what they have shown before, for the audit log."""
    token = secrets.token_urlsafe(32)
    await insert_challenge(
        connection,
        token_digest=digest_of(token),
        purpose=Purpose.TOTP,
        user_id=user.user_id,
        challenge=after.encode(),
        now=now,
        expires_at=now + SECOND_FACTOR_LIFETIME,
    )
    return SecondFactorAsked(token=token)


async def _note_refused(engine: AsyncEngine, user: User, visitor: Visitor) -> None:
    """The limits bound how many of these a stranger can write."""
    async with engine.begin() as connection:
        await write_audit(
            connection,
            Actor(user=None, name=user.email),
            action="sign_in_refused",
            kind="users",
            ref=user.user_id,
            after={"why": "wrong password", "address": visitor.address},
        )
