"""The tags everybody knows by one name, and of which kind each is: filters, flows and pings spell them so."""

from __future__ import annotations

from collections.abc import Mapping

from rules.fact_kinds import Kind

TAG_KINDS: Mapping[str, Kind] = {
    "loan_type": Kind.TEXT,
    "state": Kind.TEXT,
    "state_source": Kind.TEXT,
    "zip": Kind.TEXT,
    "credit": Kind.TEXT,
    "credit_band": Kind.TEXT,
    "credit_score": Kind.NUMBER,
    "loan_balance": Kind.MONEY,
    "loan_amount": Kind.MONEY,
    "home_value": Kind.MONEY,
    "equity": Kind.MONEY,
    "price": Kind.MONEY,
    "price_range": Kind.TEXT,
    "income": Kind.MONEY,
    "timeline": Kind.TEXT,
    "age": Kind.NUMBER,
    "veteran": Kind.YES_NO,
    "first_time_buyer": Kind.YES_NO,
    "property_type": Kind.TEXT,
    "property_use": Kind.TEXT,
    "source": Kind.TEXT,
}
"""A condition may name these without saying their kind."""
