"""How often one person or address may ask: a bucket each, in this process's memory. Pure but for what it remembers."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable

from aiohttp import web

PER_SECOND = 20.0
BURST = 200.0
PEOPLE_MAXIMUM = 10_000


class Rate:
    """Buckets that fill with PER_SECOND requests up to BURST. The person longest unheard of is forgotten first."""

    def __init__(self, per_second: float = PER_SECOND, burst: float = BURST) -> None:
        self._per_second, self._burst = per_second, burst
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def seconds_to_wait(self, who: Hashable, now: float) -> int:
        """Take one request out of the bucket: 0, or in how many seconds there is one again."""
        wait = self.seconds_until_one(who, now)
        self._buckets[who] = (self._level(who, now) - (not wait), now)
        self._buckets.move_to_end(who)
        while len(self._buckets) > PEOPLE_MAXIMUM:
            self._buckets.popitem(last=False)
        return wait

    def seconds_until_one(self, who: Hashable, now: float) -> int:
        """Return what `seconds_to_wait` would, and take nothing."""
        level = self._level(who, now)
        return 0 if level >= 1 else math.ceil((1 - level) / self._per_second)

    def _level(self, who: Hashable, now: float) -> float:
        level, at = self._buckets.get(who, (self._burst, now))
        return min(self._burst, level + max(0.0, now - at) * self._per_second)


RATE: web.AppKey[Rate] = web.AppKey("api_rate", Rate)
