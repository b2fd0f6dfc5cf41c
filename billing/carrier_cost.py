"""What others take of a call: the carriers by the minute, and the platform its fee. Pure.

Increments are written as the trade does, minimum/increment in seconds: 60/60, 30/6, 6/6, 1/1.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from rules.money import divide_half_up


@dataclass(frozen=True, kw_only=True)
class CarrierTerms:
    """What the carrier of a trunk takes: whole seconds, at least the minimum, then whole increments."""

    carrier_name: str
    cost_per_minute_micros: int
    increment_seconds: int
    minimum_seconds: int


@dataclass(frozen=True, kw_only=True)
class PlatformFee:
    """What the platform itself takes of a converted call."""

    fixed_micros: int = 0
    share_ppm: int = 0
    """Of the revenue, in millionths."""


NO_FEE = PlatformFee()


def carrier_cost_micros(terms: CarrierTerms | None, carrier_ms: int | None) -> int:
    """Return what the carrier takes for a leg: started seconds, minimum, then started increments.

    Nothing for a leg that was never answered (`carrier_ms` is None). Rounded once, half up, to whole micros.
    """
    if terms is None or carrier_ms is None:
        return 0
    return divide_half_up(terms.cost_per_minute_micros * billed_seconds(terms, carrier_ms), 60)


def billed_seconds(terms: CarrierTerms, carrier_ms: int) -> int:
    """Return the seconds that the carrier bills for."""
    seconds = max(-(-carrier_ms // 1000), 0)
    beyond = max(0, seconds - terms.minimum_seconds)
    return terms.minimum_seconds + -(-beyond // terms.increment_seconds) * terms.increment_seconds


def outbound_costs(legs: Iterable[tuple[CarrierTerms | None, int]]) -> dict[str, int]:
    """Return what each carrier takes for the answered legs that we dialled: (terms of its trunk, connected ms)."""
    costs: dict[str, int] = {}
    for terms, connected_ms in legs:
        if terms is not None and (cost := carrier_cost_micros(terms, connected_ms)):
            costs[terms.carrier_name] = costs.get(terms.carrier_name, 0) + cost
    return costs


def platform_fee_micros(fee: PlatformFee, revenue_micros: int) -> int:
    """Return the fee of a call; nothing of one that earned nothing. Rounded once, half up."""
    if revenue_micros <= 0:
        return 0
    return fee.fixed_micros + divide_half_up(revenue_micros * fee.share_ppm, 1_000_000)


def months_of(rented_from: dt.date, rented_to: dt.date | None, until: dt.date) -> list[dt.date]:
    """Return the first days of the months that a number is paid for: each month begun, those after `until` not yet.

    A number given back on the first of a month is not paid for that month.
    """
    last = until if rented_to is None else min(until, rented_to - dt.timedelta(days=1))
    months, month = [], rented_from.replace(day=1)
    while month <= last and rented_from <= last:
        months.append(month)
        month = (month + dt.timedelta(days=32)).replace(day=1)
    return months
