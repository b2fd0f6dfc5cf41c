"""What a call is worth by a contract: which rule paid, or which term failed, with its numbers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from billing.terms_document import PPM, Bid, Fixed, RevenueShare, Rule, Step, TermsDocument, Tiers
from billing.terms_facts import CONNECTED, TOTAL, decimal_seconds
from rules.condition import Comparison
from rules.condition_check import Facts, why_not
from rules.fact_kinds import Kind
from rules.money import format_dollars

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rules.condition import Leaf
    from rules.fact_kinds import Value

PLAIN_RULE = "base"
"""A rule of this name needs no introduction."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is known of the call that terms are asked about. Money in millionths of a dollar."""

    connected_ms: int
    facts: Mapping[str, str] = field(default_factory=dict)
    bid_micros: int | None = None
    bid_minimum_connected_ms: int | None = None
    """Goes before the minimum of every rule."""
    revenue_micros: int = 0
    """Publishers: what the buyer owes for it."""
    calls_before: Mapping[str, int] = field(default_factory=dict)
    """How many calls of each period were paid for before this one."""

    def to_json(self) -> dict[str, Any]:
        return {
            "connected_ms": self.connected_ms,
            "facts": dict(self.facts),
            "bid_micros": self.bid_micros,
            "bid_minimum_connected_ms": self.bid_minimum_connected_ms,
            "revenue_micros": self.revenue_micros,
            "calls_before": dict(self.calls_before),
        }


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A rule or bonus that was not met, and why."""

    rule: str
    reason: str
    too_short: bool = False


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the terms say of the call. `amount_micros` is rounded, once."""

    paid: bool
    detail: str
    amount_micros: int = 0
    rule: str | None = None
    bonuses: tuple[str, ...] = ()
    failed: tuple[Failed, ...] = ()
    tier_from_call: int | None = None
    margin_kept_micros: int | None = None
    """What was taken off so that the margin stays; None when nothing was."""

    @property
    def too_short(self) -> bool:
        """Whether nothing but time was missing."""
        return not self.paid and any(one.too_short for one in self.failed)

    def to_json(self) -> dict[str, Any]:
        return {
            "paid": self.paid,
            "rule": self.rule,
            "amount_micros": self.amount_micros,
            "bonuses": list(self.bonuses),
            "failed": [{"rule": one.rule, "reason": one.reason} for one in self.failed],
            "tier_from_call": self.tier_from_call,
            "margin_kept_micros": self.margin_kept_micros,
        }


def judge_terms(document: TermsDocument, situation: Situation) -> Judgement:
    """Return what is paid for the call, by the first rule that is met and every bonus that is."""
    failed: list[Failed] = []
    for rule in document.rules:
        failure = _why_not(rule, situation, minimum_of_bid=True)
        if failure is None:
            return _paid(document, situation, rule, tuple(failed))
        failed.append(failure)
    return Judgement(paid=False, detail="; ".join(map(_failure_text, failed)), failed=tuple(failed))


def _paid(document: TermsDocument, situation: Situation, rule: Rule, failed: tuple[Failed, ...]) -> Judgement:
    exact, step = _rule_price(rule, situation)
    bonuses, missed = [], []
    for bonus in document.bonuses:
        failure = _why_not(bonus, situation, minimum_of_bid=False)
        if failure is None:
            exact += _price(bonus, situation)
            bonuses.append(bonus.name)
        else:
            missed.append(failure)
    wanted = document.rounding.apply(exact)
    amount = wanted
    if document.margin:
        amount = min(wanted, most_that_leaves_the_margin(document, situation.revenue_micros))
    return Judgement(
        paid=True,
        detail=_detail(rule, situation, tuple(bonuses), step),
        amount_micros=amount,
        rule=rule.name,
        bonuses=tuple(bonuses),
        failed=(*failed, *missed),
        tier_from_call=step.from_call if step else None,
        margin_kept_micros=wanted - amount if amount < wanted else None,
    )


