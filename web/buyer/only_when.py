"""Which calls a buyer takes beside what is agreed: plain rules, all of which must hold. Pure.

They stand beside the house's own filter, never in its place: a buyer only ever takes fewer calls. A rule looks at what
a caller has told; who the publisher is, and what else only the house knows, is no buyer's to ask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from router.domain.known_facts import KNOWN_FACTS
from rules.condition import ConditionError, parse_condition
from rules.fact_kinds import ORDERED, Kind, to_json_value
from rules.known_facts import Supplier, kinds_from
from rules.money import MoneyError, parse_dollars

RULES_MAXIMUM = 20
VALUES_MAXIMUM = 50
VALUE_LENGTH_MAXIMUM = 500

FACTS: Mapping[str, Kind] = {
    name: kind for name, kind in kinds_from(Supplier.PARTIES).items() if name not in ("state", "source")
}
"""What a rule may look at. States are left out on their own list."""

_YES_NO = {"yes": True, "no": False}
_EXAMPLES = {
    Kind.TEXT: "refinance, purchase",
    Kind.NUMBER: "620",
    Kind.MONEY: "250000",
    Kind.YES_NO: "yes or no",
}


class Test(StrEnum):
    """What a rule asks. Stored; never renamed."""

    IS = "is"
    NOT = "not"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"


TEST_NAMES = {
    Test.IS: "is one of",
    Test.NOT: "is none of",
    Test.AT_LEAST: "is at least",
    Test.AT_MOST: "is at most",
}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule as it was typed: a fact, a test, and a value or several with commas between."""

    fact: str
    test: str
    value: str


def rules_of(kept: Sequence[Mapping[str, str]] | None) -> tuple[Rule, ...]:
    return tuple(Rule(**one) for one in kept or ())


def rule_problem(rule: Rule) -> str | None:
    """Return why a rule cannot be right, or None."""
    kind = FACTS.get(rule.fact)
    if kind is None:
        return "Choose what to look at."
    if rule.test not in _tests_of(kind):
        allowed = " or ".join(TEST_NAMES[test] for test in _tests_of(kind))
        return f"Here one asks: {allowed}."
    try:
        parse_condition(condition_of(rule), KNOWN_FACTS)
    except (ConditionError, MoneyError, ValueError):
        return f"Write it like {_EXAMPLES[kind]}."
    return None


def _tests_of(kind: Kind) -> tuple[Test, ...]:
    if kind is Kind.YES_NO:
        return (Test.IS,)
    return (Test.AT_LEAST, Test.AT_MOST) if kind in ORDERED else (Test.IS, Test.NOT)


def condition_of(rule: Rule) -> dict[str, Any]:
    """Return a rule as a condition (rules.condition). Raises ValueError or MoneyError when its value is none."""
    kind, text = FACTS[rule.fact], rule.value.strip()
    if kind is Kind.YES_NO:
        if text.lower() not in _YES_NO:
            raise ValueError(text)
        return {"fact": rule.fact, "=": _YES_NO[text.lower()]}
    if kind in ORDERED:
        sign = ">=" if rule.test == Test.AT_LEAST else "<="
        return {"fact": rule.fact, sign: _number(kind, text)}
    values = [value.strip() for value in text.split(",") if value.strip()]
    if len(values) > VALUES_MAXIMUM:
        raise ValueError(text)
    found = {"fact": rule.fact, "in": values}
    return {"not": found} if rule.test == Test.NOT else found


def _number(kind: Kind, text: str) -> object:
    if kind is Kind.MONEY:
        return to_json_value(kind, parse_dollars(text))
    plain = text.replace(",", "")
    return int(plain) if plain.isascii() and plain.isdigit() else float(plain)
