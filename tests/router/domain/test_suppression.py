"""Callers that are not sold."""

from __future__ import annotations

from typing import Any

import pytest

from router.domain.suppression import (
    blocked_caller_problem,
    indexed,
    read_blocked_callers,
    why_blocked,
)

CALLER = "+16145550123"


def rule(kind: str, value: str = "", campaign_id: int | None = None, reason: str = "") -> dict[str, Any]:
    return {"id": 1, "kind": kind, "value": value, "campaign_id": campaign_id, "reason": reason}


def why(*rules: dict[str, Any], caller: str | None = CALLER, campaign_id: int = 1) -> str | None:
    problems: list[str] = []
    blocked = read_blocked_callers(rules, problems)
    assert problems == []
    return why_blocked(blocked, campaign_id, caller)


def test_a_number_is_blocked_for_the_reason_given() -> None:
    assert why(rule("number", CALLER, reason="asked not to be called")) == (
        "the number is blocked: asked not to be called"
    )
    assert why(rule("number", "+16145550124")) is None


def test_a_prefix_blocks_every_number_that_begins_with_it() -> None:
    assert why(rule("prefix", "+1900"), rule("prefix", "+1614555", reason="a robot")) == (
        "numbers that begin with +1614555 are blocked: a robot"
    )
    assert why(rule("prefix", "+1615")) is None
    assert why(rule("prefix", "+16145550123")) == "numbers that begin with +16145550123 are blocked"


def test_callers_who_hide_their_number_are_blocked_only_where_a_rule_says_so() -> None:
    assert why(rule("anonymous"), caller=None) == "the caller hides the number"
    assert why(rule("anonymous")) is None
    assert why(rule("prefix", "+1"), caller=None) is None


def test_a_rule_of_one_campaign_says_nothing_about_others() -> None:
    assert why(rule("number", CALLER, campaign_id=1)) is not None
    assert why(rule("number", CALLER, campaign_id=2)) is None


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        ("colour", "red", "kind: 'colour' is not one of number, prefix, anonymous"),
        ("number", "6145550123", "value: '6145550123' is not written like +16145550123"),
        ("number", "+1 614", "value: '+1 614' is not written like"),
        ("number", "+123", "value: '+123' is not written like +16145550123"),
        ("number", "+1212555012362", "value: '+1212555012362' is not written like +16145550123"),
        ("number", "+266696687", "value: '+266696687' is how carriers write a withheld number"),
        ("prefix", "+", "value: '+' is not written like"),
        ("prefix", "+1234567890123456", "value: '+1234567890123456' has 16 digits, not 1 to 15"),
        ("anonymous", "+1", "value: '+1' stands beside anonymous, which has none"),
    ],
)
def test_a_rule_that_cannot_be_right_is_refused_and_the_others_hold(
    kind: str, value: str, problem: str
) -> None:
    assert (blocked_caller_problem(kind, value) or "").startswith(problem)
    problems: list[str] = []
    blocked = read_blocked_callers([rule(kind, value), rule("number", CALLER)], problems)
    assert problems[0].startswith(f"blocked caller 1: {problem}")
    assert why_blocked(blocked, 1, CALLER) is not None


def test_a_market_names_blocked_numbers_by_their_index_alone() -> None:
    key = b"k" * 32
    row = rule("number", indexed(CALLER, key), reason="a prankster")
    blocked = read_blocked_callers([row], [], key)
    assert why_blocked(blocked, 1, CALLER) == "the number is blocked: a prankster"
    assert why_blocked(blocked, 1, "+16145550124") is None and why_blocked(blocked, 1, None) is None
    assert why_blocked(read_blocked_callers([row], [], b"x" * 32), 1, CALLER) is None, "of another key"
    # Without the key nobody can tell whom they name.
    without = read_blocked_callers([row], [])
    assert why_blocked(without, 1, CALLER) == "numbers are blocked, and there is no key to compare them by"
    assert blocked_caller_problem("number", row["value"]) is not None, "nobody types an index"
