"""Passkeys (WebAuthn): added, named, taken away, and signed in with. A passkey that knows its owner needs no password.

The library does the cryptography; here is whose challenge it was, that each is answered once, and what is kept.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from web import queries as people
from web.audit import Actor, write_audit
from web.auth import SignedIn, Visitor, digest_of, open_session, renew_session, too_many
from web.challenge_queries import Challenge, Purpose, delete_challenges_of, insert_challenge, take_challenge
from web.keys import Session, User
from web.links.queries import close_links_of
from web.passkeys import queries
from web.passkeys.queries import Passkey
from web.sign_in_limits import passkey_limit
from web.visitors import host_of, origin_of

CHALLENGE_LIFETIME = timedelta(minutes=5)
CHALLENGE_BYTES = 32
PASSKEYS_PER_USER_MAXIMUM = 20
NAME_LENGTH_MAXIMUM = 60
CREDENTIAL_ID_BYTES_MAXIMUM = 1023
FAULTS = (WebAuthnException, ValueError, KeyError, TypeError)
"""What the library raises at what a browser sent."""


class PasskeyRefusal(StrEnum):
    """Why a passkey was not taken."""

    OVER = "That took too long, or was answered already: try again."
    WRONG = "This passkey is not known here, or did not know its owner."
    MANY = f"You have {PASSKEYS_PER_USER_MAXIMUM} passkeys: remove one first."
    NAME = f"A name has 1 to {NAME_LENGTH_MAXIMUM} characters."
    LOCKED_OUT = "Too many tries from here: wait a little, a quarter of an hour at most."


@dataclass(frozen=True, kw_only=True)
class Site:
    """Who we are to a browser: the host that passkeys belong to, and the origin its pages have."""

    host: str
    origin: str


def site_of(request: web.Request) -> Site:
    return Site(host=host_of(request), origin=origin_of(request))


@dataclass(frozen=True, kw_only=True)
class Question:
    """What goes to the browser's script. `token` names the challenge; `options` are the platform's own JSON."""

    token: str
    options: dict[str, Any]


async def passkeys_of(engine: AsyncEngine, user_id: int) -> list[Passkey]:
    async with engine.connect() as connection:
        return await queries.read_passkeys(connection, user_id)


async def ask_to_add(engine: AsyncEngine, user: User, site: Site, now: datetime) -> Question | PasskeyRefusal:
    """Begin to add a passkey."""
    async with engine.begin() as connection:
        known = await queries.read_passkeys(connection, user.user_id)
        if len(known) >= PASSKEYS_PER_USER_MAXIMUM:
            return PasskeyRefusal.MANY
        options = generate_registration_options(
            rp_id=site.host,
            rp_name="Tollbridge",
            user_name=user.email,
            user_display_name=user.name or user.email,
            user_id=_handle(user.user_id),
            challenge=secrets.token_bytes(CHALLENGE_BYTES),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=one.credential_id) for one in known],
        )
        return await _ask(
            connection, Purpose.ADD_PASSKEY, user.user_id, options.challenge, options_to_json(options), now
        )


async def add_passkey(
    engine: AsyncEngine,
    actor: Actor,
    user: User,
    session: Session,
    site: Site,
    *,
    token: str,
    credential: dict[str, Any],
    name: str,
    now: datetime,
) -> SignedIn | PasskeyRefusal:
    """Keep the passkey a browser has made; who made it has shown a second factor in this session then."""
    name = name.strip()
    if not is_passkey_name(name):
        return PasskeyRefusal.NAME
    async with engine.begin() as connection:
        asked = await take_challenge(connection, digest_of(token), Purpose.ADD_PASSKEY, now)
        if asked is None or asked.user_id != user.user_id or asked.challenge is None:
            return PasskeyRefusal.OVER
        try:
            made = verify_registration_response(
                credential=credential,
                expected_challenge=asked.challenge,
                expected_rp_id=site.host,
                expected_origin=site.origin,
                require_user_verification=True,
            )
        except FAULTS:
            return PasskeyRefusal.WRONG
        if await queries.count_passkeys(connection, user.user_id) >= PASSKEYS_PER_USER_MAXIMUM:
            return PasskeyRefusal.MANY
        kept = await queries.insert_passkey(
            connection,
            credential_id=made.credential_id,
            user_id=user.user_id,
            public_key=made.credential_public_key,
            sign_count=made.sign_count,
            name=name,
            now=now,
        )
        if not kept:
            return PasskeyRefusal.WRONG
        # A mailbox must not stand in for it from now on (web/links), nor what was begun or opened without it.
        await close_links_of(connection, user.user_id, now)
        await delete_challenges_of(connection, user.user_id)
        await people.delete_sessions_of(connection, user.user_id, but=session.token_digest)
        renewed = await renew_session(connection, session.token_digest, with_factor=True, now=now)
        await write_audit(
            connection, actor, action="add_passkey", kind="users", ref=user.user_id, after={"passkey": name}
        )
    return renewed


async def ask_to_sign_in(
    engine: AsyncEngine, site: Site, visitor: Visitor, now: datetime
) -> Question | PasskeyRefusal:
    """Begin to sign somebody in: whoever it is, the passkey will say."""
    async with engine.begin() as connection:
        if await too_many(connection, [passkey_limit(visitor.address, visitor.device)], now):
            return PasskeyRefusal.LOCKED_OUT
        options = generate_authentication_options(
            rp_id=site.host,
            challenge=secrets.token_bytes(CHALLENGE_BYTES),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return await _ask(connection, Purpose.PASSKEY, None, options.challenge, options_to_json(options), now)


async def prove_passkey(
    connection: AsyncConnection, site: Site, *, token: str, credential: dict[str, Any], now: datetime
) -> Passkey | PasskeyRefusal:
    """Return the passkey that answered the question of `token`, once."""
    asked = await take_challenge(connection, digest_of(token), Purpose.PASSKEY, now)
    if asked is None:
        return PasskeyRefusal.OVER
    passkey = await _passkey_of(connection, credential)
    if passkey is None:
        return PasskeyRefusal.WRONG
    sign_count = _checked(site, asked, credential, passkey)
    if sign_count is None:
        return PasskeyRefusal.WRONG
    await queries.note_use(connection, passkey.credential_id, sign_count=sign_count, now=now)
    return passkey


async def sign_in_with(
    engine: AsyncEngine,
    site: Site,
    *,
    token: str,
    credential: dict[str, Any],
    visitor: Visitor,
    now: datetime,
) -> SignedIn | PasskeyRefusal:
    """Let the owner of a passkey in. It has asked for a finger or a PIN itself: no second factor beside it."""
    async with engine.begin() as connection:
        passkey = await prove_passkey(connection, site, token=token, credential=credential, now=now)
        if isinstance(passkey, PasskeyRefusal):
            return passkey
        known = await people.user_by_id(connection, passkey.user_id)
        if known is None or known.of_directory:
            return PasskeyRefusal.WRONG
        await people.take_back_attempt(connection, passkey_limit(visitor.address, visitor.device).counter)
        how = f"passkey {passkey.name}"
        return await open_session(connection, known.user, visitor, now, how=how, with_factor=True)


async def rename_passkey(
    engine: AsyncEngine, actor: Actor, user: User, credential_id: bytes, name: str
) -> PasskeyRefusal | None:
    """Name one's own passkey."""
    name = name.strip()
    if not is_passkey_name(name):
        return PasskeyRefusal.NAME
    async with engine.begin() as connection:
        old = await queries.rename_passkey(connection, user.user_id, credential_id, name)
        if old is None:
            return PasskeyRefusal.WRONG
        await write_audit(
            connection,
            actor,
            action="rename_passkey",
            kind="users",
            ref=user.user_id,
            before={"passkey": old},
            after={"passkey": name},
        )
    return None


