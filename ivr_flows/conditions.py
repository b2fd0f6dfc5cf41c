"""Conditions in flows: the router's own (rules/condition.py) over the session's tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rules.condition import facts_of, parse_condition
from rules.condition_check import Facts, compile_condition
from rules.fact_kinds import Kind
from rules.known_facts import TAG_KINDS
from rules.telephone import area_code_of

CALL_FACTS: Mapping[str, Kind] = {"caller": Kind.TEXT, "area_code": Kind.TEXT}
"""Known of every call without a question: the caller's number and its area code."""

CONDITION_SCHEMA = {
    "type": "object",
    "description": 'Like {"fact": "state", "=": "OH"}; all, any and not combine. A tag of your own names its kind.',
    "x-form": "condition",
}


@dataclass(frozen=True, kw_only=True)
class TagTest:
    """A condition, ready to be asked. `tags` are those it looks at."""

    check: Callable[[Facts], bool | None]
    tags: frozenset[str]


def read_test(value: object) -> TagTest:
    """Read a condition. Raises ConditionError, a ValueError with every problem and its place."""
    condition = parse_condition(value, {**TAG_KINDS, **CALL_FACTS})
    return TagTest(check=compile_condition(condition), tags=facts_of(condition) - set(CALL_FACTS))


def facts_of_session(tags: Mapping[str, str], caller: str) -> Facts:
    """Return what a condition may ask of a call in its flow."""
    known = dict(tags)
    if caller:
        known["caller"] = caller
    area_code = area_code_of(caller)
    if area_code is not None:
        known["area_code"] = area_code
    return Facts(known)
