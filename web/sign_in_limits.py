"""How wrong passwords, codes and questions for a link slow down anyone who makes them. Pure.

Nobody is ever shut out: after some free tries each further one has to wait, longer each time, LONGEST_WAIT at most.
Three counts stand side by side: a person who mistypes from one place; one place that tries many accounts; and many
places that try one account. The last has no clock that strangers could keep running: it lengthens the wait of each
place by itself, so that anyone who knows the password gets in after one wait.

A device that its owner has signed in with before (web/known_devices.py) counts by itself: what others do, from the
same place too, does not slow it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from web.counted_address import counted_as
from web.known_devices import KnownDevice

FIRST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(hours=1)
"""Attempts are forgotten when none was made for so long."""

COUNTER_PREFIX = "sign_in_failures"
_DOUBLINGS_MOST = 32


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A counter's name and how many attempts it bears before each has to wait."""

    counter: str
    maximum: int
    is_account: bool = False
    """Wrong passwords for one account from everywhere: it is the place that waits, each its own time."""
    counts_others: bool = False
    """Other people's attempts are in it: a right password takes back its own attempt only."""


@dataclass(frozen=True, kw_only=True)
class Count:
    """So many attempts, the last one then; of none: since when somebody waits."""

    value: int
    last_at: datetime


def wait_after(attempts: int, maximum: int) -> timedelta:
    """Return how long the next attempt has to wait after so many, of which `maximum` are free."""
    over = attempts - maximum
    if over < 0:
        return timedelta(0)
    return min(FIRST_WAIT * (1 << min(over, _DOUBLINGS_MOST)), LONGEST_WAIT)


def seconds_to_wait(limits: Sequence[Limit], counts: Sequence[Count], now: datetime) -> int:
    """Return in how many seconds the next attempt may be made; 0: now. Both lists are in the same order."""
    return max((math.ceil(wait.total_seconds()) for wait in _waits(limits, counts, now)), default=0)


def _waits(limits: Sequence[Limit], counts: Sequence[Count], now: datetime) -> Iterator[timedelta]:
    place = next((c for lim, c in zip(limits, counts, strict=False) if not lim.counts_others), None)
    for limit, count in zip(limits, counts, strict=False):
        since = place.last_at if limit.is_account and place is not None else count.last_at
        yield max(since + wait_after(count.value, limit.maximum) - now, timedelta(0))


def limits_for(*, email: str, address: str) -> tuple[Limit, ...]:
    """Return the counters of one attempt: from here for anybody, this person from here, this person."""
    place = counted_as(address)
    return (
        Limit(counter=_counter("address", place), maximum=30, counts_others=True),
        Limit(counter=_counter("both", email, place), maximum=5),
        Limit(counter=_counter("email", email), maximum=50, is_account=True),
    )


def device_limits(device: KnownDevice) -> tuple[Limit, ...]:
    """Return the counter of wrong passwords from a device its owner has signed in with."""
    return (Limit(counter=_counter("device", device.id), maximum=5),)


def second_factor_limits(user_id: int, device: KnownDevice | None) -> tuple[Limit, ...]:
    """Return the counter of wrong codes: only who knows the password gets as far, so it is one, and a strict one.

    Of a million codes three are right at a time: five tries an hour need five years for an even chance. A device its
    owner has signed in with counts by itself.
    """
    who = ("second", str(user_id)) if device is None else ("second device", device.id)
    return (Limit(counter=_counter(*who), maximum=5),)


def recovery_code_limits(user_id: int, address: str) -> tuple[Limit, ...]:
    """Return the counter of wrong recovery codes: too long to be guessed, so that nobody elsewhere slows its owner."""
    return (Limit(counter=_counter("recovery", str(user_id), counted_as(address)), maximum=5),)


def forgotten_limits(*, email: str, address: str) -> tuple[Limit, Limit]:
    """Return the counters of "forgot password": mails to one person, and questions from one place."""
    return (
        Limit(counter=_counter("forgotten email", email), maximum=3),
        Limit(counter=_counter("forgotten address", counted_as(address)), maximum=10),
    )


def link_limit(address: str) -> Limit:
    """Return the counter of links that open nothing."""
    return Limit(counter=_counter("link", counted_as(address)), maximum=30)


def passkey_limit(address: str, device: KnownDevice | None) -> Limit:
    """Return the counter of passkeys asked for or refused."""
    if device is not None:
        return Limit(counter=_counter("passkey device", device.id), maximum=60)
    return Limit(counter=_counter("passkey", counted_as(address)), maximum=60, counts_others=True)


def directory_limit(address: str) -> Limit:
    """Return the counter of sign-ins by the directory that were begun from one address and not finished."""
    return Limit(counter=_counter("directory", counted_as(address)), maximum=60)


def _counter(kind: str, *parts: str) -> str:
    # A digest keeps what strangers type out of names and bounds its length.
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{COUNTER_PREFIX}:{kind}:{digest}"
