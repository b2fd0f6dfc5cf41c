"""Links by which somebody sets a password: an invitation, or a new one for a forgotten one.

Each opens once and for a while; the database keeps its sha256. A password closes all of a person's links, and so
does a newer link of an admin's.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from web import passwords
from web import queries as people
from web.audit import Actor, write_audit
from web.auth import Visitor, digest_of, too_many
from web.ends import end_everything
from web.keys import User
from web.links import queries
from web.links.queries import OpenLink
from web.mail import Mailer
from web.password_rules import PasswordRefusal, refusal_of_password
from web.person_fields import clean_email, is_email
from web.sign_in_limits import forgotten_limits, link_limit

PATH = "/link/"
"""Where links lead to. What follows is a secret and stands in no log."""

INVITATION_LIFETIME = timedelta(days=7)
RESET_LIFETIME = timedelta(hours=24)
"""Of a link that an admin hands on."""
FORGOTTEN_LIFETIME = timedelta(hours=1)
TOKEN_LENGTH_MAXIMUM = 100


class LinkKind(StrEnum):
    INVITATION = "invitation"
    RESET = "reset"


class LinkRefusal(StrEnum):
    """Why a link set no password."""

    OVER = "over"
    LOCKED_OUT = "locked_out"


async def make_link(
    connection: AsyncConnection,
    *,
    kind: LinkKind,
    user_id: int,
    created_by: int | None,
    now: datetime,
    lifetime: timedelta,
    closes_older: bool = True,
) -> str:
    """Make a link and return its path, the one time that it is known."""
    token = secrets.token_urlsafe(32)
    if closes_older:
        await queries.close_links_of(connection, user_id, now)
    await queries.insert_link(
        connection,
        token_digest=digest_of(token),
        kind=str(kind),
        user_id=user_id,
        created_by=created_by,
        now=now,
        expires_at=now + lifetime,
    )
    return PATH + token


async def read_link(engine: AsyncEngine, token: str, now: datetime) -> OpenLink | None:
    """Return what a link is for and leave it open: a mail server's scanner may look at it first."""
    if len(token) > TOKEN_LENGTH_MAXIMUM:
        return None
    async with engine.connect() as connection:
        return await queries.read_link(connection, digest_of(token), now)


async def set_password_by_link(
    engine: AsyncEngine, *, token: str, password: str, visitor: Visitor, now: datetime
) -> User | LinkRefusal | PasswordRefusal:
    """Give the person of a link a password, and end all they had open. The link is used up."""
    link = await read_link(engine, token, now)
    if link is None:
        async with engine.begin() as connection:
            locked_out = await too_many(connection, [link_limit(visitor.address)], now)
        return LinkRefusal.LOCKED_OUT if locked_out else LinkRefusal.OVER
    if refusal := refusal_of_password(password, about=(link.user.email, link.user.name)):
        return refusal
    password_hash = await passwords.hash_of(password)
    async with engine.begin() as connection:
        link = await queries.use_link(connection, digest_of(token), now)
        if link is None:
            return LinkRefusal.OVER
        user = link.user
        await queries.set_password_hash(connection, user.user_id, password_hash)
        ended = await end_everything(connection, user.user_id, now)
        action = "accept_invitation" if link.kind == LinkKind.INVITATION else "reset_password"
        await write_audit(
            connection,
            Actor(user=user),
            action=action,
            kind="users",
            ref=user.user_id,
            after={"address": visitor.address, **asdict(ended)},
        )
    return user


async def ask_for_link(
    engine: AsyncEngine, mailer: Mailer, *, email: str, visitor: Visitor, now: datetime
) -> bool:
    """Send a link to whoever forgot their password, if there is such a person: nobody is told whether there is.

    False: this address has asked too often, whomever for.
    """
    email = clean_email(email)
    of_email, of_address = forgotten_limits(email=email, address=visitor.address)
    async with engine.begin() as connection:
        await people.delete_forgotten_attempts(connection, now)
        if await too_many(connection, [of_address], now):
            return False
        mails_enough = await too_many(connection, [of_email], now)
    if is_email(email) and not mails_enough:
        mailer.beside(_send_link(engine, mailer, email, visitor, now))
    return True


async def _send_link(
    engine: AsyncEngine, mailer: Mailer, email: str, visitor: Visitor, now: datetime
) -> None:
    async with engine.begin() as connection:
        known = await people.user_by_email(connection, email)
        if known is None or known.of_directory:
            return
        if known.opens_by_passkey_alone:
            text = passkey_text()
            await write_audit(
                connection,
                Actor(user=None, name=email),
                action="forgot_password",
                kind="users",
                ref=known.user.user_id,
                after={"address": visitor.address, "why": "no link: they have a passkey"},
            )
        else:
            text = forgotten_text(mailer, await _make_forgotten_link(connection, known.user, visitor, now))
    await mailer.send(to=email, subject="A new password for Tollbridge", text=text)


async def _make_forgotten_link(
    connection: AsyncConnection, user: User, visitor: Visitor, now: datetime
) -> str:
    path = await make_link(
        connection,
        kind=LinkKind.RESET,
        user_id=user.user_id,
        created_by=None,
        now=now,
        lifetime=FORGOTTEN_LIFETIME,
        # Anybody may ask: that must not close the link an admin has handed on.
        closes_older=False,
    )
    await write_audit(
        connection,
        Actor(user=None, name=user.email),
        action="forgot_password",
        kind="users",
        ref=user.user_id,
        after={"address": visitor.address},
    )
    return path


def passkey_text() -> str:
    """What is sent instead of a link: a mailbox that somebody else reads must not stand in for a passkey."""
    return (
        "Somebody, we hope you, asked for a new password for Tollbridge.\n\n"
        'You have a passkey: choose "Sign in with a passkey". If it is lost, an admin makes you a link.\n\n'
        "If it was not you, nothing needs to be done.\n"
    )


def forgotten_text(mailer: Mailer, path: str) -> str:
    return (
        "Somebody, we hope you, asked for a new password for Tollbridge.\n\n"
        f"Set it within an hour: {mailer.config.web_url}{path}\n\n"
        "The link opens once. If it was not you, nothing needs to be done: the old password stays.\n"
    )


def invitation_text(mailer: Mailer, path: str, inviter: str) -> str:
    return (
        f"{inviter} invites you to Tollbridge.\n\n"
        f"Set a password within seven days: {mailer.config.web_url}{path}\n\n"
        "The link opens once.\n"
    )


def reset_text(mailer: Mailer, path: str) -> str:
    return (
        "An admin of Tollbridge has made you a link to set a new password.\n\n"
        f"Set it within a day: {mailer.config.web_url}{path}\n\n"
        "The link opens once.\n"
    )
