"""What a contract says, as values: rules with a base price, bonuses, tiers, shares, overrides, a margin, a rounding.

    {"currency": "USD", "time_zone": "America/New_York", "rounding": {"to": "0.01", "mode": "half_up"},
     "rules": [{"name": "long call", "minimum_connected_seconds": 90, "price": "45.00",
                "when": {"fact": "state", "in": ["OH", "MI"]}}],
     "bonuses": [{"name": "veteran", "when": {"fact": "veteran", "=": true}, "price": "5.00"}]}

The first rule that is met pays its price; every bonus that is met is added. Prices are "45.00", "bid" (what the buyer
bid for this very call), {"percent_of_bid": "90"}, {"percent_of_revenue": "70"} (publishers), or
{"tiers": [{"from_call": 1, "price": "45.00"}, {"from_call": 101, "price": "40.00"}], "period": "month"}.
How it is read stands in read_terms.py, what can never pay in check_terms.py, what a call is worth in judge_terms.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction

from rules.condition import facts_of
from rules.money import MICROS_PER_CENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rules.condition import Condition

CURRENCY = "USD"
"""The ledger counts in millionths of this."""
PPM = 1_000_000


class Party(StrEnum):
    """Whose terms they are."""

    BUYER = "buyer"
    PUBLISHER = "publisher"


class RoundingMode(StrEnum):
    """Which way what does not come out even goes."""

    HALF_UP = "half_up"
    UP = "up"
    DOWN = "down"


class Period(StrEnum):
    """What a tier counts calls in, on the terms' own calendar."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rounding:
    """An amount is rounded once, to whole multiples of `to_micros`, when it is posted: cents, or dollars."""

    to_micros: int = MICROS_PER_CENT
    mode: RoundingMode = RoundingMode.HALF_UP

    def apply(self, amount: Fraction | int) -> int:
        """Return an amount that is not negative in micros, rounded."""
        if amount.denominator == 1 and amount.numerator % self.to_micros == 0:
            return amount.numerator  # nearly every price comes out even, and fractions are slow
        units = Fraction(amount) / self.to_micros
        whole = units.numerator // units.denominator
        rest = units - whole
        up = rest > 0 if self.mode is RoundingMode.UP else rest * 2 >= 1
        return (whole + (up and self.mode is not RoundingMode.DOWN)) * self.to_micros


@dataclass(frozen=True, kw_only=True, slots=True)
class Fixed:
    amount_micros: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Bid:
    """A share of what was bid for the call, in millionths."""

    share_ppm: int = PPM


@dataclass(frozen=True, kw_only=True, slots=True)
class RevenueShare:
    """A share of what the buyer owes for the call, in millionths."""

    share_ppm: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """From this call of the period on."""

    from_call: int
    amount_micros: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Tiers:
    """A price by how many calls of the period were paid for before."""

    steps: tuple[Step, ...]
    period: Period

    def step_of(self, call_number: int) -> Step:
        """Return what holds for the call with this number of the period; the first is 1."""
        return next(step for step in reversed(self.steps) if step.from_call <= call_number)


Price = Fixed | Bid | RevenueShare | Tiers


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """What is paid, and when."""

    name: str
    price: Price
    minimum_connected_ms: int = 0
    when: Condition | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Override:
    """Other rules for the calls of one publisher."""

    publisher_id: int
    rules: tuple[Rule, ...]
    bonuses: tuple[Rule, ...]


MAXIMUM_SALE_MICROS = 10_000_000_000
"""What a sale may be reported as bringing, where the buyer's terms name no other maximum: ten thousand dollars."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sale:
    """What is paid on top when a sale is reported later."""

    within_days: int
    price: Fixed | RevenueShare
    per_call: int = 1
    """Buyers: how many sales of one call may be reported, each with an id of its own."""
    maximum_micros: int = MAXIMUM_SALE_MICROS
    """Buyers: the most that may be reported as the amount of one sale."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TermsDocument:
    """One party's contract for a campaign."""

    party: Party
    time_zone: str
    rounding: Rounding
    rules: tuple[Rule, ...]
    bonuses: tuple[Rule, ...] = ()
    overrides: tuple[Override, ...] = ()
    sale: Sale | None = None
    margin: Fixed | RevenueShare | None = None
    """Publishers: what of the revenue is left to us at least."""
    needs_conversion: bool = True
    """Publishers: paid only when the buyer pays; else whenever a buyer answered."""

    def for_publisher(self, publisher_id: int | None) -> TermsDocument:
        """Return the terms as they are for the calls of one publisher."""
        for override in self.overrides:
            if override.publisher_id == publisher_id:
                return replace(self, rules=override.rules, bonuses=override.bonuses, overrides=())
        return self

    @property
    def all_rules(self) -> tuple[Rule, ...]:
        """Every rule and bonus, those of overrides as well."""
        return (*self.rules, *self.bonuses, *(r for o in self.overrides for r in (*o.rules, *o.bonuses)))

    @property
    def facts(self) -> frozenset[str]:
        """Names of the facts that the terms look at."""
        return frozenset[str]().union(*(facts_of(rule.when) for rule in self.all_rules if rule.when))

    @property
    def tiers(self) -> Iterator[Tiers]:
        return (rule.price for rule in self.all_rules if isinstance(rule.price, Tiers))

    @property
    def listed_micros(self) -> int:
        """What the first rule asks for: what a router goes by before the call; 0 when only a bid will say."""
        return _listed(self.rules[0].price)

    @property
    def highest_micros(self) -> int:
        """The most a call can cost, bids and shares aside: what is held of a wallet."""
        sets = [(self.rules, self.bonuses), *((one.rules, one.bonuses) for one in self.overrides)]
        return max(
            max(_highest(rule.price) for rule in rules) + sum(_highest(one.price) for one in bonuses)
            for rules, bonuses in sets
        )


def _listed(price: Price) -> int:
    if isinstance(price, Tiers):
        return price.steps[0].amount_micros
    return price.amount_micros if isinstance(price, Fixed) else 0


def _highest(price: Price) -> int:
    return max(step.amount_micros for step in price.steps) if isinstance(price, Tiers) else _listed(price)
