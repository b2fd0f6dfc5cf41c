"""When a bidder is rested: too many late or invalid answers (FACTS 10). Pure; times are epoch ms.

A bidder is rested when more than 15 % of at least 20 answers of its window failed. After its rest one question goes
through (half-open): a good answer brings it back, a bad one rests it twice as long.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

WINDOW_MS = 60_000
LEAST_ASKED = 20
MOST_FAILED_PERCENT = 15
FIRST_REST_MS = 30_000
LONGEST_REST_MS = 600_000
PROBE_MS = 10_000
"""A probe of which nothing was heard is forgotten after this, and another may go."""


class Admission(Enum):
    """Whether a bidder is asked."""

    OPEN = auto()
    PROBE = auto()
    RESTED = auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """What one bidder's answers have been like."""

    window_started_ms: int = 0
    asked: int = 0
    failed: int = 0
    rested_until_ms: int | None = None
    """None: well. In the past: to be probed."""
    rests: int = 0
    """In a row."""
    probed_ms: int | None = None
    """When the probe that is on its way was sent."""


WELL = Health()


def admitted(health: Health, now_ms: int) -> tuple[Health, Admission]:
    """Return whether the bidder may be asked now, and its health after that."""
    if health.rested_until_ms is None:
        return health, Admission.OPEN
    probe_is_out = health.probed_ms is not None and now_ms - health.probed_ms < PROBE_MS
    if now_ms < health.rested_until_ms or probe_is_out:
        return health, Admission.RESTED
    return replace(health, probed_ms=now_ms), Admission.PROBE


def noted(health: Health, now_ms: int, *, failed: bool, probe: bool = False) -> Health:
    """Return the health after one answer, or after its deadline passed without one."""
    if health.rested_until_ms is not None:
        if not probe:  # was asked before the rest began
            return health
        return _rested(health, now_ms) if failed else Health(window_started_ms=now_ms, rests=health.rests)
    health = _rolled(health, now_ms)
    # Spelled out: dataclasses.replace takes ten times as long, and fifty bidders are noted while a caller waits.
    health = Health(
        window_started_ms=health.window_started_ms,
        asked=health.asked + 1,
        failed=health.failed + failed,
        rests=health.rests,
    )
    if health.asked >= LEAST_ASKED and health.failed * 100 > health.asked * MOST_FAILED_PERCENT:
        return _rested(health, now_ms)
    return health


def _rolled(health: Health, now_ms: int) -> Health:
    """Begin a new window where the old one is over; what it held counts half, so that no failure is lost at once."""
    age_ms = now_ms - health.window_started_ms
    if age_ms < WINDOW_MS:
        return health
    if age_ms >= 2 * WINDOW_MS:
        return Health(window_started_ms=now_ms)
    # A whole window without a rest: the next one begins with the short rest again.
    return replace(
        health, window_started_ms=now_ms, asked=health.asked // 2, failed=health.failed // 2, rests=0
    )


def _rested(health: Health, now_ms: int) -> Health:
    rest_ms = min(FIRST_REST_MS << health.rests, LONGEST_REST_MS)
    return Health(
        window_started_ms=now_ms,
        rested_until_ms=now_ms + rest_ms,
        rests=min(health.rests + 1, 10),
        probed_ms=None,
    )
