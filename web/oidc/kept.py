"""What is fetched now and then and kept meanwhile: asked for once by all who want it, and never in a hurry."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from web.oidc.failures import Failure, away

log = logging.getLogger(__name__)

FRESH_SECONDS = 3_600.0
STALE_SECONDS = 86_400.0
"""How long what was fetched counts while nothing newer can be had."""
PAUSE_SECONDS = 5.0
"""Between two tries at a provider that does not answer."""
NEWER_SECONDS = 60.0
"""Between two fetches that strangers can bring about: an unknown key in a token."""

T = TypeVar("T")


class Kept(Generic[T]):
    """One value. `fetch` returns it, or why it cannot be had."""

    def __init__(
        self, fetch: Callable[[], Awaitable[T | Failure]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = asyncio.Lock()
        self._value: T | None = None
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._failure: Failure = away("not asked yet")

    async def get(self, *, newer: bool = False) -> T | Failure:
        """Return the value. `newer`: what is kept is not enough, fetch it once more unless that was just now."""
        asked_at = self._clock()
        async with self._lock:
            now = self._clock()
            due = now - self._fetched_at >= FRESH_SECONDS
            # Who waited while somebody else fetched it has it newer already.
            wanted = newer and self._fetched_at < asked_at and now - self._tried_at >= NEWER_SECONDS
            if wanted or (due and now - self._tried_at >= PAUSE_SECONDS):
                await self._try()
            if self._value is not None and self._clock() - self._fetched_at < STALE_SECONDS:
                return self._value
            return self._failure

    async def _try(self) -> None:
        found = await self._fetch()
        self._tried_at = self._clock()
        if isinstance(found, Failure):
            self._failure = found
            log.warning("directory: %r", found.why)
        else:
            self._value, self._fetched_at = found, self._tried_at