def _rule_price(rule: Rule, situation: Situation) -> tuple[Fraction | int, Step | None]:
    """Return the exact price in micros and its tier. A bid for the very call goes before a standing price."""
    price, bid = rule.price, situation.bid_micros
    if bid is not None and isinstance(price, Fixed | Tiers):
        return bid, None
    if isinstance(price, Tiers):
        step = price.step_of(situation.calls_before.get(price.period, 0) + 1)
        return step.amount_micros, step
    return _price(rule, situation), None


def _price(rule: Rule, situation: Situation) -> Fraction | int:
    price = rule.price
    if isinstance(price, RevenueShare):
        return Fraction(situation.revenue_micros * price.share_ppm, PPM)
    if isinstance(price, Bid):
        return Fraction((situation.bid_micros or 0) * price.share_ppm, PPM)
    return price.amount_micros if isinstance(price, Fixed) else 0


def most_that_leaves_the_margin(document: TermsDocument, revenue_micros: int) -> int:
    """Return the most that leaves us our margin, in whole steps of the rounding, never less than nothing."""
    margin = document.margin
    if isinstance(margin, RevenueShare):
        kept = -(-revenue_micros * margin.share_ppm // PPM)
    else:
        kept = margin.amount_micros if isinstance(margin, Fixed) else 0
    left = max(revenue_micros - kept, 0)
    return left - left % document.rounding.to_micros


def minimum_of(rule: Rule, situation: Situation) -> int:
    """Return how long the call must have been connected for the rule, in milliseconds."""
    bid = situation.bid_minimum_connected_ms
    return rule.minimum_connected_ms if bid is None else bid


def _why_not(rule: Rule, situation: Situation, *, minimum_of_bid: bool) -> Failed | None:
    minimum = minimum_of(rule, situation) if minimum_of_bid else rule.minimum_connected_ms
    if situation.connected_ms < minimum:
        reason = f"connected {seconds_text(situation.connected_ms)} of {seconds_text(minimum)}"
        return Failed(rule=rule.name, reason=reason, too_short=True)
    if isinstance(rule.price, Bid) and situation.bid_micros is None:
        return Failed(rule=rule.name, reason="no bid was made for this call")
    short: list[bool] = []
    reason = why_not(rule.when, Facts(situation.facts), _say(short.append)) if rule.when else ""
    return Failed(rule=rule.name, reason=reason, too_short=bool(short)) if reason else None


_LENGTHS = {CONNECTED: "connected", TOTAL: "the call lasted"}


def _say(note_short: Callable[[bool], None]) -> Callable[[Leaf, Value | None], str]:
    """Return the words for a length that was not reached: connected 74.2 s of 90 s."""

    def say(leaf: Leaf, found: Value | None) -> str:
        words = _LENGTHS.get(leaf.fact)
        if words is None or found is None or leaf.kind is not Kind.NUMBER or not isinstance(leaf, Comparison):
            return ""
        if leaf.operator not in (">", ">="):
            return ""
        note_short(True)
        more = "more than " if leaf.operator == ">" else ""
        return f"{words} {found} s of {more}{leaf.value} s"

    return say


def _failure_text(failure: Failed) -> str:
    return failure.reason if failure.rule == PLAIN_RULE else f"{failure.rule}: {failure.reason}"


def _detail(rule: Rule, situation: Situation, bonuses: tuple[str, ...], step: Step | None) -> str:
    minimum = minimum_of(rule, situation)
    length = f"connected {seconds_text(situation.connected_ms)} of {seconds_text(minimum)}"
    text = length if rule.name == PLAIN_RULE else f"{rule.name}: {length}"
    if step is not None:
        text += f", {format_dollars(step.amount_micros)} from call {step.from_call} of the period on"
    return text + (f", with {' and '.join(bonuses)}" if bonuses else "")


def seconds_text(ms: int) -> str:
    """Return milliseconds as people read them: `90 s`, `74.2 s`, `89.999 s`."""
    return f"{decimal_seconds(ms)} s"
