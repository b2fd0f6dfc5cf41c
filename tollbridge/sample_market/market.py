"""What a small market consists of. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

LOAN_TYPES = ("refinance", "purchase", "home_equity", "reverse")
ALWAYS_OPEN: Mapping[str, Any] = {
    "time_zone": "America/Los_Angeles",
    "ranges": [{"days": [0, 1, 2, 3, 4, 5, 6], "from": "00:00", "to": "24:00"}],
}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
"""Terms of a sample market have always been live."""


@dataclass(frozen=True, kw_only=True)
class SampleTarget:
    """A desk of a buyer. Lower `priority` is offered first."""

    name: str
    sip_uri: str
    priority: int
    loan_types: tuple[str, ...] = LOAN_TYPES
    schedule: Mapping[str, Any] = field(default_factory=lambda: ALWAYS_OPEN)
    concurrency_cap: int = 5
    ring_timeout_seconds: int = 20
    enabled: bool = True
    press_to_accept: bool = False
    whisper_text: str | None = None
    recovery_seconds: int | None = None


@dataclass(frozen=True, kw_only=True)
class SampleBuyer:
    """A buyer with a licence for each of `states` and `products`, and one price."""

    name: str
    nmls_id: str
    states: tuple[str, ...]
    targets: tuple[SampleTarget, ...]
    products: tuple[str, ...] = LOAN_TYPES
    price_micros: int = 85_000_000
    minimum_connected_ms: int = 2_000
    licensed_from: date = date(2020, 1, 1)
    licensed_to: date | None = None


@dataclass(frozen=True, kw_only=True)
class SampleTrunk:
    name: str = "loopback"
    carrier_name: str = "Loopback Telecom"
    addresses: tuple[str, ...] = ("127.0.0.1",)
    cost_per_minute_micros: int = 9_000


@dataclass(frozen=True, kw_only=True)
class SampleMarket:
    """One campaign with one tracking number of one publisher, its flow and its buyers."""

    campaign: str
    number: str
    flow_name: str
    flow: Mapping[str, Any]
    buyers: tuple[SampleBuyer, ...]
    publisher: str = "Rate Compare Media"
    payout_micros: int = 60_000_000
    duplicate_window_seconds: int = 30 * 24 * 3600
    maximum_attempts: int = 5
    trunk: SampleTrunk = SampleTrunk()
    simultaneous: int = 1
    """Targets that ring at once."""
    no_buyer: Mapping[str, Any] = field(default_factory=dict)
    """rules.no_buyer"""


@dataclass(frozen=True, kw_only=True)
class SeededMarket:
    """Ids of what was put into the database; targets and buyers by their names."""

    campaign_id: int
    publisher_id: int
    tracking_number_id: int
    buyer_ids: Mapping[str, int]
    target_ids: Mapping[str, int]
