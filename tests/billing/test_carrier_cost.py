"""What carriers take, by the increments they bill in; the numbers are written by hand."""

from __future__ import annotations

import datetime as dt

import pytest

from billing.carrier_cost import (
    CarrierTerms,
    PlatformFee,
    carrier_cost_micros,
    months_of,
    outbound_costs,
    platform_fee_micros,
)


@pytest.mark.parametrize(
    ("increment", "minimum", "carrier_ms", "cost_micros"),
    [
        # 0.006 $ a minute = 100 micros a second
        (6, 6, 0, 600),
        (6, 6, 1, 600),
        (6, 6, 6_000, 600),
        (6, 6, 6_001, 1_200),
        (6, 6, 12_000, 1_200),
        (60, 60, 60_001, 12_000),
        (1, 1, 108_005, 10_900),
        (6, 30, 31_000, 3_600),
        (1, 0, 0, 0),
    ],
)
def test_carrier_cost(increment: int, minimum: int, carrier_ms: int, cost_micros: int) -> None:
    carrier = CarrierTerms(
        carrier_name="c", cost_per_minute_micros=6_000, increment_seconds=increment, minimum_seconds=minimum
    )
    assert carrier_cost_micros(carrier, carrier_ms) == cost_micros


def test_carrier_cost_is_rounded_once_half_up() -> None:
    one_second = CarrierTerms(
        carrier_name="c", cost_per_minute_micros=90, increment_seconds=1, minimum_seconds=1
    )
    assert carrier_cost_micros(one_second, 1_000) == 2  # 1.5
    assert carrier_cost_micros(None, 60_000) == 0
    assert carrier_cost_micros(one_second, None) == 0


def test_each_carrier_bills_the_legs_dialled_over_its_trunk() -> None:
    north = CarrierTerms(
        carrier_name="North", cost_per_minute_micros=6_000, increment_seconds=60, minimum_seconds=60
    )
    south = CarrierTerms(
        carrier_name="South", cost_per_minute_micros=6_000, increment_seconds=1, minimum_seconds=1
    )
    assert outbound_costs([(north, 61_000), (north, 1), (south, 10_000), (None, 99_000)]) == {
        "North": 18_000,
        "South": 1_000,
    }


@pytest.mark.parametrize(
    ("fee", "revenue_micros", "taken_micros"),
    [
        (PlatformFee(fixed_micros=50_000), 45_000_000, 50_000),
        (PlatformFee(share_ppm=25_000), 45_000_000, 1_125_000),
        (PlatformFee(fixed_micros=50_000, share_ppm=25_000), 0, 0),
        (PlatformFee(share_ppm=500_000), 1, 1),
    ],
)
def test_the_platforms_own_fee(fee: PlatformFee, revenue_micros: int, taken_micros: int) -> None:
    assert platform_fee_micros(fee, revenue_micros) == taken_micros


@pytest.mark.parametrize(
    ("rented_from", "rented_to", "until", "months"),
    [
        ("2026-01-31", None, "2026-03-01", ["2026-01-01", "2026-02-01", "2026-03-01"]),
        ("2026-01-31", "2026-03-01", "2026-12-31", ["2026-01-01", "2026-02-01"]),
        ("2026-01-31", "2026-03-02", "2026-12-31", ["2026-01-01", "2026-02-01", "2026-03-01"]),
        ("2026-02-01", "2026-02-01", "2026-12-31", []),
        ("2026-12-15", None, "2027-01-01", ["2026-12-01", "2027-01-01"]),
        ("2026-12-15", None, "2026-12-14", []),
    ],
)
def test_a_number_is_paid_for_every_month_begun(
    rented_from: str, rented_to: str | None, until: str, months: list[str]
) -> None:
    day = dt.date.fromisoformat
    found = months_of(day(rented_from), None if rented_to is None else day(rented_to), day(until))
    assert found == [day(month) for month in months]
