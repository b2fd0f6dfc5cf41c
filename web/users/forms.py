"""What an admin types about a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from web.keys import Role
from web.person_fields import UserRefusal
from web.users.people import Belonging, PersonRefusal
from web.users.queries import Person, buyer_of_name, publisher_of_name

TYPED_LENGTH_MAXIMUM = 300

ROLES: Mapping[Role, str] = {
    Role.ADMIN: "Admin: everything, people and secrets too",
    Role.MANAGER: "Manager: runs the market",
    Role.ANALYST: "Analyst: sees all, changes nothing",
    Role.BUYER: "Buyer: own calls, wallet, hours and bids",
    Role.PUBLISHER: "Publisher: own numbers, calls and payouts",
}

FIELDS_OF_REFUSALS: Mapping[UserRefusal | PersonRefusal, str] = {
    UserRefusal.EMAIL: "email",
    UserRefusal.EMAIL_TAKEN: "email",
    UserRefusal.NAME: "name",
    PersonRefusal.NAME: "name",
    UserRefusal.ROLE: "role",
    PersonRefusal.LAST_ADMIN: "role",
    PersonRefusal.BUYER_NEEDED: "buyer",
    PersonRefusal.PUBLISHER_NEEDED: "publisher",
}


@dataclass(frozen=True, kw_only=True)
class Typed:
    """The form as it was sent, to be shown again as it is."""

    email: str = ""
    name: str = ""
    role: str = Role.MANAGER.value
    buyer: str = ""
    publisher: str = ""

    @staticmethod
    def of(person: Person) -> Typed:
        user = person.user
        return Typed(
            email=user.email,
            name=user.name,
            role=user.role.value,
            buyer=person.belongs_to if user.role is Role.BUYER else "",
            publisher=person.belongs_to if user.role is Role.PUBLISHER else "",
        )


def read_form(form: Mapping[str, Any]) -> Typed:
    return Typed(
        email=_text(form, "email"),
        name=_text(form, "name"),
        role=_text(form, "role"),
        buyer=_text(form, "buyer"),
        publisher=_text(form, "publisher"),
    )


async def belonging_of(connection: AsyncConnection, typed: Typed) -> Belonging | UserRefusal:
    """Return the role that was chosen and whose person it is."""
    if typed.role not in set(Role):
        return UserRefusal.ROLE
    role = Role(typed.role)
    buyer_id = publisher_id = None
    if role is Role.BUYER and typed.buyer:
        buyer_id = await buyer_of_name(connection, typed.buyer)
    if role is Role.PUBLISHER and typed.publisher:
        publisher_id = await publisher_of_name(connection, typed.publisher)
    return Belonging(role=role, buyer_id=buyer_id, publisher_id=publisher_id)


def _text(form: Mapping[str, Any], name: str) -> str:
    """Return what was typed, without what no database can hold."""
    value = form.get(name, "")
    text = value if isinstance(value, str) else ""
    clean = "".join(c for c in text if c != "\x00" and not "\ud800" <= c <= "\udfff")
    return clean.strip()[:TYPED_LENGTH_MAXIMUM]
