"""Conditions: what a buyer may write, what is refused and where, and who meets them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any as Json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import condition as c
from rules.condition import ConditionError, describe, facts_of, parse_condition, to_json
from rules.condition_check import Facts, compile_condition, why_not
from rules.fact_kinds import Kind, read_fact, to_json_value

KINDS = {
    "state": Kind.TEXT,
    "credit_score": Kind.NUMBER,
    "home_value": Kind.MONEY,
    "age": Kind.NUMBER,
    "veteran": Kind.YES_NO,
    "closing_day": Kind.DAY,
    "time": Kind.TIME,
}


def judged(value: object, **tags: str) -> bool | None:
    return compile_condition(parse_condition(value, KINDS))(Facts(tags))


def missing(value: object, **tags: str) -> str:
    return why_not(parse_condition(value, KINDS), Facts(tags))


def refused(value: object) -> tuple[str, ...]:
    with pytest.raises(ConditionError) as caught:
        parse_condition(value, KINDS)
    return caught.value.problems


# --- stories ---------------------------------------------------------------------------------------------------


def test_a_reverse_mortgage_wants_a_borrower_of_62() -> None:
    senior = {"fact": "age", ">=": 62}
    assert judged(senior, age="62") is True
    assert judged(senior, age="61") is False
    assert judged(senior) is None
    assert missing(senior, age="61") == "age is 61, wanted >= 62"
    assert missing(senior) == "age is not known, wanted >= 62"
    assert missing(senior, age="old enough") == "age is not known, wanted >= 62"


def test_what_the_caller_did_not_say_meets_neither_a_condition_nor_its_opposite() -> None:
    poor = {"fact": "credit_score", "<": 620}
    assert judged({"not": poor}, credit_score="700") is True
    assert judged({"not": poor}) is None
    assert missing({"not": poor}) == "credit_score is not known, wanted not (credit_score < 620)"
    assert judged({"fact": "state", "!=": "NY"}) is None


def test_a_buyer_may_say_that_not_knowing_is_good_enough() -> None:
    lenient = {"any": [{"fact": "credit_score", "known": False}, {"fact": "credit_score", ">=": 620}]}
    assert judged(lenient) is True
    assert judged(lenient, credit_score="640") is True
    assert judged(lenient, credit_score="600") is False
    assert missing(lenient, credit_score="600") == (
        "credit_score is 600, wanted not known; credit_score is 600, wanted >= 620"
    )


def test_both_ends_of_between_count_and_money_is_compared_as_money() -> None:
    range_ = {"fact": "home_value", "between": ["200000", "$400,000.00"]}
    for amount, met in (("200,000", True), ("400000.00", True), ("199999.99", False), ("400000.01", False)):
        assert judged(range_, home_value=amount) is met
    assert missing(range_, home_value="9") == (
        "home_value is $9.00, wanted between $200,000.00 and $400,000.00"
    )


def test_times_of_day_may_go_past_midnight() -> None:
    night = {"fact": "time", "between": ["22:00", "06:00"]}
    assert [judged(night, time=at) for at in ("21:59", "22:00", "00:00", "06:00", "06:01")] == [
        False, True, True, True, False,
    ]  # fmt: skip


def test_text_is_compared_without_regard_to_case_and_days_as_days() -> None:
    assert judged({"fact": "state", "in": ["OH", "mi"]}, state=" oh ") is True
    assert judged({"fact": "state", "in": ["OH", "mi"]}, state="MI") is True
    assert judged({"fact": "closing_day", "<": "2026-03-01"}, closing_day="2026-02-28") is True
    assert judged({"fact": "veteran", "=": True}, veteran="yes") is True
    assert judged({"fact": "veteran", "=": True}, veteran="0") is False


def test_a_tag_of_a_flows_own_names_its_kind() -> None:
    assert judged({"fact": "roof_age", "kind": "number", "<": 10}, roof_age="9") is True
    assert refused({"fact": "roof_age", "<": 10}) == (
        "fact: roof_age is not a known fact; a tag of a flow's own needs a kind "
        "(text, number, money, yes_no, day, time)",
    )
    assert refused({"fact": "age", "kind": "text", "=": "9"}) == ("kind: age is number, not text",)


def test_a_condition_can_be_read_by_people() -> None:
    parsed = parse_condition(
        {
            "all": [
                {"fact": "credit_score", ">=": 620},
                {"any": [{"fact": "state", "in": ["OH", "MI"]}, {"not": {"fact": "veteran", "=": False}}]},
            ]
        },
        KINDS,
    )
    assert describe(parsed) == "credit_score >= 620 and (state in OH, MI or not veteran = no)"
    assert facts_of(parsed) == {"credit_score", "state", "veteran"}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([], 'not an object like {"fact": "state", "=": "OH"}'),
        ({}, "needs a fact, or exactly one of all, any, not"),
        ({"all": [], "any": []}, "needs a fact, or exactly one of all, any, not"),
        ({"all": []}, "all: not a list of one or more conditions"),
        ({"not": {"all": [{"any": 3}]}}, "not.all[0].any: not a list of one or more conditions"),
        ({"fact": "age", ">=": 1, "<": 5}, "needs exactly one test of = != < <= > >= in between known"),
        ({"fact": "age"}, "needs exactly one test of = != < <= > >= in between known"),
        ({"fact": "age", "=>": 3}, "=>: not known"),
        ({"fact": "age", ">=": "62"}, ">=: '62' is not a number like 712"),
        ({"fact": "age", ">=": True}, ">=: True is not a number like 712"),
        ({"fact": "age", ">=": float("nan")}, ">=: nan is not a number like 712"),
        ({"fact": "home_value", ">": 400000}, '>: 400000 is not a text of dollars like "250000.00"'),
        ({"fact": "state", "<": "OH"}, "<: state is text, which has no order; use = or in"),
        ({"fact": "veteran", "=": "yes"}, "=: 'yes' is not true or false"),
        ({"fact": "closing_day", "=": "2026-02-30"}, "=: '2026-02-30' is not a day like \"2026-11-24\""),
        ({"fact": "closing_day", "=": "2026-W01-1"}, "=: '2026-W01-1' is not a day like \"2026-11-24\""),
        ({"fact": "time", "=": "24:00"}, "=: '24:00' is not a time of day like \"08:30\""),
        ({"fact": "age", "between": [70, 62]}, "between: 70 is more than 62"),
        ({"fact": "age", "between": [70]}, "between: not a list of two values, the lowest and the highest"),
        ({"fact": "age", "in": []}, "in: not a list of 1 to 500 values"),
        ({"fact": "age", "known": 1}, "known: not true or false"),
        ({"fact": "a b", "=": 1}, "fact: 'a b' is not a name like credit_score"),
        ({"fact": 7, "=": 1}, "fact: 7 is not a name like credit_score"),
    ],
)
def test_what_cannot_be_right_is_refused_with_its_place(value: object, problem: str) -> None:
    assert refused(value) == (problem,)


def test_every_problem_is_named_at_once() -> None:
    assert refused(
        {"all": [{"fact": "age", ">=": "x"}, {"any": [{"fact": "age", "in": [1, "2", None]}]}, 5]}
    ) == (
        "all[0].>=: 'x' is not a number like 712",
        "all[1].any[0].in[1]: '2' is not a number like 712",
        "all[1].any[0].in[2]: None is not a number like 712",
        'all[2]: not an object like {"fact": "state", "=": "OH"}',
    )


def test_a_condition_has_a_limit_in_depth_and_in_parts() -> None:
    deep: dict[str, Json] = {"fact": "age", "=": 1}
    for _ in range(10_000):
        deep = {"not": deep}
    assert refused(deep)[0].endswith("nested deeper than 10")
    wide = {"any": [{"fact": "age", "=": 1}] * 200}
    assert refused(wide) == ("any: more than 200 parts in all",)


# --- properties ------------------------------------------------------------------------------------------------

TEXTS = st.text("aZß9 -", min_size=1, max_size=5).filter(str.strip).map(str.strip)
VALUES = {
    Kind.TEXT: st.sampled_from(["OH", "mi", "Straße"]) | TEXTS,
    Kind.NUMBER: st.integers(-5, 5) | st.floats(-5, 5, allow_nan=False).map(lambda one: round(one, 1)),
    Kind.MONEY: st.sampled_from(["0.00", "1.50", "-2.00", "400000.01"]),
    Kind.YES_NO: st.booleans(),
    Kind.DAY: st.dates(date(2026, 2, 26), date(2026, 3, 2)).map(date.isoformat),
    Kind.TIME: st.sampled_from(["00:00", "08:30", "23:59"]),
}
FACTS = st.sampled_from(sorted([*KINDS.items(), ("own_number", Kind.NUMBER), ("own_text", Kind.TEXT)]))


@st.composite
def leaves(draw: st.DrawFn) -> dict[str, Json]:
    fact, kind = draw(FACTS)
    ordered = kind not in (Kind.TEXT, Kind.YES_NO)
    test = draw(st.sampled_from(["=", "!=", "in", "known"] + ["<", "<=", ">", ">=", "between"] * ordered))
    values = VALUES[kind]
    if test == "in":
        asked: Json = draw(st.lists(values, min_size=1, max_size=3))
    elif test == "between":
        asked = sorted([draw(values), draw(values)], key=lambda one: read_comparable(kind, one))
    else:
        asked = draw(st.booleans() if test == "known" else values)
    return {"fact": fact, **({} if fact in KINDS else {"kind": kind.value}), test: asked}


def read_comparable(kind: Kind, value: Json) -> Json:
    return read_fact(kind, ("yes" if value else "no") if kind is Kind.YES_NO else str(value))


def branches(parts: st.SearchStrategy[dict[str, Json]]) -> st.SearchStrategy[dict[str, Json]]:
    several = st.lists(parts, min_size=1, max_size=3)
    return (
        st.builds(lambda one: {"all": one}, several)
        | st.builds(lambda one: {"any": one}, several)
        | st.builds(lambda one: {"not": one}, parts)
    )


CONDITIONS = st.recursive(leaves(), branches, max_leaves=6)


@st.composite
def tags(draw: st.DrawFn) -> dict[str, str]:
    found: dict[str, str] = {}
    for fact, kind in [*KINDS.items(), ("own_number", Kind.NUMBER), ("own_text", Kind.TEXT)]:
        value = draw(st.none() | VALUES[kind])
        if value is not None:
            found[fact] = ("yes" if value else "no") if kind is Kind.YES_NO else str(value)
    return found


@given(CONDITIONS)
def test_a_condition_comes_back_from_its_json_unchanged(value: dict[str, Json]) -> None:
    parsed = parse_condition(value, KINDS)
    stored = json.loads(json.dumps(to_json(parsed, KINDS)))
    assert parse_condition(stored, KINDS) == parsed
    assert to_json(parse_condition(stored, KINDS), KINDS) == stored


@given(CONDITIONS, tags())
def test_a_condition_is_judged_as_its_words_say(value: dict[str, Json], known: dict[str, str]) -> None:
    answer = judged(value, **known)
    assert answer is spelled_out(value, known)
    assert (missing(value, **known) == "") is (answer is True)


@given(CONDITIONS, tags(), st.data())
def test_learning_more_never_takes_back_a_yes_or_a_no(
    value: dict[str, Json], known: dict[str, str], data: st.DataObject
) -> None:
    fewer = {name: known[name] for name in known if data.draw(st.booleans())}
    before = judged(value, **fewer)
    if before is not None and not asks_whether_known(value):
        assert judged(value, **known) is before


@given(CONDITIONS, st.data())
def test_a_broken_leaf_is_named_by_its_place(value: dict[str, Json], data: st.DataObject) -> None:
    places = list(leaf_places(value, ""))
    place, leaf = data.draw(st.sampled_from(places))
    leaf["surprise"] = 1
    assert refused(value) == (f"{place}.surprise: not known".removeprefix("."),)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([
        "all", "any", "not", "fact", "kind", "=", "in", "between", "known", "x"
    ]), inner, max_size=3)
), max_leaves=8))  # fmt: skip
def test_no_json_does_worse_than_be_refused(value: object) -> None:
    try:
        parsed = parse_condition(value, KINDS)
    except ConditionError:
        pass
    else:
        assert parse_condition(to_json(parsed, KINDS), KINDS) == parsed


def spelled_out(value: dict[str, Json], known: dict[str, str]) -> bool | None:
    """Kleene's logic by its truth tables: no is 0, not known is 1, yes is 2."""
    rank = {False: 0, None: 1, True: 2}
    back: dict[int, bool | None] = {0: False, 1: None, 2: True}
    if "all" in value:
        return back[min(rank[spelled_out(part, known)] for part in value["all"])]
    if "any" in value:
        return back[max(rank[spelled_out(part, known)] for part in value["any"])]
    if "not" in value:
        return back[2 - rank[spelled_out(value["not"], known)]]
    kind = KINDS.get(value["fact"]) or Kind(value["kind"])
    text = known.get(value["fact"])
    fact = None if text is None else read_fact(kind, text)
    if "known" in value:
        return (fact is not None) is value["known"]
    return None if fact is None else leaf_holds(value, kind, fact)


