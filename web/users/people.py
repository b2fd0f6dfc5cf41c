"""What admins do about people: invite, change, bar, let in again, hand on a link. Never the last admin away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from web import queries as door
from web.audit import Actor, write_audit
from web.authority import Act, NotAllowed
from web.challenge_queries import delete_challenges_of
from web.ends import Ended, end_everything, end_sessions, is_still_in
from web.etags import Unchanged
from web.keys import Role
from web.links.links import INVITATION_LIFETIME, RESET_LIFETIME, LinkKind, make_link
from web.passkeys.queries import delete_passkey, delete_passkeys_of
from web.person_fields import NAME_LENGTH_MAXIMUM, UserRefusal, clean_email, is_name, refusal_of_person
from web.second_factor.queries import remove_factor
from web.users import queries
from web.users.queries import Person

KIND = "users"
NOBODY = ""
"""The password's hash of somebody who has not taken their invitation: no password is right."""


class PersonRefusal(StrEnum):
    """Why nothing was changed."""

    NOT_FOUND = "there is no such person"
    LAST_ADMIN = "this is the last admin who can sign in: make another one first"
    DISABLED = "this person is disabled: enable them first"
    LOCAL = "this person does not sign in by the directory"
    DIRECTORY = "this person signs in by the directory, which gives the role: change their groups there, or unlink them"
    NAME = f"a name has at most {NAME_LENGTH_MAXIMUM} characters"
    BUYER_NEEDED = "say which buyer this person belongs to"
    PUBLISHER_NEEDED = "say which publisher this person belongs to"
    NO_FACTOR = "they have no such second factor any more"
    CHANGED = "somebody has changed this person meanwhile: look at what is there now"


@dataclass(frozen=True, kw_only=True)
class Invited:
    """A person who has been made, and the path of their link: its one showing."""

    user_id: int
    path: str


@dataclass(frozen=True, kw_only=True)
class LinkMade:
    """A link's one showing."""

    path: str
    kind: LinkKind
    email: str


@dataclass(frozen=True, kw_only=True)
class Belonging:
    """Who somebody is in the house, and for whom. Only a buyer's person has a buyer, a publisher's a publisher."""

    role: Role
    buyer_id: int | None = None
    publisher_id: int | None = None

    def clean(self) -> Belonging:
        """Drop what does not go with the role, as when the role was changed and the buyer left standing."""
        buyer_id = self.buyer_id if self.role is Role.BUYER else None
        publisher_id = self.publisher_id if self.role is Role.PUBLISHER else None
        return replace(self, buyer_id=buyer_id, publisher_id=publisher_id)


def state_of(person: Person) -> object:
    """Return what is shown of a person, to notice that somebody else changed it (web.etags)."""
    return [_facts(person), person.disabled_at is not None]


async def invite(
    engine: AsyncEngine, actor: Actor, *, email: str, name: str, belonging: Belonging, now: datetime
) -> Invited | UserRefusal | PersonRefusal | NotAllowed:
    """Make a person who sets their own password by a link of seven days."""
    email, name, belonging = clean_email(email), name.strip(), belonging.clean()
    if refusal := refusal_of_person(email, belonging.role, name=name):
        return refusal
    if forbidden := actor.may_not(Act.INVITE, belonging.role):
        return forbidden
    async with engine.begin() as connection:
        if not await is_still_in(connection, actor):
            return NotAllowed.CONFIRM
        if missing := await missing_party(connection, belonging):
            return missing
        user_id = await door.insert_user(
            connection,
            email=email,
            password_hash=NOBODY,
            role=belonging.role.value,
            name=name,
            buyer_id=belonging.buyer_id,
            publisher_id=belonging.publisher_id,
        )
        if user_id is None:
            return UserRefusal.EMAIL_TAKEN
        path = await make_link(
            connection,
            kind=LinkKind.INVITATION,
            user_id=user_id,
            created_by=actor.user.user_id if actor.user else None,
            now=now,
            lifetime=INVITATION_LIFETIME,
        )
        after = {"email": email, "name": name, **belonging_facts(belonging)}
        await write_audit(connection, actor, action="invite", kind="users", ref=user_id, after=after)
    return Invited(user_id=user_id, path=path)


