"""What can never be met is found; what some call meets is never held to be impossible."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.condition import parse_condition
from rules.condition_check import Facts, compile_condition
from rules.condition_region import can_be_met
from rules.fact_kinds import Kind

KINDS = {
    "n": Kind.NUMBER,
    "t": Kind.TEXT,
    "b": Kind.YES_NO,
    "at": Kind.TIME,
    "day": Kind.DAY,
    "m": Kind.MONEY,
}
LEAVES = st.sampled_from(
    [
        *({"fact": "n", sign: value} for sign in ("=", "!=", "<", "<=", ">", ">=") for value in (1, 2)),
        {"fact": "n", "between": [1, 2]},
        {"fact": "n", "in": [1, 3]},
        {"fact": "n", "known": True},
        {"fact": "t", "=": "x"},
        {"fact": "t", "!=": "x"},
        {"fact": "t", "in": ["x", "y"]},
        {"fact": "t", "known": False},
        {"fact": "b", "=": True},
        {"fact": "b", "!=": True},
        {"fact": "at", "between": ["22:00", "06:00"]},
        {"fact": "at", "<": "12:00"},
        {"fact": "day", ">": "2026-11-24"},
        {"fact": "m", "<=": "10.00"},
    ]
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=6,
)
FACTS = st.fixed_dictionaries(
    {},
    optional={
        "n": st.sampled_from(["0", "1", "1.5", "2", "3"]),
        "t": st.sampled_from(["X", "y", "z"]),
        "b": st.sampled_from(["yes", "no"]),
        "at": st.sampled_from(["00:00", "06:00", "12:00", "23:00"]),
        "day": st.sampled_from(["2026-11-24", "2026-11-25"]),
        "m": st.sampled_from(["10", "10.01"]),
    },
)


@given(st.lists(CONDITIONS, min_size=1, max_size=3), st.lists(CONDITIONS, max_size=2), FACTS)
def test_what_a_call_meets_is_never_impossible(
    wanted: list[Any], never: list[Any], facts: dict[str, str]
) -> None:
    asked = [parse_condition(one, KINDS) for one in wanted]
    not_met = [parse_condition(one, KINDS) for one in never]
    known = Facts(facts)
    if all(compile_condition(one)(known) for one in asked) and not any(
        compile_condition(one)(known) for one in not_met
    ):
        assert can_be_met(asked, not_met)


@pytest.mark.parametrize(
    ("wanted", "never", "possible"),
    [
        ({"all": [{"fact": "n", ">": 1}, {"fact": "n", "<": 1}]}, None, False),
        ({"all": [{"fact": "n", ">=": 1}, {"fact": "n", "<=": 1}]}, None, True),
        ({"all": [{"fact": "n", ">=": 1}, {"fact": "n", "<=": 1}, {"fact": "n", "!=": 1}]}, None, False),
        ({"all": [{"fact": "t", "=": "x"}, {"fact": "t", "in": ["Y", "Z"]}]}, None, False),
        ({"all": [{"fact": "b", "!=": True}, {"fact": "b", "!=": False}]}, None, False),
        ({"all": [{"fact": "at", "between": ["22:00", "06:00"]}, {"fact": "at", "=": "07:00"}]}, None, False),
        ({"all": [{"fact": "n", "known": False}, {"fact": "n", "=": 1}]}, None, False),
        ({"all": [{"fact": "n", "known": False}, {"not": {"fact": "n", "=": 1}}]}, None, False),
        ({"fact": "n", ">": 2}, {"fact": "n", ">": 1}, False),
        ({"fact": "n", ">": 1}, {"fact": "n", ">": 2}, True),
        # Whoever's number is not known meets neither half.
        ({"fact": "t", "=": "x"}, {"any": [{"fact": "n", ">": 1}, {"fact": "n", "<=": 1}]}, True),
        ({"fact": "t", "=": "x"}, {"any": [{"fact": "t", "=": "x"}, {"fact": "n", "<=": 1}]}, False),
    ],
)  # fmt: skip
def test_what_can_and_cannot_be(wanted: Any, never: Any, possible: bool) -> None:
    nots = [] if never is None else [parse_condition(never, KINDS)]
    assert can_be_met([parse_condition(wanted, KINDS)], nots) is possible


def test_a_fact_that_every_call_has_closes_the_gap() -> None:
    halves = parse_condition({"any": [{"fact": "n", ">": 1}, {"fact": "n", "<=": 1}]}, KINDS)
    other = parse_condition({"fact": "t", "=": "x"}, KINDS)
    assert can_be_met([other], [halves]) and not can_be_met([other], [halves], {"n"})
