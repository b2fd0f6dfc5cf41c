"""A typed condition over what is known of a call: a buyer's filter, a flow's branch, a term of a contract.

    {"all": [{"fact": "loan_type", "in": ["refinance", "home_equity"]},
             {"any": [{"fact": "credit_score", ">=": 620}, {"fact": "home_value", ">": "400000"}]},
             {"fact": "age", "between": [62, 99]},
             {"not": {"fact": "state", "=": "NY"}},
             {"fact": "score", "known": true}]}

`all` is AND, `any` is OR. A fact's kind comes from the list of known facts; a tag of a flow's own names it:
{"fact": "roof_age", "kind": "number", "<": 10}. Both ends of `between` count; for times of day it may go past
midnight. Conditions are checked when they are saved: ConditionError names each place and reason.

How it is judged stands in condition_check.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from rules.fact_kinds import ORDERED, Kind, read_value, spell, to_json_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias, TypeVar

    from rules.fact_kinds import Value

    T = TypeVar("T")
    Leaf: TypeAlias = "Comparison | In | Between | Known"
    Condition: TypeAlias = "All | Any | Not | Leaf"
    Kinds: TypeAlias = Mapping[str, Kind]

MAXIMUM_DEPTH = 10
MAXIMUM_PARTS = 200
MAXIMUM_VALUES = 500
MAXIMUM_NAME_CHARACTERS = 60

EQUALITIES = ("=", "!=")
ORDERINGS = ("<", "<=", ">", ">=")
TESTS = (*EQUALITIES, *ORDERINGS, "in", "between", "known")


class ConditionError(ValueError):
    """A condition that cannot be right. `problems` names each place and reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, kw_only=True, slots=True)
class All:
    """Met when every part is."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Any:
    """Met when one part is."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Not:
    """Met when the part is certainly not: a fact that is not known meets neither it nor its opposite."""

    part: Condition


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """A fact against one value."""

    fact: str
    kind: Kind
    operator: str
    value: Value


