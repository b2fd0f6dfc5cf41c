"""Which licences end soon: whoever sells calls wants to know while there is time to renew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from router.domain.market import ACTIVE, Licence

WARNING_DAYS = (60, 30, 7)
"""A licence that ends in so many days or fewer is warned of, each time more urgently."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldLicence:
    """A licence with whose it is, as warnings name it."""

    buyer: str
    licence: Licence


@dataclass(frozen=True, kw_only=True, slots=True)
class Expiring:
    """A licence that ends soon, or has ended, and that no other carries on."""

    buyer: str
    licence: Licence
    days_left: int
    """Days after today on which it still holds; negative when it has ended."""
    urgency: int
    """The smallest of WARNING_DAYS it is within; 0 when it has ended."""


def find_expiring(held: Iterable[HeldLicence], day: date, within_days: int) -> tuple[Expiring, ...]:
    """Return the active licences that end within so many days after `day`, most urgent first.

    One that ended no longer ago than that is among them. A licence that another of the same licensee, state and
    product carries on without a gap is not.
    """
    chains: dict[tuple[object, ...], list[HeldLicence]] = {}
    for one in held:
        if one.licence.status == ACTIVE:
            chains.setdefault(_licensee(one), []).append(one)
    found: list[Expiring] = []
    for chain in chains.values():
        last = _last_of_chain(chain, day)
        valid_to = None if last is None else last.licence.valid_to
        if last is None or valid_to is None or abs(days_left(valid_to, day)) > within_days:
            continue
        left = days_left(valid_to, day)
        urgency = (
            0 if left < 0 else min((limit for limit in WARNING_DAYS if left <= limit), default=within_days)
        )
        found.append(Expiring(buyer=last.buyer, licence=last.licence, days_left=left, urgency=urgency))
    return tuple(sorted(found, key=lambda one: (one.days_left, one.buyer, one.licence.id)))


def days_left(valid_to: date, day: date) -> int:
    """Return how many days after `day` a licence still holds; negative when it has ended."""
    return (valid_to - day).days


def _licensee(one: HeldLicence) -> tuple[object, ...]:
    licence = one.licence
    return one.buyer, licence.nmls_id, licence.officer_nmls_id, licence.state, licence.product


def _last_of_chain(chain: Sequence[HeldLicence], day: date) -> HeldLicence | None:
    """Return the licence with which an unbroken chain of those begun by `day` ends; None when none has begun."""
    last: HeldLicence | None = None
    for one in sorted(chain, key=lambda each: each.licence.valid_from):
        end = None if last is None else last.licence.valid_to
        if last is None:
            if one.licence.valid_from <= day:
                last = one
        elif end is None:
            break
        elif one.licence.valid_from <= max(end + timedelta(days=1), day) and _ends_later(one, end):
            last = one
    return last


def _ends_later(one: HeldLicence, end: date) -> bool:
    return one.licence.valid_to is None or one.licence.valid_to > end
