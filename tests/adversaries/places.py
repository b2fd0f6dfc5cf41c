"""Which places may be rung at the house's cost."""

from __future__ import annotations

import re

from tests.adversaries.contracts import DESK, HOME_AREAS, LISTED_ABROAD

_NUMBER = re.compile(r"(?:PJSIP/|sip:)?\+?([0-9]{10,15})(?:@.*)?")


def is_rung(place: str) -> bool:
    """Whether a place may be rung at all: a desk, a number of the states, or one that is listed."""
    number = number_in(place)
    if number is None:
        return place == DESK
    return is_listed(place) or (len(number) == 11 and number[0] == "1" and number[1:4] in HOME_AREAS)


def is_listed(place: str) -> bool:
    """Whether it is a listed number abroad, of which only so much may be rung."""
    number = number_in(place)
    return number is not None and f"+{number}".startswith(LISTED_ABROAD)


def number_in(place: str) -> str | None:
    found = _NUMBER.fullmatch(place.rpartition("/")[2] if place.startswith("PJSIP/target") else place)
    return None if found is None else found[1]
