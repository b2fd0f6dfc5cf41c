"""What can never pay in terms that can be read: found when they are saved, not when a call is not paid. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from billing.read_terms import ROUNDED_TO, TermsError, parse_terms
from billing.terms_document import Fixed, Party, RevenueShare, Rule, TermsDocument, Tiers
from billing.terms_facts import ALWAYS_KNOWN, CONNECTED, CONVERTED
from rules.condition import All, Comparison
from rules.condition_region import can_be_met
from rules.fact_kinds import Kind
from rules.money import MICROS_PER_CENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rules.condition import Condition


def checked_terms(value: object, party: Party) -> TermsDocument:
    """Read terms and refuse those that contradict themselves. Raises TermsError with each place and reason."""
    document = parse_terms(value, party)
    problems = [*_problems(document), *_of_rounding(value)]
    if problems:
        raise TermsError(problems)
    return document


def _problems(document: TermsDocument) -> Iterator[str]:
    yield from _of_rules("", document.rules, document.bonuses)
    for index, override in enumerate(document.overrides):
        yield from _of_rules(f"overrides[{index}].", override.rules, override.bonuses)
    if document.party is Party.BUYER and CONVERTED in document.facts:
        yield f"rules: {CONVERTED} is what these terms decide; only a publisher's may ask for it"
    if not document.needs_conversion and any(document.tiers):
        yield "pays_for: tiers count calls that converted; with connected give a plain price"
    if document.margin is not None:
        yield from _of_margin(document)


def _of_rules(place: str, rules: Sequence[Rule], bonuses: Sequence[Rule]) -> Iterator[str]:
    for index, rule in enumerate(rules):
        yield from _of_rule(f"{place}rules[{index}]", rule)
        yield from _shadowed(f"{place}rules[{index}]", rule, rules[:index])
    for index, bonus in enumerate(bonuses):
        where = f"{place}bonuses[{index}]"
        yield from _of_rule(where, bonus)
        if _possible(bonus) and not any(
            can_be_met((whole_of(bonus), whole_of(one)), (), ALWAYS_KNOWN) for one in rules
        ):
            yield f"{where}: {bonus.name!r} can never pay, because no rule is met together with it"


def _of_rule(place: str, rule: Rule) -> Iterator[str]:
    if not _possible(rule):
        yield f"{place}.when: {rule.name!r} contradicts itself: no call can meet it"
    if isinstance(rule.price, Tiers):
        yield from _of_tiers(f"{place}.price.tiers", rule.price)


def _of_tiers(place: str, tiers: Tiers) -> Iterator[str]:
    before = 0
    for index, step in enumerate(tiers.steps):
        if index == 0 and step.from_call != 1:
            yield f"{place}[0].from_call: the first tier begins with call 1, or the calls before have no price"
        if step.from_call <= before:
            reason = f"the tier from call {before} on comes first: put them in rising order"
            yield f"{place}[{index}].from_call: the tier from call {step.from_call} on can never pay; {reason}"
        before = max(before, step.from_call)


def _shadowed(place: str, rule: Rule, earlier: Sequence[Rule]) -> Iterator[str]:
    if not earlier or not _possible(rule):
        return
    if not can_be_met((whole_of(rule),), [whole_of(one) for one in earlier], ALWAYS_KNOWN):
        names = " or ".join(repr(one.name) for one in earlier)
        yield f"{place}: {rule.name!r} can never pay, because {names} pays first; put the narrower rule first"


def _of_rounding(value: object) -> Iterator[str]:
    rounding = value.get("rounding") if isinstance(value, Mapping) else None
    to = rounding.get("to") if isinstance(rounding, Mapping) else None
    if ROUNDED_TO.get(str(to), MICROS_PER_CENT) < MICROS_PER_CENT:
        yield f"rounding.to: {to!r} is finer than a cent; amounts have whole cents: 0.01 or 1"


def _of_margin(document: TermsDocument) -> Iterator[str]:
    margin = document.margin
    for index, rule in enumerate(document.rules):
        share = rule.price.share_ppm if isinstance(rule.price, RevenueShare) else 0
        if isinstance(margin, RevenueShare) and share + margin.share_ppm > 1_000_000:
            percent = (share + margin.share_ppm) / 10_000
            yield f"minimum_margin: with rules[{index}] it is {percent:g} % of the revenue; both cannot be kept"
    if isinstance(margin, Fixed) and margin.amount_micros == 0:
        yield "minimum_margin: an amount of nothing keeps nothing; leave it out"


def _possible(rule: Rule) -> bool:
    return can_be_met((whole_of(rule),), (), ALWAYS_KNOWN)


def whole_of(rule: Rule) -> Condition:
    """Return everything the rule asks of a call, as one condition."""
    seconds = rule.minimum_connected_ms / 1000
    minimum = Comparison(fact=CONNECTED, kind=Kind.NUMBER, operator=">=", value=seconds)
    floor = Comparison(fact=CONNECTED, kind=Kind.NUMBER, operator=">=", value=0)
    return All(parts=(minimum, floor) if rule.when is None else (minimum, floor, rule.when))