async def change_person(
    engine: AsyncEngine,
    actor: Actor,
    user_id: int,
    *,
    name: str,
    belonging: Belonging,
    seen: Unchanged | None,
    now: datetime,
) -> PersonRefusal | NotAllowed | None:
    """Change a person's name and role. `seen` knows what was seen of them; None changes whatever is there.

    Who is an admin no more signs in again: what they have begun ends, and so do the links they made.
    """
    name, belonging = name.strip(), belonging.clean()
    if not is_name(name):
        return PersonRefusal.NAME
    async with engine.begin() as connection:
        admins = await queries.lock_admins(connection)
        person = await queries.lock_person(connection, user_id)
        if person is None:
            return PersonRefusal.NOT_FOUND
        if not await is_still_in(connection, actor):
            return NotAllowed.CONFIRM
        refusal = await _why_unchanged(connection, actor, person, belonging, seen, admins=admins)
        if refusal is not None:
            return refusal
        await queries.update_person(
            connection,
            user_id,
            name=name,
            role=belonging.role,
            buyer_id=belonging.buyer_id,
            publisher_id=belonging.publisher_id,
        )
        if person.user.role is Role.ADMIN and belonging.role is not Role.ADMIN:
            await end_sessions(connection, user_id, now)
        after = {"name": name, **belonging_facts(belonging)}
        await write_audit(
            connection, actor, action="change", kind="users", ref=user_id, before=_facts(person), after=after
        )
    return None


async def _why_unchanged(
    connection: AsyncConnection,
    actor: Actor,
    person: Person,
    belonging: Belonging,
    seen: Unchanged | None,
    *,
    admins: Sequence[int],
) -> PersonRefusal | NotAllowed | None:
    for role in (person.user.role, belonging.role):
        if forbidden := actor.may_not(Act.CHANGE, role):
            return forbidden
    if seen is not None and not seen(state_of(person)):
        return PersonRefusal.CHANGED
    return _role_is_fixed(person, belonging, admins) or await missing_party(connection, belonging)


async def disable(
    engine: AsyncEngine, actor: Actor, user_id: int, now: datetime
) -> PersonRefusal | NotAllowed | None:
    """Bar somebody: sessions and links they made end, their tokens open nothing. All they have is kept."""
    async with engine.begin() as connection:
        admins = await queries.lock_admins(connection)
        person = await queries.lock_person(connection, user_id)
        if person is None:
            return PersonRefusal.NOT_FOUND
        if forbidden := actor.may_not(Act.DISABLE, person.user.role):
            return forbidden
        if admins == [user_id]:
            return PersonRefusal.LAST_ADMIN
        if person.disabled_at is not None:
            return None
        await queries.set_disabled(connection, user_id, now)
        await end_sessions(connection, user_id, now)
        await write_audit(connection, actor, action="disable", kind="users", ref=user_id)
    return None


async def enable(engine: AsyncEngine, actor: Actor, user_id: int) -> PersonRefusal | NotAllowed | None:
    """Let somebody in again who was barred."""
    async with engine.begin() as connection:
        person = await queries.lock_person(connection, user_id)
        if person is None:
            return PersonRefusal.NOT_FOUND
        if not await is_still_in(connection, actor):
            return NotAllowed.CONFIRM
        if forbidden := actor.may_not(Act.ENABLE, person.user.role):
            return forbidden
        if person.disabled_at is None:
            return None
        await queries.set_disabled(connection, user_id, None)
        await write_audit(connection, actor, action="enable", kind="users", ref=user_id)
    return None


async def make_person_link(
    engine: AsyncEngine, actor: Actor, user_id: int, now: datetime
) -> LinkMade | PersonRefusal | NotAllowed:
    """Make a link by which somebody sets a password: their invitation anew while they have none, else a reset."""
    async with engine.begin() as connection:
        person = await queries.lock_person(connection, user_id)
        if person is None:
            return PersonRefusal.NOT_FOUND
        if not await is_still_in(connection, actor):
            return NotAllowed.CONFIRM
        act = Act.MAKE_RESET if person.has_password else Act.MAKE_INVITATION
        if forbidden := actor.may_not(act, person.user.role):
            return forbidden
        if person.disabled_at is not None:
            return PersonRefusal.DISABLED
        if person.of_directory:
            return PersonRefusal.DIRECTORY
        kind = LinkKind.RESET if person.has_password else LinkKind.INVITATION
        path = await make_link(
            connection,
            kind=kind,
            user_id=user_id,
            created_by=actor.user.user_id if actor.user else None,
            now=now,
            lifetime=RESET_LIFETIME if person.has_password else INVITATION_LIFETIME,
        )
        await write_audit(connection, actor, action=f"make_{kind}_link", kind="users", ref=user_id)
    return LinkMade(path=path, kind=kind, email=person.user.email)


