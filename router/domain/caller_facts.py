"""Where a caller lives, as far as it can be told, and how we know.

The state a caller lives in decides who may talk to them. The state and the ZIP code that were told go before the area
code of the number, which people keep when they move. Where the two name different states nobody guesses: both are
candidates, and a buyer has to be licensed in both. The tag `state_source` tells which it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from router.domain.decision import DISAGREE, STATE_CANDIDATES_TAG, STATE_SOURCE_TAG, STATE_TAG
from rules.places import STATES, states_of_area_code
from rules.zip_codes import TERRITORIES, state_of_zip

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

    Sets `state`, or `state_candidates` where there are several; `state_source` is stated, zip, disagree or area_code,
    and missing when nothing is known.
    """
    rest = {key: value for key, value in tags.items() if key not in _STATE_TAGS}
    source = tags.get(STATE_SOURCE_TAG, STATED)
    stated = state_code(tags.get(STATE_TAG, "")) if source in (STATED, DISAGREE) else None
    of_zip = state_of_zip(tags.get(ZIP_TAG, ""), zip_codes)
    told = {stated, of_zip, *(_told_before(tags) if source == DISAGREE else ())} - {None}
    if told:
        source = DISAGREE if len(told) > 1 else ZIP_CODE if stated is None and of_zip else STATED
        return {**rest, **_place(sorted(filter(None, told))), STATE_SOURCE_TAG: source}
    states = states_of_area_code(caller or "", area_codes)
    return {**rest, **_place(states), STATE_SOURCE_TAG: AREA_CODE} if states else rest


def _place(states: Sequence[str]) -> dict[str, str]:
    return {STATE_TAG: states[0]} if len(states) == 1 else {STATE_CANDIDATES_TAG: "-".join(states)}


def _told_before(tags: Mapping[str, str]) -> Iterator[str | None]:
    """The states that were found to disagree at an earlier step of the call."""
    return map(state_code, tags.get(STATE_CANDIDATES_TAG, "").split("-"))


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
