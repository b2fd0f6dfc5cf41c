"""Passwords: how long they are, and their argon2id hashes, made off the event loop."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from web.plain_refusal import PlainRefusal

T = TypeVar("T")

PASSWORD_LENGTH_MINIMUM = 10
PASSWORD_LENGTH_MAXIMUM = 1024

RETRY_AFTER_SECONDS = 5


class PasswordsBusy(PlainRefusal):
    """So many passwords wait to be looked at that this one is not."""

    def __init__(self) -> None:
        super().__init__(
            503,
            "Too many people are signing in",
            f"Nothing was tried and nothing is counted. Try again in {RETRY_AFTER_SECONDS} seconds.",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        )


def _let_others_go_first() -> None:
    """A hash takes all it gets of the processor: pages go before it. Linux knows the niceness of a thread."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 15)


class Line:
    """So many hashes at once, and so many waiting: a crowd at the door costs no more memory and no more time."""

    def __init__(self, *, at_once: int, waiting: int) -> None:
        self._threads = ThreadPoolExecutor(
            max_workers=at_once, thread_name_prefix="password", initializer=_let_others_go_first
        )
        self._most = at_once + waiting
        self._inside = self._places = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place while the block runs: what it asks of the database is bounded too. Raises PasswordsBusy."""
        if self._places >= self._most:
            raise PasswordsBusy
        self._places += 1
        try:
            yield
        finally:
            self._places -= 1

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Raises PasswordsBusy."""
        if self._inside >= self._most:
            raise PasswordsBusy
        self._inside += 1
        work = asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
        # A hash that nobody waits for any more is made all the same, and takes its place until then.
        work.add_done_callback(self._leave)
        return await asyncio.shield(work)

    def _leave(self, work: asyncio.Future[T]) -> None:
        self._inside -= 1
        if not work.cancelled():
            work.exception()


# 64 MiB a hash (argon2-cffi's default), about 0.1 s each.
STRANGERS = Line(at_once=2, waiting=16)
"""Anyone who stands before the door."""
KNOWN = Line(at_once=1, waiting=8)
"""Who is inside, or comes with a device they have signed in with before: a crowd of strangers is not in their way."""
_hasher = PasswordHasher()


def is_password(text: str) -> bool:
    """Tell whether this may become a password: long enough, and something that can be hashed."""
    if not PASSWORD_LENGTH_MINIMUM <= len(text) <= PASSWORD_LENGTH_MAXIMUM:
        return False
    # Half of a surrogate pair cannot be spelled in UTF-8.
    return not any("\ud800" <= character <= "\udfff" for character in text)


async def hash_of(password: str) -> str:
    """Raises PasswordsBusy."""
    return await KNOWN.run(_hasher.hash, password)


async def is_right(password_hash: str | None, password: str, *, line: Line = STRANGERS) -> bool:
    """Tell whether this is the password of the hash. Of nobody's hash (None, or an empty one) none is, as slowly.

    Raises PasswordsBusy.
    """
    return await line.run(_is_right, password_hash, password)


@cache
def _nobodys_hash() -> str:
    """A hash nobody's password has: an unknown address must take as long as a known one."""
    return _hasher.hash(secrets.token_urlsafe(32))


def _is_right(password_hash: str | None, password: str) -> bool:
    if len(password) > PASSWORD_LENGTH_MAXIMUM:
        return False
    try:
        return _hasher.verify(password_hash or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError, UnicodeError):
        return False
