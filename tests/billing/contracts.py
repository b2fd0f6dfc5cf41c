"""Contracts that tests are written about."""

from __future__ import annotations

from typing import Any

from billing.check_terms import checked_terms
from billing.terms_document import Party, TermsDocument


def contract(**said: Any) -> dict[str, Any]:
    """Return terms as JSON; what is not said is a plain 45 dollars from 90 seconds on, rounded to cents."""
    return {
        "currency": "USD",
        "time_zone": "America/New_York",
        "rounding": {"to": "0.01", "mode": "half_up"},
        "rules": [{"name": "base", "minimum_connected_seconds": 90, "price": "45.00"}],
        **said,
    }


def payout(price: Any, **said: Any) -> dict[str, Any]:
    """Return a publisher's terms of one rule."""
    return contract(**{"rules": [{"name": "base", "price": price}], **said})


def buyer(**said: Any) -> TermsDocument:
    return checked_terms(contract(**said), Party.BUYER)


def publisher(price: Any, **said: Any) -> TermsDocument:
    return checked_terms(payout(price, **said), Party.PUBLISHER)
