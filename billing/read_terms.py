"""Reads terms from their JSON; every problem is told with its place. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from billing.terms_document import (
    CURRENCY,
    MAXIMUM_SALE_MICROS,
    PPM,
    Bid,
    Fixed,
    Override,
    Party,
    Period,
    Price,
    RevenueShare,
    Rounding,
    RoundingMode,
    Rule,
    Sale,
    Step,
    TermsDocument,
    Tiers,
)
from billing.terms_facts import TERMS_FACTS
from rules.condition import ConditionError, parse_condition
from rules.money import MAXIMUM_MICROS, MICROS_PER_CENT, MoneyError, parse_dollars

MAXIMUM_RULES = 20
MAXIMUM_STEPS = 50
MAXIMUM_OVERRIDES = 500
MAXIMUM_NAME_CHARACTERS = 60
MAXIMUM_SECONDS = 86_400
MAXIMUM_SALE_DAYS = 365
MAXIMUM_SALES = 5
ROUNDED_TO = {"0.000001": 1, "0.0001": 100, "0.001": 1_000, "0.01": 10_000, "1": 1_000_000}

_SHARED = ("currency", "time_zone", "rounding", "rules", "bonuses", "sale")
_KEYS = {
    Party.BUYER: (*_SHARED, "overrides"),
    Party.PUBLISHER: (*_SHARED, "minimum_margin", "pays_for"),
}
_RULE_KEYS = ("name", "minimum_connected_seconds", "when", "price")


class TermsError(ValueError):
    """Terms that cannot be right. `problems` names each place and reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


def parse_terms(value: object, party: Party) -> TermsDocument:
    """Read one party's terms. Raises TermsError with every problem that was found."""
    reader = _Reader(party)
    document = reader.document(value)
    if reader.problems or document is None:
        raise TermsError(reader.problems)
    return document


