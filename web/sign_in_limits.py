"""How many wrong passwords, codes and questions for a link are too many. Pure.

Three counts stand side by side: a person who mistypes is slowed on their own; one address that tries many
accounts is slowed; and many addresses that try one account are slowed too, late enough that a stranger does
not easily lock the owner out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

WINDOW = timedelta(minutes=15)
"""Wrong passwords older than this are forgotten, and a lock-out lasts as long."""

COUNTER_PREFIX = "sign_in_failures"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A counter's name and how many attempts it bears within WINDOW."""

    counter: str
    maximum: int


def limits_for(*, email: str, address: str) -> tuple[Limit, Limit, Limit]:
    """Return the counters of one attempt: this person from here, this person, from here."""
    return (
        Limit(counter=_counter("both", email, address), maximum=5),
        Limit(counter=_counter("email", email), maximum=50),
        Limit(counter=_counter("address", address), maximum=30),
    )


def second_factor_limit(user_id: int) -> Limit:
    """Return the counter of wrong codes: only who knows the password gets as far, so it is one, and a strict one.

    Of a million codes three are right at a time: five tries each 15 minutes need sixteen months for an even chance.
    """
    return Limit(counter=_counter("second", str(user_id)), maximum=5)


def forgotten_limits(*, email: str, address: str) -> tuple[Limit, Limit]:
    """Return the counters of "forgot password": mails to one person, and questions from one address."""
    return (
        Limit(counter=_counter("forgotten email", email), maximum=3),
        Limit(counter=_counter("forgotten address", address), maximum=10),
    )


def link_limit(address: str) -> Limit:
    """Return the counter of links that open nothing."""
    return Limit(counter=_counter("link", address), maximum=30)


def passkey_limit(address: str) -> Limit:
    """Return the counter of passkeys asked for or refused."""
    return Limit(counter=_counter("passkey", address), maximum=60)


def directory_limit(address: str) -> Limit:
    """Return the counter of sign-ins by the directory that were begun from one address and not finished."""
    return Limit(counter=_counter("directory", address), maximum=60)


def _counter(kind: str, *parts: str) -> str:
    # A digest keeps what strangers type out of names and bounds its length.
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{COUNTER_PREFIX}:{kind}:{digest}"