async def remove_passkey(engine: AsyncEngine, actor: Actor, user: User, credential_id: bytes) -> bool:
    """Take one's own passkey away. False when there is none of this id."""
    async with engine.begin() as connection:
        name = await queries.delete_passkey(connection, user.user_id, credential_id)
        if name is None:
            return False
        await write_audit(
            connection,
            actor,
            action="remove_passkey",
            kind="users",
            ref=user.user_id,
            before={"passkey": name},
        )
    return True


def is_passkey_name(text: str) -> bool:
    return text.isprintable() and 1 <= len(text) <= NAME_LENGTH_MAXIMUM


def credential_id_of(text: str) -> bytes | None:
    """Return a credential's id as it stands in an address, or None when it is none."""
    try:
        found = base64url_to_bytes(text)
    except ValueError:
        return None
    return found if 0 < len(found) <= CREDENTIAL_ID_BYTES_MAXIMUM else None


def _handle(user_id: int) -> bytes:
    """Return what a passkey knows its owner by: nothing that says who it is."""
    return hashlib.sha256(f"tollbridge user {user_id}".encode()).digest()


async def _ask(
    connection: AsyncConnection,
    purpose: Purpose,
    user_id: int | None,
    challenge: bytes,
    options: str,
    now: datetime,
) -> Question:
    token = secrets.token_urlsafe(32)
    await insert_challenge(
        connection,
        token_digest=digest_of(token),
        purpose=purpose,
        user_id=user_id,
        challenge=challenge,
        now=now,
        expires_at=now + CHALLENGE_LIFETIME,
    )
    return Question(token=token, options=json.loads(options))


async def _passkey_of(connection: AsyncConnection, credential: dict[str, Any]) -> Passkey | None:
    named = credential.get("id")
    credential_id = credential_id_of(named) if isinstance(named, str) else None
    return None if credential_id is None else await queries.read_passkey(connection, credential_id)


def _checked(site: Site, asked: Challenge, credential: dict[str, Any], passkey: Passkey) -> int | None:
    """Return the passkey's new count of signatures when the answer is right."""
    try:
        verified = verify_authentication_response(
            credential=credential,
            expected_challenge=asked.challenge or b"",
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except FAULTS:
        return None
    return verified.new_sign_count