class _Reader:
    """Reads on after a problem, to name them all; what could not be read is stood in for until the end."""

    def __init__(self, party: Party) -> None:
        self.problems: list[str] = []
        self._party = party
        self._currency = CURRENCY

    def document(self, value: object) -> TermsDocument | None:
        if not isinstance(value, Mapping):
            self._refuse("terms", 'not an object like {"currency": "USD", "rules": […]}')
            return None
        self._only("terms", value, _KEYS[self._party])
        self._read_currency(value)
        margin = value.get("minimum_margin")
        return TermsDocument(
            party=self._party,
            time_zone=self._zone(value.get("time_zone")),
            rounding=self._rounding(value.get("rounding")),
            rules=self._rules("rules", value.get("rules"), at_least=1),
            bonuses=self._rules("bonuses", value.get("bonuses", []), bonus=True),
            overrides=self._overrides(value.get("overrides", [])),
            sale=self._sale(value.get("sale")),
            margin=None if margin is None else self._share_or_amount("minimum_margin", margin),
            needs_conversion=self._pays_for(value.get("pays_for", "converted")),
        )

    def _read_currency(self, value: Mapping[str, Any]) -> None:
        currency = value.get("currency")
        if currency != CURRENCY:
            self._refuse(
                "currency", f"{currency!r:.40}: this ledger counts in {CURRENCY}; state prices in it"
            )

    def _zone(self, value: object) -> str:
        try:
            return ZoneInfo(value).key if isinstance(value, str) and value else self._no_zone(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return self._no_zone(value)

    def _no_zone(self, value: object) -> str:
        self._refuse("time_zone", f'{value!r:.60} is not a time zone like "America/New_York"')
        return "UTC"

    def _rounding(self, value: object) -> Rounding:
        if not isinstance(value, Mapping) or set(value) != {"to", "mode"}:
            self._refuse("rounding", 'not like {"to": "0.01", "mode": "half_up"}')
            return Rounding()
        to, mode = value["to"], value["mode"]
        if not isinstance(to, str) or to not in ROUNDED_TO:
            self._refuse("rounding.to", f"{to!r:.40} is not one of 0.01, 1")
            to = "0.01"
        if not isinstance(mode, str) or mode not in tuple(RoundingMode):
            self._refuse("rounding.mode", f"{mode!r:.40} is not one of {', '.join(RoundingMode)}")
            mode = RoundingMode.HALF_UP
        # Finer than a cent was allowed once; nothing finer is posted.
        return Rounding(to_micros=max(ROUNDED_TO[to], MICROS_PER_CENT), mode=RoundingMode(mode))

    def _rules(
        self, place: str, value: object, *, at_least: int = 0, bonus: bool = False
    ) -> tuple[Rule, ...]:
        if not isinstance(value, list) or not at_least <= len(value) <= MAXIMUM_RULES:
            self._refuse(place, f"not a list of {at_least} to {MAXIMUM_RULES} rules")
            return (Rule(name="", price=Fixed(amount_micros=0)),) * at_least
        rules = tuple(self._rule(f"{place}[{index}]", one, bonus=bonus) for index, one in enumerate(value))
        for index, rule in enumerate(rules):
            if rule.name in [one.name for one in rules[:index]]:
                self._refuse(f"{place}[{index}].name", f"{rule.name!r} is the name of two rules")
        return rules

    def _rule(self, place: str, value: object, *, bonus: bool) -> Rule:
        if not isinstance(value, Mapping):
            self._refuse(place, 'not an object like {"name": "long call", "price": "45.00"}')
            return Rule(name=place, price=Fixed(amount_micros=0))
        self._only(place, value, _RULE_KEYS)
        name = value.get("name")
        if (
            not isinstance(name, str)
            or not name.isprintable()
            or not 0 < len(name) <= MAXIMUM_NAME_CHARACTERS
        ):
            self._refuse(f"{place}.name", f"not a name of 1 to {MAXIMUM_NAME_CHARACTERS} characters")
            name = place
        price = self._price(f"{place}.price", value.get("price"))
        if bonus and not isinstance(price, Fixed):
            self._refuse(f"{place}.price", 'a bonus is an amount like "5.00"')
        return Rule(
            name=name,
            price=price,
            minimum_connected_ms=self._seconds(
                f"{place}.minimum_connected_seconds", value.get("minimum_connected_seconds", 0)
            ),
            when=self._condition(f"{place}.when", value["when"]) if "when" in value else None,
        )

    def _condition(self, place: str, value: object) -> Any:
        try:
            return parse_condition(value, TERMS_FACTS)
        except ConditionError as error:
            for problem in error.problems:
                self.problems.append(f"{place}{'' if problem[:1] == '[' else '.'}{problem}")
            return None

    def _seconds(self, place: str, value: object) -> int:
        """Read seconds, to the millisecond."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAXIMUM_SECONDS:
            self._refuse(place, f"{value!r:.40} is not a number of seconds from 0 to {MAXIMUM_SECONDS}")
            return 0
        ms = round(value * 1000)
        if ms / 1000 != value:
            self._refuse(place, f"{value!r:.40} is finer than a millisecond")
        return ms

    def _price(self, place: str, value: object) -> Price:
        if value == "bid" and self._party is Party.BUYER:
            return Bid()
        if not isinstance(value, Mapping):
            return Fixed(amount_micros=self._amount(place, value))
        kinds: Mapping[str, Callable[[str, Any], Price]] = {"tiers": self._tiers}
        if self._party is Party.BUYER:
            kinds = {
                **kinds,
                "percent_of_bid": lambda at, v: Bid(share_ppm=self._share(at, v["percent_of_bid"])),
            }
        else:
            kinds = {**kinds, "percent_of_revenue": self._share_of_revenue}
        found = [name for name in value if name in kinds]
        if len(found) != 1:
            self._refuse(place, f"needs an amount or exactly one of {', '.join(kinds)}")
            return Fixed(amount_micros=0)
        self._only(place, value, ("tiers", "period") if found == ["tiers"] else found)
        return kinds[found[0]](place, value)

    def _share_of_revenue(self, place: str, value: Mapping[str, Any]) -> RevenueShare:
        return RevenueShare(share_ppm=self._share(f"{place}.percent_of_revenue", value["percent_of_revenue"]))

    def _share_or_amount(self, place: str, value: object) -> Fixed | RevenueShare:
        if isinstance(value, Mapping) and set(value) == {"percent_of_revenue"}:
            return self._share_of_revenue(place, value)
        return Fixed(amount_micros=self._amount(place, value))

    def _tiers(self, place: str, value: Mapping[str, Any]) -> Tiers:
        period, steps = value.get("period"), value["tiers"]
        if not isinstance(period, str) or period not in tuple(Period):
            self._refuse(f"{place}.period", f"{period!r:.40} is not one of {', '.join(Period)}")
            period = Period.MONTH
        if not isinstance(steps, list) or not 1 <= len(steps) <= MAXIMUM_STEPS:
            self._refuse(f"{place}.tiers", f"not a list of 1 to {MAXIMUM_STEPS} tiers")
            steps = []
        read = tuple(self._step(f"{place}.tiers[{index}]", one) for index, one in enumerate(steps))
        return Tiers(steps=read or (Step(from_call=1, amount_micros=0),), period=Period(period))

    def _step(self, place: str, value: object) -> Step:
        if not isinstance(value, Mapping) or set(value) != {"from_call", "price"}:
            self._refuse(place, 'not like {"from_call": 101, "price": "40.00"}')
            return Step(from_call=1, amount_micros=0)
        first = value["from_call"]
        if isinstance(first, bool) or not isinstance(first, int) or not 1 <= first <= 10**9:
            self._refuse(f"{place}.from_call", f"{first!r:.40} is not the number of a call, from 1 on")
            first = 1
        return Step(from_call=first, amount_micros=self._amount(f"{place}.price", value["price"]))

    def _overrides(self, value: object) -> tuple[Override, ...]:
        if not isinstance(value, list) or len(value) > MAXIMUM_OVERRIDES:
            self._refuse("overrides", f"not a list of at most {MAXIMUM_OVERRIDES} overrides")
            return ()
        read = tuple(self._override(f"overrides[{index}]", one) for index, one in enumerate(value))
        for index, one in enumerate(read):
            if one.publisher_id in [other.publisher_id for other in read[:index]]:
                self._refuse(
                    f"overrides[{index}].publisher", f"publisher {one.publisher_id} has two overrides"
                )
        return read

    def _override(self, place: str, value: object) -> Override:
        if not isinstance(value, Mapping):
            self._refuse(place, 'not an object like {"publisher": 7, "rules": […]}')
            return Override(publisher_id=0, rules=(), bonuses=())
        self._only(place, value, ("publisher", "rules", "bonuses"))
        publisher = value.get("publisher")
        if isinstance(publisher, bool) or not isinstance(publisher, int) or publisher < 1:
            self._refuse(f"{place}.publisher", f"{publisher!r:.40} is not a publisher's id")
            publisher = 0
        return Override(
            publisher_id=publisher,
            rules=self._rules(f"{place}.rules", value.get("rules"), at_least=1),
            bonuses=self._rules(f"{place}.bonuses", value.get("bonuses", []), bonus=True),
        )

    def _sale(self, value: object) -> Sale | None:
        if value is None:
            return None
        if not isinstance(value, Mapping) or not {"within_days", "price"} <= set(value):
            self._refuse("sale", 'not like {"within_days": 30, "price": "200.00"}')
            return None
        own = ("per_call", "maximum") if self._party is Party.BUYER else ()
        self._only("sale", value, ("within_days", "price", *own))
        days = value["within_days"]
        if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= MAXIMUM_SALE_DAYS:
            self._refuse(
                "sale.within_days", f"{days!r:.40} is not a number of days from 1 to {MAXIMUM_SALE_DAYS}"
            )
            days = 1
        price = value["price"]
        if self._party is Party.BUYER:
            return self._sale_of_buyer(days, self._amount("sale.price", price), value)
        return Sale(within_days=days, price=self._share_or_amount("sale.price", price))

    def _sale_of_buyer(self, days: int, price_micros: int, value: Mapping[str, Any]) -> Sale:
        per_call = value.get("per_call", 1)
        if isinstance(per_call, bool) or not isinstance(per_call, int) or not 1 <= per_call <= MAXIMUM_SALES:
            self._refuse(
                "sale.per_call", f"{per_call!r:.40} is not a number of sales from 1 to {MAXIMUM_SALES}"
            )
            per_call = 1
        maximum = max(MAXIMUM_SALE_MICROS, price_micros)
        if "maximum" in value:
            maximum = self._amount("sale.maximum", value["maximum"])
            if maximum < price_micros:
                self._refuse("sale.maximum", "is below the price")
        return Sale(
            within_days=days,
            price=Fixed(amount_micros=price_micros),
            per_call=per_call,
            maximum_micros=maximum,
        )

    def _pays_for(self, value: object) -> bool:
        if value not in ("converted", "connected"):
            self._refuse("pays_for", f"{value!r:.40} is neither converted nor connected")
        return value != "connected"

    def _amount(self, place: str, value: object) -> int:
        """Read "45.00", or "45.00 USD"."""
        if not isinstance(value, str):
            self._refuse(place, f'{value!r:.40} is not an amount in quotes like "45.00"')
            return 0
        number, _, currency = value.strip().partition(" ")
        if currency and currency != self._currency:
            self._refuse(place, f"{value!r:.40} is not in {self._currency}, as these terms are")
            return 0
        try:
            micros = parse_dollars(number)
        except MoneyError as error:
            self._refuse(place, str(error))
            return 0
        if not 0 <= micros <= MAXIMUM_MICROS:
            self._refuse(place, f"{value!r:.40} is negative; what goes back is an adjustment, not a price")
        return max(micros, 0)

    def _share(self, place: str, value: object) -> int:
        """Read a percentage like "70" or "12.5", to the ten-thousandth of a per cent, in millionths."""
        try:
            micros = parse_dollars(value.removesuffix("%")) if isinstance(value, str) else -1
        except MoneyError:
            micros = -1
        if micros < 0 or micros > 100 * PPM or micros % 100:
            self._refuse(place, f'{value!r:.40} is not a percentage from "0" to "100"')
            return 0
        return micros // 100

    def _only(self, place: str, value: Mapping[str, Any], keys: Sequence[str]) -> None:
        for key in value:
            if key not in keys:
                self._refuse(f"{place}.{key!s:.40}", f"not known; known are {', '.join(keys)}")

    def _refuse(self, place: str, reason: str) -> None:
        self.problems.append(f"{place}: {reason}")
