"""Kinds of text that forms share. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, StringConstraints

NAME_CHARACTERS_MAXIMUM = 120


def printable(text: str) -> str:
    """Refuse control characters: they hide in lists and break exports. Raises ValueError."""
    if any(unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn") for character in text):
        raise ValueError("control characters cannot be part of it")
    return text


def printable_lines(text: str) -> str:
    """As `printable`, but lines may end. Raises ValueError."""
    printable(text.replace("\n", ""))
    return text


@cache
def known_zones() -> Sequence[str]:
    """Return the time zones there are, in order: looked up once, as it takes a walk through files."""
    return sorted(available_timezones())


def known_zone(text: str) -> str:
    """Refuse what is no time zone. Raises ValueError."""
    if text not in known_zones():
        raise ValueError("this is no time zone: write one such as America/New_York")
    ZoneInfo(text)
    return text


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_CHARACTERS_MAXIMUM),
    AfterValidator(printable),
]
ShortText = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(printable)
]
LongText = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=2000), AfterValidator(printable_lines)
]
Zone = Annotated[str, AfterValidator(known_zone)]


def nmls_id(text: str) -> str:
    """Refuse what is no NMLS number; zeros in front do not count. Raises ValueError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and text.strip("0")):
        raise ValueError("an NMLS number has digits only, such as 401822")
    return text.lstrip("0")


NmlsId = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(nmls_id)]