async def sign_out_everywhere(
    engine: AsyncEngine, actor: Actor, user_id: int, now: datetime
) -> Ended | PersonRefusal | NotAllowed:
    """End all that somebody has open: sessions, tokens, passkeys, links."""
    async with engine.begin() as connection:
        person = await queries.lock_person(connection, user_id)
        if person is None:
            return PersonRefusal.NOT_FOUND
        if forbidden := actor.may_not(Act.SIGN_OUT, person.user.role):
            return forbidden
        ended = await end_everything(connection, user_id, now)
        await write_audit(
            connection, actor, action="sign_out_everywhere", kind="users", ref=user_id, after=asdict(ended)
        )
    return ended


async def take_factor(
    engine: AsyncEngine, actor: Actor, user_id: int, now: datetime, *, passkey: bytes | None = None
) -> PersonRefusal | NotAllowed | None:
    """Take somebody's second factor away who has lost it, or this passkey of theirs. Their sessions end."""
    async with engine.begin() as connection:
        person = await queries.lock_person(connection, user_id)
        if person is None:
            return PersonRefusal.NOT_FOUND
        if forbidden := actor.may_not(Act.TAKE_FACTOR, person.user.role):
            return forbidden
        if passkey is None:
            named = "second factor" if await remove_factor(connection, user_id) else None
        else:
            named = await delete_passkey(connection, user_id, passkey)
        if named is None:
            return PersonRefusal.NO_FACTOR
        await door.delete_sessions_of(connection, user_id)
        await delete_challenges_of(connection, user_id)
        action = "remove_second_factor" if passkey is None else "remove_passkey"
        await write_audit(
            connection, actor, action=action, kind="users", ref=user_id, before={"factor": named}
        )
    return None


async def reset_factor(
    engine: AsyncEngine, actor: Actor, user_id: int, now: datetime
) -> PersonRefusal | NotAllowed | None:
    """Take all somebody signs in by beside the password, and give them the time again to set a second factor up.

    The way back in for the last admin, by command. Their sessions end.
    """
    async with engine.begin() as connection:
        person = await queries.lock_person(connection, user_id)
        if person is None:
            return PersonRefusal.NOT_FOUND
        if forbidden := actor.may_not(Act.TAKE_FACTOR, person.user.role):
            return forbidden
        await remove_factor(connection, user_id)
        await delete_passkeys_of(connection, user_id)
        await queries.ask_for_factor_anew(connection, user_id, now)
        await door.delete_sessions_of(connection, user_id)
        await delete_challenges_of(connection, user_id)
        await write_audit(connection, actor, action="reset_factor", kind="users", ref=user_id)
    return None


def _role_is_fixed(person: Person, belonging: Belonging, admins: Sequence[int]) -> PersonRefusal | None:
    """Return why somebody keeps the role they have: the last admin does, and who has it of the directory."""
    if belonging.role is not Role.ADMIN and admins == [person.user.user_id]:
        return PersonRefusal.LAST_ADMIN
    is_changed = belonging != _belonging_of(person)
    return PersonRefusal.DIRECTORY if person.of_directory and is_changed else None


async def missing_party(connection: AsyncConnection, belonging: Belonging) -> PersonRefusal | None:
    """Return what is wanting: a buyer's person has a buyer that is there, a publisher's a publisher."""
    if belonging.role is Role.BUYER:
        known = belonging.buyer_id is not None and await queries.has_buyer(connection, belonging.buyer_id)
        return None if known else PersonRefusal.BUYER_NEEDED
    if belonging.role is Role.PUBLISHER:
        publisher_id = belonging.publisher_id
        known = publisher_id is not None and await queries.has_publisher(connection, publisher_id)
        return None if known else PersonRefusal.PUBLISHER_NEEDED
    return None


def _facts(person: Person) -> dict[str, Any]:
    return {"name": person.user.name, **belonging_facts(_belonging_of(person))}


def _belonging_of(person: Person) -> Belonging:
    user = person.user
    return Belonging(role=user.role, buyer_id=user.buyer_id, publisher_id=user.publisher_id)


def belonging_facts(belonging: Belonging) -> dict[str, Any]:
    return {
        "role": belonging.role.value,
        "buyer_id": belonging.buyer_id,
        "publisher_id": belonging.publisher_id,
    }
