"""Which group of the directory has which role here: given and taken by an admin, and read at each sign-in."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from web.audit import Actor, write_audit
from web.authority import Act, NotAllowed
from web.directory_groups import queries
from web.ends import is_still_in
from web.keys import Role
from web.users.people import Belonging, PersonRefusal, belonging_facts, missing_party

KIND = "directory_groups"
NAME_LENGTH_MAXIMUM = 300
GROUPS_MAXIMUM = 500
HOUSE_BY_REACH = (Role.ADMIN, Role.MANAGER, Role.ANALYST)


class GroupRefusal(StrEnum):
    """Why a group was given no role."""

    NAME = f"a group's name has 1 to {NAME_LENGTH_MAXIMUM} characters on one line, as the directory sends it"
    TAKEN = "this group has a role already: take that away first"
    MANY = f"{GROUPS_MAXIMUM} groups have a role: take one away first"


class NoRole(StrEnum):
    """Why somebody's groups give them no role."""

    NONE_MAPPED = "none of their groups has a role"
    SEVERAL_PARTIES = "their groups belong to more than one buyer or publisher"


def role_of_groups(groups: Collection[str], mapped: Mapping[str, Belonging]) -> Belonging | NoRole:
    """Return who somebody of these groups is here. Pure.

    A role of the house goes before a buyer's or publisher's, and of several the one that may do most. Nobody is two
    buyers at once: which one would be chance.
    """
    found = {mapped[group] for group in groups if group in mapped}
    for role in HOUSE_BY_REACH:
        if Belonging(role=role) in found:
            return Belonging(role=role)
    if len(found) > 1:
        return NoRole.SEVERAL_PARTIES
    return next(iter(found), NoRole.NONE_MAPPED)


async def give_role(
    engine: AsyncEngine, actor: Actor, name: str, belonging: Belonging
) -> int | GroupRefusal | PersonRefusal | NotAllowed:
    """Give the people of a group a role from their next sign-in on; return the row's id."""
    name, belonging = name.strip(), belonging.clean()
    if not (name.isprintable() and 1 <= len(name) <= NAME_LENGTH_MAXIMUM):
        return GroupRefusal.NAME
    if forbidden := actor.may_not(Act.CHANGE, belonging.role):
        return forbidden
    async with engine.begin() as connection:
        if refusal := await _why_none(connection, actor, belonging):
            return refusal
        group_id = await queries.insert_group(connection, name, belonging)
        if group_id is None:
            return GroupRefusal.TAKEN
        after = {"name": name, **belonging_facts(belonging)}
        await write_audit(connection, actor, action="create", kind=KIND, ref=group_id, after=after)
    return group_id


async def _why_none(
    connection: AsyncConnection, actor: Actor, belonging: Belonging
) -> GroupRefusal | PersonRefusal | NotAllowed | None:
    if not await is_still_in(connection, actor):
        return NotAllowed.CONFIRM
    if missing := await missing_party(connection, belonging):
        return missing
    return GroupRefusal.MANY if await queries.count_groups(connection) >= GROUPS_MAXIMUM else None


async def take_role(engine: AsyncEngine, actor: Actor, group_id: int) -> PersonRefusal | NotAllowed | None:
    """Take a group's role away."""
    async with engine.begin() as connection:
        group = await queries.lock_group(connection, group_id)
        if group is None:
            return PersonRefusal.NOT_FOUND
        if forbidden := actor.may_not(Act.CHANGE, group.belonging.role):
            return forbidden
        await queries.delete_group(connection, group_id)
        before = {"name": group.name, **belonging_facts(group.belonging)}
        await write_audit(connection, actor, action="delete", kind=KIND, ref=group_id, before=before)
    return None
