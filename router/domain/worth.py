"""What a bid is worth: its amount times the chance that a call of this target lasts as long as the bid demands. Pure.

The chance is counted from the last calls that the target was handed (`Lasted`), and from PRIOR_CALLS made-up ones of
which few last long: a long minimum is believed when the target's calls have shown it, and a call it did not take counts
as one that lasted no time. All in integers, so that it can be done again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from rules.money import MICROS_PER_CENT, format_dollars

THRESHOLDS_SECONDS = (0, 10, 20, 30, 45, 60, 75, 90, 120, 150, 180, 240, 300, 600, 900, 1800, 3600)
"""Lengths that are counted; 0: it was connected at all. A minimum in between counts as the next
longer one: nobody gains by a second."""
CALLS_COUNTED = 200
"""A target's newest calls: older ones are forgotten, so that nobody lives on what was once."""
PRIOR_CALLS = 20
_UNIT = 1000
_PRIOR = (
    20_000, 20_000, 17_000, 15_500, 14_000, 12_000, 10_000, 9_000, 8_000,
    6_500, 5_500, 4_500, 3_000, 2_000, 400, 200, 60, 20,
)  # fmt: skip
"""Of PRIOR_CALLS, in thousandths of a call: all, and how many reach each threshold."""

Lasted: TypeAlias = Sequence[int]
"""How many calls a target was handed, and how many of them reached each threshold; empty: none is known."""
NOTHING_KNOWN: Lasted = ()

DEFAULT_HIGHEST_BID_MICROS = 1_000_000_000
DEFAULT_LONGEST_MINIMUM_SECONDS = 600


@dataclass(frozen=True, kw_only=True, slots=True)
class Ceilings:
    """The highest bid and the longest minimum that are allowed; None: no ceiling here."""

    highest_bid_micros: int | None = None
    longest_minimum_seconds: int | None = None

    def problem(self, bid_micros: int, minimum_ms: int | None) -> str:
        """Return which ceiling a bid passes, for people; empty when none."""
        highest, longest = self.highest_bid_micros, self.longest_minimum_seconds
        if highest is not None and bid_micros > highest:
            return f"a bid of {format_dollars(bid_micros)} is above its ceiling of {format_dollars(highest)}"
        if longest is not None and minimum_ms is not None and minimum_ms > longest * 1000:
            return f"a minimum of {minimum_ms / 1000:,g} s is above its ceiling of {longest:,} s"
        return ""


NO_CEILINGS = Ceilings()


class Worth(NamedTuple):
    """What a bid counts for, and what that was counted from. A tuple: fifty are made while a caller waits."""

    micros: int
    seconds: int = 0
    """The threshold its minimum was counted at; 0: any connected call is paid."""
    lasted: int = 0
    """Of the target's newest calls, those that reached it."""
    calls: int = 0

    @property
    def words(self) -> str:
        """Say in plain words what the bid is worth, and why; empty when it is worth what it says."""
        if not self.seconds and self.lasted == self.calls:
            return ""
        amount = format_dollars(self.micros - self.micros % MICROS_PER_CENT)
        became = f"lasted {self.seconds:,} s" if self.seconds else "were answered"
        if self.calls:
            return f"worth {amount}: {self.lasted} of its last {self.calls} calls {became}"
        percent = _PRIOR[_place(self.seconds * 1000)] / 200
        return (
            f"worth {amount}: it has had no calls yet, and {percent:g} in 100 are expected to last"
            f" {self.seconds:,} s"
        )


def worth_of(bid_micros: int, minimum_ms: int, lasted: Lasted = NOTHING_KNOWN) -> Worth:
    """Return what a bid is worth, rounded down to millionths of a dollar. A longer minimum is never worth more."""
    place = _place(minimum_ms)
    reached, calls = (lasted[place], lasted[0]) if lasted else (0, 0)
    micros = bid_micros * (_PRIOR[place] + _UNIT * reached) // (_UNIT * (PRIOR_CALLS + calls))
    return Worth(micros, THRESHOLDS_SECONDS[place - 1], reached, calls)


@lru_cache(maxsize=4096)
def _place(minimum_ms: int) -> int:
    """Return where a minimum is counted: its threshold's number from 1."""
    return min(bisect_left(THRESHOLDS_SECONDS, -(-max(0, minimum_ms) // 1000)) + 1, len(THRESHOLDS_SECONDS))
