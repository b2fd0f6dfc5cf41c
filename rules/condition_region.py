"""Whether a condition can ever be met: found before terms are saved, not when a call is not paid. Pure.

Each fact is given the region of values in which one branch of the condition can be met; a branch is impossible when
a region is empty. A fact may also be unknown, which meets neither a test nor its opposite (condition_check).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from math import inf

from rules.condition import All, Any, Between, Comparison, In, Known, Not
from rules.fact_kinds import DAY_MINUTES, ORDERED, Kind, comparable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import date
    from typing import TypeAlias

    from rules.condition import Condition, Leaf
    from rules.fact_kinds import Value

    Branch: TypeAlias = tuple["Literal", ...]
    Number: TypeAlias = int | float

MAXIMUM_BRANCHES = 2000
"""A condition with more branches than this is taken to be possible."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """Values from `low` to `high`; an open end does not belong to it."""

    low: Number = -inf
    high: Number = inf
    low_open: bool = False
    high_open: bool = False

    def meet(self, other: Interval) -> Interval | None:
        """Return what both hold; None when that is nothing."""
        low, low_open = max((self.low, self.low_open), (other.low, other.low_open))
        high, not_open = min((self.high, not self.high_open), (other.high, not other.high_open))
        if low > high or (low == high and (low_open or not not_open)):
            return None
        return Interval(low=low, high=high, low_open=low_open, high_open=not not_open)


@dataclass(frozen=True, kw_only=True, slots=True)
class Literal:
    """One fact and where it may lie: numbers in intervals, anything else in a set of values or outside it."""

    fact: str
    kind: Kind
    intervals: tuple[Interval, ...] = (Interval(),)
    values: frozenset[Value] = frozenset()
    inside: bool = False
    """Whether `values` are those that are met, or those that are not."""
    unknown: bool = False
    """Whether a fact that is not known will do as well."""


class TooManyBranches(Exception):
    """The condition is too wide to be looked at whole."""


def can_be_met(
    wanted: Iterable[Condition], never: Iterable[Condition] = (), always_known: Collection[str] = ()
) -> bool:
    """Return whether all of `wanted` can be met while none of `never` is. True when there are too many ways to tell.

    `always_known` are the facts that every call has.
    """
    parts = [branches_of(one, met=True, known=True) for one in wanted]
    parts += [branches_of(one, met=False, known=False) for one in never]
    try:
        return any(_is_possible(branch, always_known) for branch in _conjoined(parts))
    except TooManyBranches:
        return True


def branches_of(condition: Condition, *, met: bool, known: bool) -> list[Branch]:
    """Return the branches in which the condition is met (or not), certainly (`known`) or for all that is known."""
    if isinstance(condition, Not):
        # Certainly not met is what NOT asks for; "not met for all we know" is the opposite of "certainly met".
        return branches_of(condition.part, met=not met, known=known)
    if isinstance(condition, All | Any):
        parts = [branches_of(part, met=met, known=known) for part in condition.parts]
        together = isinstance(condition, All) == met
        return list(_conjoined(parts)) if together else [branch for part in parts for branch in part]
    return [(_literal(condition, met=met, unknown=not known),)]


def _conjoined(parts: list[list[Branch]]) -> Iterator[Branch]:
    count = 1
    for part in parts:
        count *= len(part)
        if count > MAXIMUM_BRANCHES:
            raise TooManyBranches
    for chosen in product(*parts):
        yield tuple(literal for branch in chosen for literal in branch)


def _literal(leaf: Leaf, *, met: bool, unknown: bool) -> Literal:
    if isinstance(leaf, Known):
        if leaf.known == met:
            return Literal(fact=leaf.fact, kind=leaf.kind)
        return Literal(fact=leaf.fact, kind=leaf.kind, intervals=(), inside=True, unknown=True)
    if leaf.kind in ORDERED:
        intervals = _intervals(leaf)
        return Literal(
            fact=leaf.fact,
            kind=leaf.kind,
            intervals=intervals if met else _complement(intervals),
            unknown=unknown,
        )
    values, inside = _values(leaf)
    return Literal(fact=leaf.fact, kind=leaf.kind, values=values, inside=inside == met, unknown=unknown)


def _values(leaf: Leaf) -> tuple[frozenset[Value], bool]:
    if isinstance(leaf, In):
        return frozenset(comparable(leaf.kind, value) for value in leaf.values), True
    assert isinstance(leaf, Comparison)
    return frozenset({comparable(leaf.kind, leaf.value)}), leaf.operator == "="


_BY_OPERATOR: dict[str, Callable[[Number], tuple[Interval, ...]]] = {
    "=": lambda value: (Interval(low=value, high=value),),
    "!=": lambda value: (Interval(high=value, high_open=True), Interval(low=value, low_open=True)),
    "<": lambda value: (Interval(high=value, high_open=True),),
    "<=": lambda value: (Interval(high=value),),
    ">": lambda value: (Interval(low=value, low_open=True),),
    ">=": lambda value: (Interval(low=value),),
}


def _intervals(leaf: Leaf) -> tuple[Interval, ...]:
    if isinstance(leaf, In):
        points = sorted({_number(value) for value in leaf.values})
        return tuple(Interval(low=point, high=point) for point in points)
    if isinstance(leaf, Between):
        low, high = _number(leaf.low), _number(leaf.high)
        if low <= high:
            return (Interval(low=low, high=high),)
        return (Interval(high=high), Interval(low=low))
    assert isinstance(leaf, Comparison)
    return _BY_OPERATOR[leaf.operator](_number(leaf.value))


def _complement(intervals: tuple[Interval, ...]) -> tuple[Interval, ...]:
    """Return what lies outside all of them."""
    left: list[Interval] = [Interval()]
    for one in intervals:
        outside = (
            Interval(high=one.low, high_open=not one.low_open),
            Interval(low=one.high, low_open=not one.high_open),
        )
        left = [met for piece in left for side in outside if (met := piece.meet(side)) is not None]
    return tuple(left)


def _number(value: Value) -> Number:
    if isinstance(value, int | float):
        return value
    day: date = value  # type: ignore[assignment]
    return day.toordinal()


def _is_possible(branch: Branch, always_known: Collection[str]) -> bool:
    by_fact: dict[tuple[str, Kind], list[Literal]] = {}
    for literal in branch:
        by_fact.setdefault((literal.fact, literal.kind), []).append(literal)
    return all(_have_room(fact, literals, always_known) for (fact, _), literals in by_fact.items())


def _have_room(fact: str, literals: list[Literal], always_known: Collection[str]) -> bool:
    if fact not in always_known and all(literal.unknown for literal in literals):
        return True
    return _intervals_meet(literals) if literals[0].kind in ORDERED else _sets_meet(literals)


def _intervals_meet(literals: list[Literal]) -> bool:
    kind = literals[0].kind
    left = [Interval(low=0, high=DAY_MINUTES - 1) if kind is Kind.TIME else Interval()]
    for literal in literals:
        left = [met for piece in left for one in literal.intervals if (met := piece.meet(one)) is not None]
    return bool(left)


def _sets_meet(literals: list[Literal]) -> bool:
    allowed: frozenset[Value] | None = frozenset({True, False}) if literals[0].kind is Kind.YES_NO else None
    for literal in literals:
        if literal.inside:
            allowed = literal.values if allowed is None else allowed & literal.values
    excluded: frozenset[Value] = frozenset().union(*(one.values for one in literals if not one.inside))
    return allowed is None or bool(allowed - excluded)
