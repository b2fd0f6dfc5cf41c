"""Where a caller lives, as far as it can be told, and how we know.

The state a caller lives in decides who may talk to them. What they said goes before their ZIP code, and both before
the area code of their number, which people keep when they move. The tag `state_source` tells which it was.
"""

from __future__ import annotations

from collections.abc import Mapping

from router.domain.decision import STATE_CANDIDATES_TAG, STATE_TAG
from rules.places import STATES, states_of_area_code
from rules.zip_codes import TERRITORIES, state_of_zip

STATE_SOURCE_TAG = "state_source"
ZIP_TAG = "zip"

STATED = "stated"
ZIP_CODE = "zip"
AREA_CODE = "area_code"

_STATES_BY_NAME = {name.casefold(): code for code, name in STATES.items()}


def with_caller_state(
    tags: Mapping[str, str],
    caller: str | None,
    area_codes: Mapping[str, tuple[str, ...]],
    zip_codes: Mapping[str, str],
) -> dict[str, str]:
    """Return `tags` with the caller's state as far as it can be told, and its source. Repeating it changes nothing.

    Sets `state`, or `state_candidates` where the area code lies in several; `state_source` is stated, zip or
    area_code, and missing when nothing is known.
    """
    rest = {key: value for key, value in tags.items() if key not in _STATE_TAGS}
    source = tags.get(STATE_SOURCE_TAG, STATED)
    stated = state_code(tags.get(STATE_TAG, "")) if source == STATED else None
    if stated is not None:
        return {**rest, STATE_TAG: stated, STATE_SOURCE_TAG: STATED}
    of_zip = state_of_zip(tags.get(ZIP_TAG, ""), zip_codes)
    if of_zip is not None:
        return {**rest, STATE_TAG: of_zip, STATE_SOURCE_TAG: ZIP_CODE}
    states = states_of_area_code(caller or "", area_codes)
    if not states:
        return rest
    place = {STATE_TAG: states[0]} if len(states) == 1 else {STATE_CANDIDATES_TAG: "-".join(states)}
    return {**rest, **place, STATE_SOURCE_TAG: AREA_CODE}


def told_of_caller(by_publisher: Mapping[str, str], by_caller: Mapping[str, str]) -> dict[str, str]:
    """Return both together; what the caller said counts, and a state that was only guessed does not."""
    if by_caller.get(STATE_SOURCE_TAG, STATED) == STATED:
        return {**by_publisher, **by_caller}
    return {**by_publisher, **{key: value for key, value in by_caller.items() if key not in _STATE_TAGS}}


_STATE_TAGS = (STATE_TAG, STATE_SOURCE_TAG, STATE_CANDIDATES_TAG)


def state_code(text: str) -> str | None:
    """Read a state by its code or its name, in any case; None when it is none of ours and no territory."""
    plain = text.strip()
    code = plain.upper()
    if code in STATES or code in TERRITORIES:
        return code
    return _STATES_BY_NAME.get(plain.casefold())
