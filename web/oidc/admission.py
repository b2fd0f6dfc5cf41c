"""Anyone the directory vouches for, let in: found or made here, with the role of their groups, for a while.

Somebody is known by issuer and subject alone. An e-mail address proves nothing here: who may choose theirs in the
directory would be anybody.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from web import queries as door
from web.audit import Actor, write_audit
from web.auth import SecondFactorAsked, SignedIn, Visitor, ask_second_factor, open_session
from web.authority import Act, NotAllowed
from web.directory_groups.groups import NoRole, role_of_groups
from web.directory_groups.queries import read_groups
from web.ends import end_everything, end_sessions
from web.keys import User
from web.oidc import queries
from web.oidc.config import OidcConfig
from web.oidc.failures import DirectoryRefusal
from web.oidc.id_token import Identity
from web.oidc.provider import Granted
from web.oidc.queries import DirectoryPerson
from web.oidc.question import END_SESSION_HINT_LENGTH_MAXIMUM
from web.person_fields import NAME_LENGTH_MAXIMUM, clean_email, is_email
from web.second_factor.vault import Vault
from web.users import queries as people
from web.users.people import NOBODY, Belonging, PersonRefusal, belonging_facts
from web.users.queries import lock_admins, update_person

DIRECTORY = Actor(user=None, name="directory")
"""Who changes a role when the groups have changed."""


async def admit(
    engine: AsyncEngine, vault: Vault, config: OidcConfig, granted: Granted, visitor: Visitor, now: datetime
) -> SignedIn | SecondFactorAsked | DirectoryRefusal:
    """Let somebody in whom the directory has just named, or ask for their second factor."""
    identity = granted.identity
    async with engine.begin() as connection:
        known = await queries.lock_person(connection, identity.issuer, identity.subject)
        found = await _found(connection, known, identity, now)
        if isinstance(found, DirectoryRefusal):
            await _note_refused(connection, identity, known, found, visitor)
            return found
        person, role = found
        user = await take_over_role(connection, person.user, role, now)
        await vouch(connection, vault, config, user.user_id, granted, now)
        if person.has_second_factor and not identity.shows_second_factor:
            return await ask_second_factor(connection, user, now, after="directory")
        return await _open(connection, user, identity, visitor, now)


async def link(
    engine: AsyncEngine,
    vault: Vault,
    config: OidcConfig,
    user: User,
    granted: Granted,
    visitor: Visitor,
    now: datetime,
) -> SignedIn | DirectoryRefusal:
    """Hand the account of somebody who is signed in over to the directory: it alone lets them in from now on."""
    identity = granted.identity
    async with engine.begin() as connection:
        if await lock_admins(connection) == [user.user_id]:
            return DirectoryRefusal.LAST_ADMIN
        role = await role_of(connection, identity)
        if isinstance(role, DirectoryRefusal):
            return role
        if await queries.lock_person(connection, identity.issuer, identity.subject) is not None:
            return DirectoryRefusal.LINKED_ELSEWHERE
        if not await queries.link_person(connection, user.user_id, identity.issuer, identity.subject):
            return DirectoryRefusal.LINKED_ALREADY
        ended = await end_everything(connection, user.user_id, now)
        after = {"issuer": identity.issuer, "subject": identity.subject, **asdict(ended)}
        await write_audit(
            connection, Actor(user=user), action="link_directory", kind="users", ref=user.user_id, after=after
        )
        user = await take_over_role(connection, user, role, now)
        await vouch(connection, vault, config, user.user_id, granted, now)
        return await _open(connection, user, identity, visitor, now)


async def unlink(
    engine: AsyncEngine, actor: Actor, user_id: int, now: datetime
) -> PersonRefusal | NotAllowed | None:
    """Take somebody back from the directory: an invitation link gives them a password. All they had open ends."""
    async with engine.begin() as connection:
        person = await people.lock_person(connection, user_id)
        if person is None:
            return PersonRefusal.NOT_FOUND
        if forbidden := actor.may_not(Act.MAKE_RESET, person.user.role):
            return forbidden
        if not await queries.unlink_person(connection, user_id):
            return PersonRefusal.LOCAL
        ended = await end_everything(connection, user_id, now)
        await write_audit(
            connection, actor, action="unlink_directory", kind="users", ref=user_id, after=asdict(ended)
        )
    return None


async def role_of(connection: AsyncConnection, identity: Identity) -> Belonging | DirectoryRefusal:
    """Return who somebody is here by their groups."""
    if identity.groups is None:
        return DirectoryRefusal.NO_GROUPS_SENT
    mapped = {group.name: group.belonging for group in await read_groups(connection)}
    role = role_of_groups(identity.groups, mapped)
    if isinstance(role, Belonging):
        return role
    return DirectoryRefusal.MANY_ROLES if role is NoRole.SEVERAL_PARTIES else DirectoryRefusal.NO_GROUP


async def take_over_role(connection: AsyncConnection, user: User, role: Belonging, now: datetime) -> User:
    """Give somebody the role of their groups. When it is another one, what they have open ends."""
    before = Belonging(role=user.role, buyer_id=user.buyer_id, publisher_id=user.publisher_id)
    if before == role:
        return user
    await update_person(
        connection,
        user.user_id,
        name=user.name,
        role=role.role,
        buyer_id=role.buyer_id,
        publisher_id=role.publisher_id,
    )
    await end_sessions(connection, user.user_id, now)
    await write_audit(
        connection,
        DIRECTORY,
        action="change",
        kind="users",
        ref=user.user_id,
        before=belonging_facts(before),
        after=belonging_facts(role),
    )
    return User(
        user_id=user.user_id,
        email=user.email,
        name=user.name,
        role=role.role,
        buyer_id=role.buyer_id,
        publisher_id=role.publisher_id,
    )


async def vouch(
    connection: AsyncConnection,
    vault: Vault,
    config: OidcConfig,
    user_id: int,
    granted: Granted,
    now: datetime,
) -> None:
    """Note that the directory has just vouched for somebody, and keep what it gave, sealed."""
    await queries.confirm(connection, user_id, now + config.confirmed_for)
    refresh_token, id_token = granted.refresh_token, granted.id_token
    if id_token is not None and len(id_token) > END_SESSION_HINT_LENGTH_MAXIMUM:
        id_token = None
    await queries.keep_grant(
        connection,
        user_id,
        refresh_token=None if not refresh_token else vault.seal(user_id, refresh_token),
        id_token=None if not id_token else vault.seal(user_id, id_token),
    )


async def turn_out(connection: AsyncConnection, user_id: int, why: str, now: datetime) -> None:
    """End everything of somebody whom the directory vouches for no more; tokens rest until it does again."""
    await queries.confirm(connection, user_id, None)
    await queries.forget_grant(connection, user_id)
    ended = await end_sessions(connection, user_id, now)
    await write_audit(
        connection,
        DIRECTORY,
        action="end_sessions",
        kind="users",
        ref=user_id,
        after={"ended": ended, "why": why},
    )


async def _found(
    connection: AsyncConnection, known: DirectoryPerson | None, identity: Identity, now: datetime
) -> tuple[DirectoryPerson, Belonging] | DirectoryRefusal:
    """Return who is to be let in, made at their first sign-in. Whose role is gone loses what they have open too."""
    if known is not None and known.disabled:
        return DirectoryRefusal.DISABLED
    role = await role_of(connection, identity)
    if isinstance(role, DirectoryRefusal):
        if known is not None:
            await turn_out(connection, known.user.user_id, reason_of(role), now)
        return role
    person = known or await _make(connection, identity, role)
    return person if isinstance(person, DirectoryRefusal) else (person, role)


async def _make(
    connection: AsyncConnection, identity: Identity, role: Belonging
) -> DirectoryPerson | DirectoryRefusal:
    """Make somebody. Of two sign-ins that come at once, both find the one person."""
    email = clean_email(identity.email or "")
    if not is_email(email):
        return DirectoryRefusal.EMAIL
    name = identity.name.strip()
    name = name if name.isprintable() and len(name) <= NAME_LENGTH_MAXIMUM else ""
    user_id = await door.insert_user(
        connection,
        email=email,
        password_hash=NOBODY,
        role=role.role.value,
        name=name,
        buyer_id=role.buyer_id,
        publisher_id=role.publisher_id,
    )
    if user_id is not None:
        await queries.link_person(connection, user_id, identity.issuer, identity.subject)
        after = {"email": email, "name": name, **belonging_facts(role)}
        await write_audit(connection, DIRECTORY, action="create", kind="users", ref=user_id, after=after)
    person = await queries.lock_person(connection, identity.issuer, identity.subject)
    return person or DirectoryRefusal.EMAIL_TAKEN


async def _open(
    connection: AsyncConnection, user: User, identity: Identity, visitor: Visitor, now: datetime
) -> SignedIn:
    return await open_session(
        connection,
        user,
        visitor,
        now,
        how="directory",
        with_factor=identity.shows_second_factor,
        verified=identity.is_recent(now),
    )


def reason_of(refusal: DirectoryRefusal) -> str:
    """Return a refusal as the audit log keeps it."""
    return refusal.name.lower().replace("_", " ")


async def _note_refused(
    connection: AsyncConnection,
    identity: Identity,
    known: DirectoryPerson | None,
    refusal: DirectoryRefusal,
    visitor: Visitor,
) -> None:
    """Only who has an account of the directory can write these."""
    await write_audit(
        connection,
        Actor(user=None, name=known.user.email if known else "directory"),
        action="sign_in_refused",
        kind="users",
        ref=known.user.user_id if known else "",
        after={"why": reason_of(refusal), "subject": identity.subject, "address": visitor.address},
    )
