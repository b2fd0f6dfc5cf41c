"""The market of the demo: one buyer takes the call, the others show each reason why one does not. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tollbridge.sample_market.market import SampleBuyer, SampleMarket, SampleTarget

NUMBER = "+18005550100"
SPEAKS = ("refinance", "california")
MINIMUM_CONNECTED_MS = 2_000
PRICE_MICROS = 85_000_000
GREETING = (
    "Golden State Home Loans, this is Joe. Thank you for holding. How much would you like to refinance?"
)


@dataclass(frozen=True, kw_only=True)
class DemoDesks:
    """SIP URIs of the two desks that are really there."""

    answering: str
    busy: str


def demo_market(desks: DemoDesks, flow: Mapping[str, Any], now: datetime) -> SampleMarket:
    """Return the market for a demo at `now` (aware): the closed desk is closed then."""
    return SampleMarket(
        campaign="Mortgage",
        number=NUMBER,
        flow_name="mortgage",
        flow=flow,
        buyers=(_buckeye(desks), _pacific(desks, now), _golden_state(desks)),
    )


def _buckeye(desks: DemoDesks) -> SampleBuyer:
    target = SampleTarget(name="Columbus desk", sip_uri=desks.answering, priority=1)
    return SampleBuyer(
        name="Buckeye Lending",
        nmls_id="900001",
        states=("OH", "MI", "IN"),
        targets=(target,),
        price_micros=110_000_000,
        minimum_connected_ms=MINIMUM_CONNECTED_MS,
    )


def _pacific(desks: DemoDesks, now: datetime) -> SampleBuyer:
    purchase = SampleTarget(
        name="Purchase desk", sip_uri=desks.answering, priority=2, loan_types=("purchase",)
    )
    night = SampleTarget(name="Night desk", sip_uri=desks.answering, priority=3, schedule=closed_at(now))
    busy = SampleTarget(name="San Diego desk", sip_uri=desks.busy, priority=4)
    return SampleBuyer(
        name="Pacific Mortgage Partners",
        nmls_id="900002",
        states=("CA", "NV", "OR"),
        targets=(purchase, night, busy),
        price_micros=95_000_000,
        minimum_connected_ms=MINIMUM_CONNECTED_MS,
    )


def _golden_state(desks: DemoDesks) -> SampleBuyer:
    target = SampleTarget(name="Sacramento desk", sip_uri=desks.answering, priority=5)
    return SampleBuyer(
        name="Golden State Home Loans",
        nmls_id="900003",
        states=("CA",),
        targets=(target,),
        price_micros=PRICE_MICROS,
        minimum_connected_ms=MINIMUM_CONNECTED_MS,
    )


def closed_at(now: datetime) -> Mapping[str, Any]:
    """Return hours that are half a week away from `now`: closed then in every time zone."""
    day = (now + timedelta(days=3)).weekday()
    return {
        "time_zone": "America/Los_Angeles",
        "ranges": [{"days": [day], "from": "22:00", "to": "23:00"}],
    }
