"""May this buyer talk to this caller about this loan, in this state, on this day?

Mortgages are originated only where the originator is licensed (S.A.F.E. Act; NMLS): the company, and, where a buyer
lists its loan officers, one of them as well. What the caller did not say is never guessed in the buyer's favour:
every loan type and every state that is possible has to be covered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from router.domain.decision import (
    DISAGREE,
    LOAN_TYPE_TAG,
    STATE_CANDIDATES_TAG,
    STATE_SOURCE_TAG,
    STATE_TAG,
)
from router.domain.market import ACTIVE, LOAN_TYPES, Licence
from rules.places import STATE_CODES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    BuyerLicences: TypeAlias = Mapping[tuple[str, str], tuple[Licence, ...]]

STATUSES = (ACTIVE, "pending", "inactive", "suspended", "revoked", "surrendered", "expired")
"""What a licence may be marked as; loans are made under an active one only."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """What a buyer has to be licensed for, and want, to be offered a call."""

    products: tuple[str, ...]
    states: tuple[str, ...]
    disagree: bool = False
    """Whether the states are what was told of the caller, and contradict each other: all are needed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """A licence that a buyer would need."""

    detail: str
    """For people."""
    officer: bool
    """Whether it is the loan officers' that is missing, not the company's."""


def need_of(tags: Mapping[str, str]) -> Need:
    """Return what the call needs: the stated loan and state, else every one that is possible."""
    loan_type = tags.get(LOAN_TYPE_TAG, "")
    state = tags.get(STATE_TAG, "")
    return Need(
        products=(loan_type,) if loan_type else LOAN_TYPES,
        states=(state,) if state else _candidates(tags) or STATE_CODES,
        disagree=not state and tags.get(STATE_SOURCE_TAG) == DISAGREE,
    )


def _candidates(tags: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted({code for code in tags.get(STATE_CANDIDATES_TAG, "").split("-") if code}))


def find_licences(
    held: BuyerLicences, need: Need, day: date, *, officers: bool = False
) -> tuple[Licence, ...] | Missing:
    """Return the licences in force on `day` for every state and product needed, or which is missing.

    With `officers`, each state and product needs a loan officer's as well as the company's.
    """
    found: list[Licence] = []
    kinds = (False, True) if officers else (False,)
    for state in need.states:
        for product in need.products:
            licences = held.get((state, product), ())
            for of_officer in kinds:
                # Of a caller whose state nobody knows these are two hundred: plain loops take half the time.
                for licence in licences:
                    if (licence.officer_nmls_id is not None) is of_officer and in_force(licence, day):
                        found.append(licence)
                        break
                else:
                    missing = _missing(licences, state, product, day, of_officer)
                    return _with_states_told(missing, need.states) if need.disagree else missing
    return tuple(found)


def _with_states_told(missing: Missing, states: Sequence[str]) -> Missing:
    told = f"{missing.detail}; the state and the ZIP code that were told disagree, so {' and '.join(states)} are needed"
    return replace(missing, detail=told)


def in_force(licence: Licence, day: date) -> bool:
    """Say whether loans may be made under `licence` on `day`; its first and last day count."""
    return (
        licence.status == ACTIVE
        and licence.valid_from <= day
        and (licence.valid_to is None or day <= licence.valid_to)
    )


def is_licensed(licences: Iterable[Licence], day: date, *, officers: bool) -> bool:
    """Say whether a buyer's licences for one state and product allow a call on `day` (find_licences in short)."""
    company = officer = False
    for licence in licences:
        if in_force(licence, day):
            if licence.officer_nmls_id is None:
                company = True
            else:
                officer = True
    return company and (officer or not officers)


def _missing(licences: Iterable[Licence], state: str, product: str, day: date, of_officer: bool) -> Missing:
    of_kind = [one for one in licences if (one.officer_nmls_id is not None) is of_officer]
    return Missing(detail=_describe_missing(of_kind, state, product, day, of_officer), officer=of_officer)


def _describe_missing(
    licences: Sequence[Licence], state: str, product: str, day: date, of_officer: bool
) -> str:
    if not licences:
        return f"no {'loan officer has a ' if of_officer else ''}licence for {product} in {state}"
    newest = licences[-1]
    whose = f" of {newest.officer_name or newest.officer_nmls_id}" if of_officer else ""
    named = f"licence {newest.officer_nmls_id or newest.nmls_id}{whose} for {product} in {state}"
    if newest.status != ACTIVE:
        return f"{named} is {newest.status}"
    if newest.valid_from > day:
        return f"{named} begins on {newest.valid_from}"
    return f"{named} ended on {newest.valid_to}"
