"""Judges a condition. What is not known is neither met nor not met, so NOT never turns ignorance into a yes.

A condition is compiled once, when the market is read, into nested functions: a decision asks hundreds of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import eq, ge, gt, le, lt, ne

from rules.condition import All, Any, Between, Comparison, In, Not, describe, describe_test, facts_of
from rules.fact_kinds import Kind, comparable, read_fact, spell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from rules.condition import Condition, Leaf
    from rules.fact_kinds import Value

    Check: TypeAlias = Callable[["Facts"], bool | None]
    Say: TypeAlias = Callable[[Leaf, Value | None], str]

_OPERATORS: Mapping[str, Callable[..., bool]] = {
    "=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge,
}  # fmt: skip
_KINDS = {kind.value: kind for kind in Kind}


class Facts(dict[str, "Value | None"]):
    """What is known of a call. A tag is read as the kind a condition asks for once, when it is first asked for."""

    def __init__(self, tags: Mapping[str, str], also: Callable[[], Mapping[str, str]] | None = None) -> None:
        """`also` works out more tags: it is called once, when one is asked for that is not among `tags`."""
        super().__init__()
        self._tags = tags
        self._also = also

    def __missing__(self, key: str) -> Value | None:
        kind, _, name = key.partition(":")
        text = self._tags.get(name)
        if text is None and self._also is not None:
            self._tags, self._also = {**self._also(), **self._tags}, None
            text = self._tags.get(name)
        value = self[key] = None if text is None else read_fact(_KINDS[kind], text)
        return value


def compile_condition(condition: Condition) -> Check:
    """Return the function that judges `condition`: True (met), False (not met), None (not known)."""
    if isinstance(condition, All):
        return _all(tuple(compile_condition(part) for part in condition.parts))
    if isinstance(condition, Any):
        return _any(tuple(compile_condition(part) for part in condition.parts))
    if isinstance(condition, Not):
        return _not(compile_condition(condition.part))
    return _leaf(condition)


def compiled_once(condition: Condition, compiled: dict[int, tuple[Condition, Check]]) -> Check:
    """Return what compile_condition returned the first time. The condition is kept as well: its id stays its own."""
    known = compiled.get(id(condition))
    if known is None:
        known = compiled[id(condition)] = (condition, compile_condition(condition))
    return known[1]


def why_not(condition: Condition, facts: Facts, say: Say | None = None) -> str:
    """Say for people what of a condition that is not met is missing; '' when it is met.

    `say` has words of its own for some tests: it is given the test and what was found, and returns '' for the others.
    """
    if compile_condition(condition)(facts):
        return ""
    if isinstance(condition, All):
        return next(reason for part in condition.parts if (reason := why_not(part, facts, say)))
    if isinstance(condition, Any):
        return "; ".join(why_not(part, facts, say) for part in condition.parts)
    if isinstance(condition, Not):
        return _why_not_opposite(condition.part, facts)
    found = facts[_key(condition.fact, condition.kind)]
    return (say(condition, found) if say else "") or _why_not_leaf(condition, facts)


def _why_not_opposite(part: Condition, facts: Facts) -> str:
    wanted = f"wanted not ({describe(part)})"
    if compile_condition(part)(facts) is None:
        return f"{' or '.join(sorted(facts_of(part)))} is not known, {wanted}"
    return wanted


def _why_not_leaf(leaf: Leaf, facts: Facts) -> str:
    value = facts[_key(leaf.fact, leaf.kind)]
    found = "not known" if value is None else spell(leaf.kind, value)
    return f"{leaf.fact} is {found}, wanted {describe_test(leaf)}"


def _key(fact: str, kind: Kind) -> str:
    return f"{kind.value}:{fact}"


def _all(checks: tuple[Check, ...]) -> Check:
    def check(facts: Facts) -> bool | None:
        answer: bool | None = True
        for part in checks:
            found = part(facts)
            if found is False:
                return False
            if found is None:
                answer = None
        return answer

    return check


def _any(checks: tuple[Check, ...]) -> Check:
    def check(facts: Facts) -> bool | None:
        answer: bool | None = False
        for part in checks:
            found = part(facts)
            if found is True:
                return True
            if found is None:
                answer = None
        return answer

    return check


def _not(inner: Check) -> Check:
    def check(facts: Facts) -> bool | None:
        found = inner(facts)
        return None if found is None else not found

    return check


def _leaf(leaf: Leaf) -> Check:
    key, kind = _key(leaf.fact, leaf.kind), leaf.kind
    if isinstance(leaf, Comparison):
        return _comparison(key, _OPERATORS[leaf.operator], comparable(kind, leaf.value))
    if isinstance(leaf, In):
        return _in(key, frozenset(comparable(kind, value) for value in leaf.values))
    if isinstance(leaf, Between):
        return _between(key, leaf.low, leaf.high)
    return _known(key, leaf.known)


def _comparison(key: str, compare: Callable[..., bool], value: Value) -> Check:
    def check(facts: Facts) -> bool | None:
        fact = facts[key]
        return None if fact is None else compare(fact, value)

    return check


def _in(key: str, values: frozenset[Value]) -> Check:
    def check(facts: Facts) -> bool | None:
        fact = facts[key]
        return None if fact is None else fact in values

    return check


def _between(key: str, low: Value, high: Value) -> Check:
    def check(facts: Facts) -> bool | None:
        fact = facts[key]
        return None if fact is None else low <= fact <= high  # type: ignore[operator]

    def check_past_midnight(facts: Facts) -> bool | None:
        fact = facts[key]
        return None if fact is None else fact >= low or fact <= high  # type: ignore[operator]

    return check_past_midnight if low > high else check  # type: ignore[operator]


def _known(key: str, known: bool) -> Check:
    def check(facts: Facts) -> bool | None:
        return (facts[key] is not None) is known

    return check