def leaf_holds(value: dict[str, Json], kind: Kind, fact: Json) -> bool:
    if "in" in value:
        return any(read_comparable(kind, one) == fact for one in value["in"])
    if "between" in value:
        low, high = (read_comparable(kind, one) for one in value["between"])
        return bool(low <= fact <= high)
    tests: dict[str, Callable[[Json, Json], bool]] = {
        "=": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
        "<": lambda a, b: a < b,
        "<=": lambda a, b: not a > b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: not a < b,
    }
    operator = next(key for key in tests if key in value)
    return tests[operator](fact, read_comparable(kind, value[operator]))


def asks_whether_known(value: dict[str, Json]) -> bool:
    return "known" in json.dumps(value)


def leaf_places(value: dict[str, Json], place: str) -> list[tuple[str, dict[str, Json]]]:
    if "fact" in value:
        return [(place, value)]
    if "not" in value:
        return leaf_places(value["not"], f"{place}.not")
    ((key, parts),) = value.items()
    found = []
    for index, part in enumerate(parts):
        found += leaf_places(part, f"{place}.{key}[{index}]")
    return found


@given(st.sampled_from(sorted(Kind)), st.data())
def test_values_are_written_as_they_are_read(kind: Kind, data: st.DataObject) -> None:
    value = data.draw(VALUES[kind])
    leaf = parse_condition({"fact": "x", "kind": kind.value, "=": value}, {})
    assert isinstance(leaf, c.Comparison)
    assert to_json_value(kind, leaf.value) == value
