"""Browsers that somebody has signed in with before, known by a signed cookie. It opens nothing.

It only says that this browser is no stranger to this person: wrong passwords of others do not slow it
(web/sign_in_limits.py). Bound to the person and to their password: a new password forgets all of them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiohttp import web

from store.key_ring import KeyRing, key_ring

DEVICE_COOKIE = "tollbridge_device"
DEVICE_LIFETIME = timedelta(days=180)
"""Since the last sign-in."""
COOKIE_CHARACTERS_MAXIMUM = 300


@dataclass(frozen=True, kw_only=True)
class KnownDevice:
    """A browser, whose it is, and a mark of the password that was right then."""

    id: str
    user_id: int
    mark: str

    def is_of(self, user_id: int, password_hash: str) -> bool:
        return self.user_id == user_id and hmac.compare_digest(self.mark, mark_of(password_hash))


class KnownDevices:
    """Writes and reads the cookie, signed by the index key of a ring, this process' own without another."""

    def __init__(self, ring: Callable[[], KeyRing] = key_ring) -> None:
        self._ring = ring

    def write(self, user_id: int, password_hash: str, now: datetime, *, before: KnownDevice | None) -> str:
        """Return the cookie of somebody who has just signed in; a device that was theirs before stays the same."""
        same = before is not None and before.user_id == user_id
        device_id = before.id if before is not None and same else secrets.token_hex(8)
        said = f"{user_id}.{device_id}.{int(now.timestamp())}.{mark_of(password_hash)}"
        return f"{said}.{self._signature(said)}"

    def read(self, cookie: str, now: datetime) -> KnownDevice | None:
        """Return the device of a cookie that we wrote, and not too long ago."""
        said, _, signature = cookie.rpartition(".")
        if len(cookie) > COOKIE_CHARACTERS_MAXIMUM or not cookie.isascii():
            return None
        if not hmac.compare_digest(signature, self._signature(said)):
            return None
        user_id, device_id, since, mark = said.split(".")
        if now - datetime.fromtimestamp(int(since), UTC) > DEVICE_LIFETIME:
            return None
        return KnownDevice(id=device_id, user_id=int(user_id), mark=mark)

    def _signature(self, said: str) -> str:
        return self._ring().blind("known device", said).hex()


def mark_of(password_hash: str) -> str:
    """Return what tells one password hash from another: its salt makes it unguessable, so a plain digest will do."""
    return hashlib.sha256(b"device " + password_hash.encode()).hexdigest()[:32]


DEVICES: web.AppKey[KnownDevices] = web.AppKey("known_devices", KnownDevices)
