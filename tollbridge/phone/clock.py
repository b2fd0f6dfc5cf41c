"""The telephone's clock: epoch milliseconds, as SIPp writes them too."""

from __future__ import annotations

import time


def now_ms() -> float:
    """Return epoch milliseconds with microseconds behind the point."""
    return time.time_ns() / 1_000_000
