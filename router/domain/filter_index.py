"""The filters of a plan's targets by what they ask: "credit_score >= 620" of a hundred targets is one look-up.

A filter that is a list of plain tests, all of which have to be met, is taken apart; whatever else is in it is asked of
those targets only whose plain tests are met.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rules.condition import All, Comparison, In
from rules.condition_check import Facts, compile_condition
from rules.fact_kinds import Kind, comparable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from rules.condition import Condition

    Check: TypeAlias = Callable[[Facts], bool | None]

ORDERINGS = ("<", "<=", ">", ">=")


@dataclass(frozen=True, kw_only=True, slots=True)
class Thresholds:
    """One ordering test of one fact, with the value each target wants."""

    key: str
    values: Sequence[Any]
    """Rising."""
    failing: Sequence[int]
    """By place among `values`: who is not content when the fact falls there."""
    right: bool
    """Whether a fact equal to a value stands behind it."""
    everybody: int

    def unmet(self, fact: Any) -> int:
        if fact is None:
            return self.everybody
        place = bisect_right(self.values, fact) if self.right else bisect_left(self.values, fact)
        return self.failing[place]


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """One fact that has to be one of some values, with those that each value contents."""

    key: str
    content: Mapping[Any, int]
    everybody: int

    def unmet(self, fact: Any) -> int:
        return self.everybody if fact is None else self.everybody & ~self.content.get(fact, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class FilterIndex:
    """The filters of many targets. Made by `index_filters`."""

    plain: tuple[Thresholds | Choices, ...]
    rest: tuple[tuple[Check, int], ...]
    everybody: int

    def unmet(self, facts: Facts, among: int) -> int:
        """Return those of `among` whose filters are not met."""
        among &= self.everybody
        left = among
        for tests in self.plain:
            left &= ~tests.unmet(facts[tests.key])
        for check, targets in self.rest:
            if targets & left and not check(facts):
                left &= ~targets
        return among ^ left


def index_filters(filters: Iterable[tuple[Condition, int]], compiled: dict[int, Any]) -> FilterIndex:
    """Take filters apart; each comes with the set of targets that have it. `compiled` is Snapshot.compiled."""
    orderings: dict[tuple[str, str], dict[Any, int]] = {}
    choices: dict[str, list[tuple[frozenset[Any], int]]] = {}
    rest: list[tuple[Check, int]] = []
    everybody = 0
    for condition, targets in filters:
        everybody |= targets
        for part in condition.parts if isinstance(condition, All) else (condition,):
            if isinstance(part, Comparison) and part.operator in ORDERINGS:
                wanted = orderings.setdefault((_key(part), part.operator), {})
                wanted[part.value] = wanted.get(part.value, 0) | targets
            elif isinstance(part, Comparison) and part.operator == "=":
                value = comparable(part.kind, part.value)
                choices.setdefault(_key(part), []).append((frozenset((value,)), targets))
            elif isinstance(part, In):
                values = frozenset(comparable(part.kind, value) for value in part.values)
                choices.setdefault(_key(part), []).append((values, targets))
            else:
                rest.append((_compiled(part, compiled), targets))
    plain = [_thresholds(key, operator, wanted) for (key, operator), wanted in orderings.items()]
    return FilterIndex(
        plain=(*plain, *(one for key, found in choices.items() for one in _choices(key, found))),
        rest=tuple(rest),
        everybody=everybody,
    )


def _compiled(part: Condition, compiled: dict[int, Any]) -> Check:
    """Compile a part once a market. The part is kept beside its check: its id stays its own as long."""
    known = compiled.get(id(part))
    if known is None:
        known = compiled[id(part)] = (part, compile_condition(part))
    check: Check = known[1]
    return check


def _key(part: Comparison | In) -> str:
    kind: Kind = part.kind
    return f"{kind.value}:{part.fact}"


def _thresholds(key: str, operator: str, wanted: Mapping[Any, int]) -> Thresholds:
    values = sorted(wanted)
    sets = [wanted[value] for value in values]
    if operator.startswith(">"):
        failing = [_union(sets[place:]) for place in range(len(sets) + 1)]
    else:
        failing = [_union(sets[:place]) for place in range(len(sets) + 1)]
    # fact >= value is met by an equal fact, so the equal value has to lie before the place; for "<" as well, where
    # what lies before fails.
    return Thresholds(
        key=key, values=values, failing=failing, right=operator in (">=", "<"), everybody=_union(sets)
    )


def _choices(key: str, found: Sequence[tuple[frozenset[Any], int]]) -> Iterable[Choices]:
    """A target may ask twice about one fact: what it asks the second time goes into another table."""
    while found:
        content: dict[Any, int] = {}
        everybody, later = 0, []
        for values, targets in found:
            if everybody & targets:
                later.append((values, targets))
                continue
            everybody |= targets
            for value in values:
                content[value] = content.get(value, 0) | targets
        yield Choices(key=key, content=content, everybody=everybody)
        found = later


def _union(sets: Iterable[int]) -> int:
    found = 0
    for one in sets:
        found |= one
    return found