@dataclass(frozen=True, kw_only=True, slots=True)
class In:
    """A fact that is one of several values."""

    fact: str
    kind: Kind
    values: tuple[Value, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Between:
    """A fact from `low` to `high`, both included."""

    fact: str
    kind: Kind
    low: Value
    high: Value


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """Whether a fact is known at all, and of its kind."""

    fact: str
    kind: Kind
    known: bool


def parse_condition(value: object, kinds: Kinds) -> Condition:
    """Read a condition from its JSON; `kinds` are the known facts. Raises ConditionError with every problem."""
    return _Reader(kinds).read("", value, depth=1)


def to_json(condition: Condition, kinds: Kinds) -> dict[str, object]:
    """Return the JSON that `parse_condition` reads back, given the same known facts."""
    if isinstance(condition, All):
        return {"all": [to_json(part, kinds) for part in condition.parts]}
    if isinstance(condition, Any):
        return {"any": [to_json(part, kinds) for part in condition.parts]}
    if isinstance(condition, Not):
        return {"not": to_json(condition.part, kinds)}
    own = {} if condition.fact in kinds else {"kind": condition.kind.value}
    return {"fact": condition.fact, **own, **_test_to_json(condition)}


def _test_to_json(leaf: Leaf) -> dict[str, object]:
    if isinstance(leaf, Comparison):
        return {leaf.operator: to_json_value(leaf.kind, leaf.value)}
    if isinstance(leaf, In):
        return {"in": [to_json_value(leaf.kind, value) for value in leaf.values]}
    if isinstance(leaf, Between):
        return {"between": [to_json_value(leaf.kind, end) for end in (leaf.low, leaf.high)]}
    return {"known": leaf.known}


def describe(condition: Condition) -> str:
    """Write a condition for people: credit_score >= 620 and (state in OH, MI or not age between 18 and 61)."""
    if isinstance(condition, All):
        return " and ".join(_describe_part(part) for part in condition.parts)
    if isinstance(condition, Any):
        return " or ".join(_describe_part(part) for part in condition.parts)
    if isinstance(condition, Not):
        return f"not {_describe_part(condition.part)}"
    return f"{condition.fact} {describe_test(condition)}"


def describe_test(leaf: Leaf) -> str:
    """Write what a leaf asks of its fact: >= 620."""
    if isinstance(leaf, Comparison):
        return f"{leaf.operator} {spell(leaf.kind, leaf.value)}"
    if isinstance(leaf, In):
        return f"in {', '.join(spell(leaf.kind, value) for value in leaf.values)}"
    if isinstance(leaf, Between):
        return f"between {spell(leaf.kind, leaf.low)} and {spell(leaf.kind, leaf.high)}"
    return "known" if leaf.known else "not known"


def facts_of(condition: Condition) -> frozenset[str]:
    """Return the names of the facts a condition looks at."""
    if isinstance(condition, All | Any):
        return frozenset[str]().union(*(facts_of(part) for part in condition.parts))
    return facts_of(condition.part) if isinstance(condition, Not) else frozenset({condition.fact})


def leaves_of(condition: Condition) -> Iterator[Leaf]:
    """Yield the tests a condition is made of."""
    if isinstance(condition, All | Any):
        for part in condition.parts:
            yield from leaves_of(part)
    elif isinstance(condition, Not):
        yield from leaves_of(condition.part)
    else:
        yield condition


def _describe_part(part: Condition) -> str:
    return f"({describe(part)})" if isinstance(part, All | Any) else describe(part)


class _Reader:
    """Reads one condition; each problem bears its place (`all[1].any[0].between[0]`)."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._parts = 0

    def read(self, place: str, value: object, depth: int) -> Condition:
        self._parts += 1
        if depth > MAXIMUM_DEPTH:
            raise _refusal(place, f"nested deeper than {MAXIMUM_DEPTH}")
        if not isinstance(value, Mapping):
            raise _refusal(place, 'not an object like {"fact": "state", "=": "OH"}')
        if "fact" in value:
            return self._leaf(place, value)
        if len(value) != 1 or next(iter(value)) not in ("all", "any", "not"):
            raise _refusal(place, "needs a fact, or exactly one of all, any, not")
        ((key, inner),) = value.items()
        if key == "not":
            return Not(part=self.read(_inside(place, "not"), inner, depth + 1))
        parts = self._several(_inside(place, key), inner, depth + 1)
        return All(parts=parts) if key == "all" else Any(parts=parts)

    def _several(self, place: str, value: object, depth: int) -> tuple[Condition, ...]:
        if not isinstance(value, list) or not value:
            raise _refusal(place, "not a list of one or more conditions")
        if self._parts + len(value) > MAXIMUM_PARTS:
            raise _refusal(place, f"more than {MAXIMUM_PARTS} parts in all")
        return _read_each(
            [partial(self.read, f"{place}[{index}]", one, depth) for index, one in enumerate(value)]
        )

    def _leaf(self, place: str, value: Mapping[str, object]) -> Condition:
        unknown = [key for key in value if key not in ("fact", "kind", *TESTS)]
        if unknown:
            raise _refusal(_inside(place, f"{unknown[0]:.40}"), "not known")
        fact, kind = self._fact(place, value)
        tests = [key for key in value if key in TESTS]
        if len(tests) != 1:
            raise _refusal(place, f"needs exactly one test of {' '.join(TESTS)}")
        operator = tests[0]
        where, asked = _inside(place, operator), value[operator]
        if operator in _NEED_ORDER and kind not in ORDERED:
            raise _refusal(where, f"{fact} is {kind.value}, which has no order; use = or in")
        if operator in _SPECIAL_TESTS:
            return _SPECIAL_TESTS[operator](where, fact, kind, asked)
        return Comparison(fact=fact, kind=kind, operator=operator, value=_value(where, kind, asked))

    def _fact(self, place: str, value: Mapping[str, object]) -> tuple[str, Kind]:
        fact, named = value["fact"], value.get("kind")
        where = _inside(place, "fact")
        if not isinstance(fact, str) or not _is_name(fact):
            raise _refusal(where, f"{fact!r:.80} is not a name like credit_score")
        known = self._kinds.get(fact)
        if named is None:
            if known is None:
                own = f"a tag of a flow's own needs a kind ({', '.join(Kind)})"
                raise _refusal(where, f"{fact} is not a known fact; {own}")
            return fact, known
        if not isinstance(named, str) or named not in tuple(Kind):
            raise _refusal(_inside(place, "kind"), f"{named!r:.80} is not one of {', '.join(Kind)}")
        if known is not None and known != named:
            raise _refusal(_inside(place, "kind"), f"{fact} is {known.value}, not {named}")
        return fact, Kind(named)


def _read_in(place: str, fact: str, kind: Kind, asked: object) -> Condition:
    if not isinstance(asked, list) or not 1 <= len(asked) <= MAXIMUM_VALUES:
        raise _refusal(place, f"not a list of 1 to {MAXIMUM_VALUES} values")
    return In(fact=fact, kind=kind, values=_values(place, kind, asked))


def _read_between(place: str, fact: str, kind: Kind, asked: object) -> Condition:
    if not isinstance(asked, list) or len(asked) != 2:
        raise _refusal(place, "not a list of two values, the lowest and the highest")
    low, high = _values(place, kind, asked)
    if low > high and kind is not Kind.TIME:  # type: ignore[operator]
        raise _refusal(place, f"{spell(kind, low)} is more than {spell(kind, high)}")
    return Between(fact=fact, kind=kind, low=low, high=high)


def _read_known(place: str, fact: str, kind: Kind, asked: object) -> Condition:
    if not isinstance(asked, bool):
        raise _refusal(place, "not true or false")
    return Known(fact=fact, kind=kind, known=asked)


_NEED_ORDER = (*ORDERINGS, "between")
_SPECIAL_TESTS: Mapping[str, Callable[[str, str, Kind, object], Condition]] = {
    "in": _read_in,
    "between": _read_between,
    "known": _read_known,
}


def _values(place: str, kind: Kind, asked: Sequence[object]) -> tuple[Value, ...]:
    return _read_each([partial(_value, f"{place}[{index}]", kind, one) for index, one in enumerate(asked)])


def _value(place: str, kind: Kind, asked: object) -> Value:
    try:
        return read_value(kind, asked)
    except ValueError as error:
        raise _refusal(place, str(error)) from error


def _read_each(readings: Sequence[Callable[[], T]]) -> tuple[T, ...]:
    """Read all, to name every problem at once."""
    done: list[T] = []
    problems: list[str] = []
    for read in readings:
        try:
            done.append(read())
        except ConditionError as error:
            problems.extend(error.problems)
    if problems:
        raise ConditionError(problems)
    return tuple(done)


def _refusal(place: str, reason: str) -> ConditionError:
    return ConditionError([f"{place}: {reason}" if place else reason])


def _inside(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _is_name(fact: str) -> bool:
    """Whether `fact` may name a tag."""
    plain = fact.replace("_", "a").replace("-", "a")
    return 0 < len(fact) <= MAXIMUM_NAME_CHARACTERS and plain.isascii() and plain.isalnum()
