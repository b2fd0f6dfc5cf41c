"""The filters of a plan's targets by what they ask: "credit_score >= 620" of a hundred targets is one look-up.

A filter that is a list of plain tests, all of which have to be met, is taken apart, and so is a choice between plain
tests in it; whatever else is in it is asked of those targets only whose plain tests are met.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rules.condition import All, Any, Comparison, In
from rules.condition_check import Facts, compiled_once
from rules.fact_kinds import comparable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias, TypeGuard

    from rules.condition import Condition
    from rules.fact_kinds import Value

    Check: TypeAlias = Callable[[Facts], bool | None]
    Compiled: TypeAlias = dict[int, tuple[Condition, Check]]

PLAIN = ("=", "<", "<=", ">", ">=")


@dataclass(frozen=True, kw_only=True, slots=True)
class Thresholds:
    """One ordering test of one fact, with the value each target wants."""

    key: str
    values: Sequence[Value]
    """Rising."""
    failing: Sequence[int]
    """By place among `values`: who is not content when the fact falls there."""
    right: bool
    """Whether a fact equal to a value stands behind it."""
    everybody: int

    def unmet(self, facts: Facts) -> int:
        fact = facts[self.key]
        if fact is None:
            return self.everybody
        place = bisect_right(self.values, fact) if self.right else bisect_left(self.values, fact)
        return self.failing[place]


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """One fact that has to be one of some values, with those that each value contents."""

    key: str
    content: Mapping[Value, int]
    everybody: int

    def unmet(self, facts: Facts) -> int:
        fact = facts[self.key]
        return self.everybody if fact is None else self.everybody & ~self.content.get(fact, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Alternatives:
    """Tests of which each target needs only one of its own to be met."""

    tests: tuple[Thresholds | Choices, ...]
    everybody: int

    def unmet(self, facts: Facts) -> int:
        left = self.everybody
        for test in self.tests:
            left &= test.unmet(facts) | ~test.everybody
            if not left:
                break
        return left


@dataclass(frozen=True, kw_only=True, slots=True)
class FilterIndex:
    """The filters of many targets. Made by `index_filters`."""

    plain: tuple[Thresholds | Choices | Alternatives, ...]
    rest: tuple[tuple[Check, int], ...]
    everybody: int

    def unmet(self, facts: Facts, among: int) -> int:
        """Return those of `among` whose filters are not met."""
        among &= self.everybody
        left = among
        for tests in self.plain:
            if not left:
                break
            left &= ~tests.unmet(facts)
        for check, targets in self.rest:
            if targets & left and not check(facts):
                left &= ~targets
        return among ^ left


def index_filters(filters: Iterable[tuple[Condition, int]], compiled: Compiled) -> FilterIndex:
    """Take filters apart; each comes with the set of targets that have it. `compiled` is Snapshot.compiled."""
    plain = _Tests()
    choices: list[_Tests] = []
    rest: dict[Condition, int] = {}
    everybody = 0
    for condition, targets in filters:
        everybody |= targets
        for part in condition.parts if isinstance(condition, All) else (condition,):
            if _is_plain(part):
                plain.add(part, targets)
            elif isinstance(part, Any) and (tests := _tests_in(part)):
                _add_choice(choices, tests, targets)
            else:
                rest[part] = rest.get(part, 0) | targets
    alternatives = (Alternatives(tests=tuple(one.made()), everybody=one.everybody) for one in choices)
    return FilterIndex(
        plain=(*plain.made(), *alternatives),
        rest=tuple((compiled_once(part, compiled), targets) for part, targets in rest.items()),
        everybody=everybody,
    )


def _is_plain(part: Condition) -> TypeGuard[Comparison | In]:
    return isinstance(part, In) or (isinstance(part, Comparison) and part.operator in PLAIN)


def _tests_in(choice: Any) -> Sequence[Comparison | In] | None:
    """Return what can be chosen from, when it is nothing but plain tests."""
    tests = [part for part in choice.parts if _is_plain(part)]
    return tests if len(tests) == len(choice.parts) else None


def _add_choice(choices: list[_Tests], tests: Sequence[Comparison | In], targets: int) -> None:
    """A target may have to choose twice: its second choice goes among others' second ones."""
    free = next((one for one in choices if not one.everybody & targets), None)
    if free is None:
        choices.append(free := _Tests())
    for test in tests:
        free.add(test, targets)


class _Tests:
    """Plain tests of many targets on their way into tables.

    Each table holds one test of a target: what a target asks a second time about one fact goes into another.
    """

    def __init__(self) -> None:
        self.everybody = 0
        self._tables: dict[tuple[str, str], list[_Table]] = {}

    def add(self, part: Comparison | In, targets: int) -> None:
        self.everybody |= targets
        key, kind = f"{part.kind.value}:{part.fact}", part.kind
        operator, values = ("=", part.values) if isinstance(part, In) else (part.operator, (part.value,))
        tables = self._tables.setdefault((key, operator), [])
        table = next((one for one in tables if not one.everybody & targets), None)
        if table is None:
            tables.append(table := _Table())
        table.everybody |= targets
        for value in dict.fromkeys(comparable(kind, value) for value in values):
            table.wanted[value] = table.wanted.get(value, 0) | targets

    def made(self) -> Iterator[Thresholds | Choices]:
        for (key, operator), tables in self._tables.items():
            for table in tables:
                if operator == "=":
                    yield Choices(key=key, content=table.wanted, everybody=table.everybody)
                else:
                    yield _thresholds(key, operator, table)


@dataclass(kw_only=True, slots=True)
class _Table:
    """Who wants which value."""

    wanted: dict[Value, int] = field(default_factory=dict)
    everybody: int = 0


def _thresholds(key: str, operator: str, table: _Table) -> Thresholds:
    values = sorted(table.wanted)
    sets = [table.wanted[value] for value in values]
    if operator.startswith(">"):
        failing = [_union(sets[place:]) for place in range(len(sets) + 1)]
    else:
        failing = [_union(sets[:place]) for place in range(len(sets) + 1)]
    # fact >= value is met by an equal fact, so the equal value has to lie before the place; for "<" as well, where
    # what lies before fails.
    return Thresholds(
        key=key, values=values, failing=failing, right=operator in (">=", "<"), everybody=table.everybody
    )


def _union(sets: Iterable[int]) -> int:
    found = 0
    for one in sets:
        found |= one
    return found
