"""Why the directory lets nobody in: what people read, and what the log says beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class DirectoryRefusal(StrEnum):
    """What somebody reads who was not let in, with the way out."""

    OVER = (
        "This sign-in took too long, was finished already, or began in another browser or tab. "
        "Nothing has happened: start again."
    )
    CANCELLED = (
        "The directory did not let you in, or you cancelled there. Start again, or ask the directory's admin."
    )
    AWAY = "The directory does not answer. Try again in a moment. Your admin has a way in without it."
    DISTRUSTED = (
        "The directory's answer did not pass our checks, so nobody was let in. Start again; if that does not help, "
        "ask an admin: the reason is in the log of the web process."
    )
    NO_GROUP = (
        "The directory knows you, but none of your groups has a role here. Ask an admin of Tollbridge to give one of "
        "them a role, or the directory's admin to put you into one that has."
    )
    MANY_ROLES = (
        "Your groups in the directory belong to more than one buyer or publisher here, and you can only be one. "
        "Ask the directory's admin to take you out of the others."
    )
    NO_GROUPS_SENT = (
        "The directory did not say which groups you are in. Ask an admin to let it send them, "
        "or fewer of them when you are in very many."
    )
    EMAIL = (
        "The directory did not say that it has verified your e-mail address, and you have no account here yet. "
        "Ask an admin."
    )
    EMAIL_TAKEN = (
        "Somebody with your e-mail address exists here already. If it is you, sign in with your password and link "
        "the directory on the page Your account. If not, ask an admin."
    )
    DISABLED = "Your account here is disabled. Ask an admin."
    LOCKED_OUT = "Too many sign-ins were begun from here and not finished: wait a quarter of an hour."
    LINKED_ELSEWHERE = "This account of the directory is linked to somebody else here. Nothing was changed."
    LINKED_ALREADY = "You are linked to the directory already. Nothing was changed."
    OTHER_PERSON = "The directory named somebody else than who is signed in here. Nothing was changed."
    LAST_ADMIN = (
        "You are the last admin who can sign in without the directory. Make another one first: "
        "it is the way in when the directory is away."
    )


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why nothing can be had of the provider. `why` is for the log: strangers may have written parts."""

    refusal: DirectoryRefusal
    why: str
    refresh_token: str | None = field(default=None, repr=False)
    """What it gave all the same, in the place of the one it was asked with."""


def distrusted(why: str) -> Failure:
    return Failure(refusal=DirectoryRefusal.DISTRUSTED, why=why)


def away(why: str) -> Failure:
    return Failure(refusal=DirectoryRefusal.AWAY, why=why)
