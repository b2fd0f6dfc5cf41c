"""What terms say, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from billing.judge_terms import PLAIN_RULE
from billing.terms_document import (
    Bid,
    Fixed,
    Party,
    Price,
    RevenueShare,
    Rule,
    TermsDocument,
    Tiers,
)
from billing.terms_facts import decimal_seconds
from rules.condition import describe
from rules.money import format_dollars


def reading(document: TermsDocument) -> list[str]:
    """Return the terms in words, a sentence each."""
    return list(_sentences(document))


def _sentences(document: TermsDocument) -> Iterator[str]:
    yield from _of_rules(document.rules, document.bonuses)
    for override in document.overrides:
        for line in _of_rules(override.rules, override.bonuses):
            yield f"For calls of publisher {override.publisher_id} instead: {line[0].lower()}{line[1:]}"
    if document.sale is not None:
        price = _price(document.sale.price)
        yield f"{price} on top when a sale is reported within {document.sale.within_days} days."
        if document.party is Party.BUYER:
            sales = "One sale" if document.sale.per_call == 1 else f"At most {document.sale.per_call} sales"
            yield f"{sales} of a call, each at most {format_dollars(document.sale.maximum_micros)}."
        else:
            yield "Never more than the sale brings, less what is left to us."
    if document.party is Party.PUBLISHER:
        if document.margin is not None:
            yield f"Lowered where less than {_price(document.margin)} of the revenue would be left to us."
        if not document.needs_conversion:
            yield "Paid for every call that a buyer answered, whether the buyer pays or not."
    mode = document.rounding.mode.value.replace("_", " ")
    to = format_dollars(document.rounding.to_micros)
    yield f"Rounded to {to}, {mode}; hours and periods by the clock of {document.time_zone}."


def _of_rules(rules: tuple[Rule, ...], bonuses: tuple[Rule, ...]) -> Iterator[str]:
    for index, rule in enumerate(rules):
        name = "" if rule.name == PLAIN_RULE else f" ({rule.name})"
        begin = "Else " if index else ""
        price = _price(rule.price)
        yield f"{begin}{price if index else _capital(price)}{name}{_when(rule)}."
    for bonus in bonuses:
        yield f"Plus {_price(bonus.price)} ({bonus.name}){_when(bonus)}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _when(rule: Rule) -> str:
    parts = []
    if rule.minimum_connected_ms:
        parts.append(f"connected {decimal_seconds(rule.minimum_connected_ms)} s or longer")
    if rule.when is not None:
        parts.append(describe(rule.when))
    return f" when {' and '.join(parts)}" if parts else " for every call that was answered"


def _price(price: Price) -> str:
    match price:
        case Fixed():
            return format_dollars(price.amount_micros)
        case Bid():
            return (
                "what was bid" if price.share_ppm == 1_000_000 else f"{_percent(price.share_ppm)} of the bid"
            )
        case RevenueShare():
            return f"{_percent(price.share_ppm)} of the revenue"
        case Tiers():
            first, *later = price.steps
            steps = ", ".join(
                f"from call {step.from_call} of the {price.period.value} on {format_dollars(step.amount_micros)}"
                for step in later
            )
            return format_dollars(first.amount_micros) + (f" ({steps})" if steps else "")


def _percent(millionths: int) -> str:
    return f"{millionths / 10_000:g} %"
