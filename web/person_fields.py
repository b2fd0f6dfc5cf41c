"""What is known of a person who signs in: address, name, role, and which of these cannot be right. Pure."""

from __future__ import annotations

from enum import StrEnum

from web.keys import Role

EMAIL_LENGTH_MAXIMUM = 254
NAME_LENGTH_MAXIMUM = 100


class UserRefusal(StrEnum):
    """Why a user was not made."""

    EMAIL = "that is not an e-mail address"
    EMAIL_TAKEN = "somebody with this e-mail address exists already"
    NOBODY = "there is nobody of this e-mail address"
    DIRECTORY = "they sign in by the directory: `tollbridge user unlink` takes them back"
    ROLE = f"a role is one of {', '.join(Role)}"
    NAME = f"a name has at most {NAME_LENGTH_MAXIMUM} characters"
    BUYER = "a buyer belongs to a buyer's person, and to nobody else"
    PUBLISHER = "a publisher belongs to a publisher's person, and to nobody else"


def clean_email(text: str) -> str:
    """Return the address as it is stored and compared: trimmed, in lower case."""
    return text.strip().lower()


def is_email(text: str) -> bool:
    """Tell whether this may be an address; only mail shows whether it is. No other text reaches the database."""
    name, _, domain = text.partition("@")
    printable = text.isprintable() and " " not in text
    return bool(name and domain) and printable and len(text) <= EMAIL_LENGTH_MAXIMUM


def is_name(text: str) -> bool:
    return text.isprintable() and len(text) <= NAME_LENGTH_MAXIMUM


def refusal_of_person(
    email: str, role: str, *, name: str = "", buyer_id: int | None = None, publisher_id: int | None = None
) -> UserRefusal | None:
    """Return why such a person cannot be made, or None. `email` is clean already."""
    if not is_email(email):
        return UserRefusal.EMAIL
    if role not in set(Role):
        return UserRefusal.ROLE
    if not is_name(name):
        return UserRefusal.NAME
    if buyer_id is not None and role != Role.BUYER:
        return UserRefusal.BUYER
    if publisher_id is not None and role != Role.PUBLISHER:
        return UserRefusal.PUBLISHER
    return None
