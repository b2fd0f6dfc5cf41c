"""How often one person may ask: a bucket each, in this process's memory. Pure but for what it remembers."""

from __future__ import annotations

import math
from collections import OrderedDict

from aiohttp import web

PER_SECOND = 20.0
BURST = 200.0
PEOPLE_MAXIMUM = 10_000


class Rate:
    """Buckets that fill with PER_SECOND requests up to BURST. The person longest unheard of is forgotten first."""

    def __init__(self, per_second: float = PER_SECOND, burst: float = BURST) -> None:
        self._per_second, self._burst = per_second, burst
        self._buckets: OrderedDict[int, tuple[float, float]] = OrderedDict()

    def seconds_to_wait(self, user_id: int, now: float) -> int:
        """Take one request out of the bucket: 0, or in how many seconds there is one again."""
        level, at = self._buckets.pop(user_id, (self._burst, now))
        level = min(self._burst, level + max(0.0, now - at) * self._per_second)
        if level < 1:
            self._buckets[user_id] = (level, now)
            return math.ceil((1 - level) / self._per_second)
        self._buckets[user_id] = (level - 1, now)
        while len(self._buckets) > PEOPLE_MAXIMUM:
            self._buckets.popitem(last=False)
        return 0


RATE: web.AppKey[Rate] = web.AppKey("api_rate", Rate)
