"""Keys of machines that are in force, by digest, in this process's memory: a flood of wrong ones asks no database.

The list is read again when somebody comes with a key that is not in it, once in SPACING_SECONDS at most: a new key
opens that soon. Nobody waits for it: anyone who floods with wrong keys would hold what real ones need. A key that is
revoked is still in the list for a while: anyone who asks looks it up in the database.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from router.snapshot import DATABASE_FAULTS
from web.api.rate import Rate
from web.counted_address import counted_as

log = logging.getLogger(__name__)

SPACING_SECONDS = 0.5
OLD_SECONDS = 5.0
"""An older list is read again even for an address that guesses: a new key may come from there too."""
GUESSES_FREE = 20
"""Unknown keys of one address (IPv6: /64) before it is slowed to GUESSES_PER_SECOND; known keys are never slowed."""
GUESSES_PER_SECOND = 0.5
SAY_EVERY_SECONDS = 10.0

Load = Callable[[], Awaitable[frozenset[bytes]]]


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """No such key. `wait_seconds` above 0: this address has guessed so often that it has to wait."""

    wait_seconds: int = 0


NO_KEY = Unknown()


class KnownKeys:
    """`load` returns the digests of all keys in force, and raises what the database raises."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._digests: frozenset[bytes] = frozenset()
        self._read_at = float("-inf")
        self._fault: Exception | None = None
        self._reading = asyncio.Lock()
        self._guesses = Rate(per_second=GUESSES_PER_SECOND, burst=GUESSES_FREE)
        self._said_at = float("-inf")

    async def refusal(self, digest: bytes, address: str) -> Unknown | None:
        """Return None for a key in force, or that it is unknown. Raises what the database raises."""
        if digest in self._digests:
            return None
        who = counted_as(address)
        wait = self._guesses.seconds_until_one(who, time.monotonic())
        if wait and time.monotonic() - self._read_at < OLD_SECONDS:
            self._say(who)
            return Unknown(wait_seconds=wait)
        await self._read_again(time.monotonic())
        if digest in self._digests:
            return None
        # Counted only now: a key that was new to us is no guess.
        self._guesses.seconds_to_wait(who, time.monotonic())
        return Unknown()

    async def _read_again(self, asked_at: float) -> None:
        """Have a list that is at most SPACING_SECONDS old; everybody who comes meanwhile waits for the same one."""
        async with self._reading:
            if asked_at - self._read_at >= SPACING_SECONDS:
                self._read_at, self._fault = time.monotonic(), None
                try:
                    self._digests = await self._load()
                except DATABASE_FAULTS as fault:
                    self._fault = fault
            if self._fault is not None:
                raise self._fault

    def _say(self, who: str) -> None:
        now = time.monotonic()
        if now - self._said_at >= SAY_EVERY_SECONDS:
            self._said_at = now
            log.warning("keys are guessed from %s", who)
