"""What admins do about people: invite, change, bar, let in again, hand on a link. Never the last admin away."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from web import queries as door
from web.audit import Actor, write_audit
from web.auth import NAME_LENGTH_MAXIMUM, UserRefusal, clean_email, is_name, refusal_of_person
from web.challenge_queries import delete_challenges_of
from web.keys import Role
from web.links.links import INVITATION_LIFETIME, RESET_LIFETIME, LinkKind, make_link
from web.users import queries
from web.users.queries import Person

NOBODY = ""
"""The password's hash of somebody who has not taken their invitation: no password is right."""


class PersonRefusal(StrEnum):
    """Why nothing was changed."""

    NOT_FOUND = "there is no such person"
    LAST_ADMIN = "this is the last admin who can sign in: make another one first"
    DISABLED = "this person is disabled: enable them first"
    DIRECTORY = "this person signs in by the directory, which gives the role: change their groups there, or unlink them"
    NAME = f"a name has at most {NAME_LENGTH_MAXIMUM} characters"
    BUYER_NEEDED = "say which buyer this person belongs to"
    PUBLISHER_NEEDED = "say which publisher this person belongs to"
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


def etag_of(person: Person) -> str:
    """Return the name of what is shown of a person, to notice that somebody else changed it."""
    state = json.dumps([_facts(person), person.disabled_at is not None], sort_keys=True)
    return f'"{hashlib.sha256(state.encode()).hexdigest()[:24]}"'


async def invite(
    engine: AsyncEngine, actor: Actor, *, email: str, name: str, belonging: Belonging, now: datetime
) -> Invited | UserRefusal | PersonRefusal:
    """Make a person who sets their own password by a link of seven days."""
    email, name, belonging = clean_email(email), name.strip(), belonging.clean()
    if refusal := refusal_of_person(email, belonging.role, name=name):
        return refusal
    async with engine.begin() as connection:
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
    engine: AsyncEngine, actor: Actor, user_id: int, *, name: str, belonging: Belonging, etag: str | None
) -> PersonRefusal | None:
    """Change a person's name and role. `etag`: what was seen of them; None changes whatever is there."""
    name, belonging = name.strip(), belonging.clean()
    if not is_name(name):
        return PersonRefusal.NAME
    async with engine.begin() as connection:
        admins = await queries.lock_admins(connection)
        person = await queries.lock_person(connection, user_id)
        if person is None:
            return PersonRefusal.NOT_FOUND
        if etag is not None and etag != etag_of(person):
            return PersonRefusal.CHANGED
        if fixed := _role_is_fixed(person, belonging, admins):
            return fixed
        if missing := await missing_party(connection, belonging):
            return missing
        await queries.update_person(
            connection,
            user_id,
            name=name,
            role=belonging.role,
            buyer_id=belonging.buyer_id,
            publisher_id=belonging.publisher_id,
        )
        after = {"name": name, **belonging_facts(belonging)}
        await write_audit(
            connection, actor, action="change", kind="users", ref=user_id, before=_facts(person), after=after
        )
    return None


async def disable(engine: AsyncEngine, actor: Actor, user_id: int, now: datetime) -> PersonRefusal | None:
    """Bar somebody: their sessions end, their tokens open nothing. All they have is kept."""
    async with engine.begin() as connection:
        admins = await queries.lock_admins(connection)
        person = await queries.lock_person(connection, user_id)
        if person is None:
            return PersonRefusal.NOT_FOUND
        if admins == [user_id]:
            return PersonRefusal.LAST_ADMIN
        if person.disabled_at is not None:
            return None
        await queries.set_disabled(connection, user_id, now)
        await door.delete_sessions_of(connection, user_id)
        await delete_challenges_of(connection, user_id)
        await write_audit(connection, actor, action="disable", kind="users", ref=user_id)
    return None


async def enable(engine: AsyncEngine, actor: Actor, user_id: int) -> PersonRefusal | None:
    """Let somebody in again who was barred."""
    async with engine.begin() as connection:
        person = await queries.lock_person(connection, user_id)
        if person is None:
            return PersonRefusal.NOT_FOUND
        if person.disabled_at is None:
            return None
        await queries.set_disabled(connection, user_id, None)
        await write_audit(connection, actor, action="enable", kind="users", ref=user_id)
    return None


async def make_person_link(
    engine: AsyncEngine, actor: Actor, user_id: int, now: datetime
) -> LinkMade | PersonRefusal:
    """Make a link by which somebody sets a password: their invitation anew while they have none, else a reset."""
    async with engine.begin() as connection:
        person = await queries.lock_person(connection, user_id)
        if person is None:
            return PersonRefusal.NOT_FOUND
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


async def end_sessions(engine: AsyncEngine, actor: Actor, user_id: int) -> int | PersonRefusal:
    """End all sessions of somebody; return how many there were."""
    async with engine.begin() as connection:
        if await queries.lock_person(connection, user_id) is None:
            return PersonRefusal.NOT_FOUND
        ended = await door.delete_sessions_of(connection, user_id)
        await write_audit(
            connection, actor, action="end_sessions", kind="users", ref=user_id, after={"ended": ended}
        )
    return ended


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
