"""Passwords: how long they are, and their argon2id hashes, made off the event loop."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

T = TypeVar("T")

PASSWORD_LENGTH_MINIMUM = 10
PASSWORD_LENGTH_MAXIMUM = 1024

# 64 MiB a hash (argon2-cffi's default): two at a time bound what a crowd at the door can cost.
_hashing = ThreadPoolExecutor(max_workers=2, thread_name_prefix="password")
_hasher = PasswordHasher()


def is_password(text: str) -> bool:
    """Tell whether this may become a password: long enough, and something that can be hashed."""
    if not PASSWORD_LENGTH_MINIMUM <= len(text) <= PASSWORD_LENGTH_MAXIMUM:
        return False
    # Half of a surrogate pair cannot be spelled in UTF-8.
    return not any("\ud800" <= character <= "\udfff" for character in text)


async def hash_of(password: str) -> str:
    return await _in_thread(_hasher.hash, password)


async def is_right(password_hash: str | None, password: str) -> bool:
    """Tell whether this is the password of the hash. Of nobody's hash (None, or an empty one) none is, as slowly."""
    return await _in_thread(_is_right, password_hash, password)


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


async def _in_thread(function: Callable[..., T], *arguments: object) -> T:
    return await asyncio.get_running_loop().run_in_executor(_hashing, function, *arguments)
