"""A buyer's own rules beside the house's filter: they only ever take calls away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.known_facts import KNOWN_FACTS
from rules.condition import parse_condition
from rules.condition_check import Facts, compile_condition
from web.buyer.limits import LimitProblem, OwnTarget, Settings, Wanted, settle, with_own_wishes
from web.buyer.only_when import FACTS, Rule, condition_of, rule_problem

HOUSE = {"fact": "credit_score", ">=": 620}
GOOD = [
    (Rule(fact="credit_score", test="at_least", value="700"), {"fact": "credit_score", ">=": 700}),
    (Rule(fact="home_value", test="at_most", value="$1,200,000"), {"fact": "home_value", "<=": "1200000.00"}),
    (Rule(fact="veteran", test="is", value="Yes"), {"fact": "veteran", "=": True}),
    (
        Rule(fact="loan_type", test="is", value="refinance , purchase,"),
        {"fact": "loan_type", "in": ["refinance", "purchase"]},
    ),
    (
        Rule(fact="property_use", test="not", value="rental"),
        {"not": {"fact": "property_use", "in": ["rental"]}},
    ),
]


@pytest.mark.parametrize(("rule", "condition"), GOOD, ids=lambda one: getattr(one, "fact", ""))
def test_a_rule_is_a_condition(rule: Rule, condition: object) -> None:
    assert rule_problem(rule) is None
    assert condition_of(rule) == condition
    parse_condition(condition, KNOWN_FACTS)


@pytest.mark.parametrize(
    ("fact", "test", "value", "problem"),
    [
        ("", "is", "620", "Choose what to look at."),
        ("publisher", "is", "7", "Choose what to look at."),
        ("caller", "is", "+16145550123", "Choose what to look at."),
        ("state", "is", "OH", "Choose what to look at."),
        ("credit_score", "is", "620", "Here one asks: is at least or is at most."),
        ("loan_type", "at_least", "refinance", "Here one asks: is one of or is none of."),
        ("veteran", "not", "yes", "Here one asks: is one of."),
        ("veteran", "is", "maybe", "Write it like yes or no."),
        ("credit_score", "at_least", "nan", "Write it like 620."),
        ("credit_score", "at_least", "", "Write it like 620."),
        ("home_value", "at_least", "a lot", "Write it like 250000."),
        ("loan_type", "is", " , ", "Write it like refinance, purchase."),
    ],
)
def test_what_is_no_rule_is_told_with_an_example(fact: str, test: str, value: str, problem: str) -> None:
    assert rule_problem(Rule(fact=fact, test=test, value=value)) == problem


def test_own_wishes_stand_beside_the_houses_filter() -> None:
    assert with_own_wishes(HOUSE, (), ()) == HOUSE
    assert with_own_wishes(None, (), ()) is None
    dropped = {"not": {"fact": "state", "in": ["NY", "OH"]}}
    assert with_own_wishes(None, ("OH", "NY"), ()) == dropped
    rule, condition = GOOD[0]
    assert with_own_wishes(HOUSE, ("OH", "NY"), (rule,)) == {"all": [HOUSE, condition, dropped]}


def _target(house_filters: dict[str, object] | None) -> OwnTarget:
    hours = {"time_zone": "UTC", "ranges": []}
    return OwnTarget(
        id=1,
        name="Desk",
        enabled=True,
        paused_at=None,
        schedule=hours,
        concurrency_cap=1,
        filters=house_filters,
        house_schedule=hours,
        house_concurrency_cap=1,
        house_filters=house_filters,
        dropped_states=(),
        calls_a_day=None,
    )


def test_a_filter_that_would_grow_too_deep_for_the_router_is_refused() -> None:
    deep: dict[str, object] = dict(HOUSE)
    for _ in range(9):
        deep = {"not": deep}
    parse_condition(deep, KNOWN_FACTS)
    done = settle(_target(deep), Wanted(rules=(GOOD[0][0],)))
    assert isinstance(done, list)
    assert [one.field for one in done] == ["rules"]


def test_wrong_rules_are_told_by_their_place_and_too_many_at_once() -> None:
    wrong = Rule(fact="veteran", test="is", value="perhaps")
    done = settle(_target(None), Wanted(rules=(GOOD[0][0], wrong)))
    assert done == [LimitProblem(field="rules.1", problem="Write it like yes or no.")]
    assert isinstance(settle(_target(None), Wanted(rules=(GOOD[0][0],) * 21)), list)


_told = st.dictionaries(st.sampled_from(sorted(FACTS)), st.sampled_from(["600", "700", "yes", "refinance"]))


def _takes(filters: object, facts: dict[str, str]) -> bool:
    return compile_condition(parse_condition(filters, KNOWN_FACTS))(Facts(facts)) is True


@given(
    rules=st.lists(st.sampled_from([rule for rule, _ in GOOD]), max_size=4),
    dropped=st.lists(st.sampled_from(["OH", "NY"]), max_size=2),
    facts=_told,
    state=st.sampled_from(["OH", "CA", ""]),
)
def test_no_call_is_taken_that_the_house_does_not_allow(
    rules: list[Rule], dropped: list[str], facts: dict[str, str], state: str
) -> None:
    settled = settle(_target(dict(HOUSE)), Wanted(rules=tuple(rules), dropped_states=tuple(dropped)))
    assert isinstance(settled, Settings) and settled.filters is not None
    told = facts | ({"state": state} if state else {})
    assert _takes(HOUSE, told) or not _takes(settled.filters, told)
