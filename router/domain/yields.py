"""What a call would bring if it came now: asked by whoever answers a publisher's ping, answered by contracts.

Contracts are read and judged above this room (billing); the answer is passed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class YieldAsked:
    """A call that a ping told of, and the target that would get it."""

    call_id: str
    """The reservation's id."""
    campaign_id: int
    publisher_id: int
    target_id: int
    dialled: str
    caller: str | None
    """E.164; None when the ping hid it."""
    tags: Mapping[str, str]
    at: datetime
    duplicate_window_seconds: int
    bid_micros: int | None = None
    """What the target bid in an auction; None: there was none."""
    bid_minimum_connected_ms: int | None = None
    billed: bool = True
    """False: a duplicate that is routed all the same and pays nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Yield:
    """What the buyer pays, and what the publisher's terms pay of that. Money in micros."""

    price_micros: int
    minimum_connected_ms: int
    """From this length on."""
    payout_micros: int
    """0 when the publisher has no terms."""
