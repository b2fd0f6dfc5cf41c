"""How far a buyer may go with a target of its own: what the house set, what the buyer made of it. Pure.

A buyer may pause, narrow the hours, lower the number of calls at once and a day, drop states, and take only calls that
follow rules of its own. What the house had set is kept beside, so that it can be taken back; when the house changes the
target since, that counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from router.domain.known_facts import KNOWN_FACTS
from rules.condition import ConditionError, parse_condition
from rules.places import STATES
from web.buyer.hours import Week, narrowed
from web.buyer.only_when import RULES_MAXIMUM, Rule, condition_of, rule_problem

CALLS_A_DAY_MAXIMUM = 1_000_000


@dataclass(frozen=True, kw_only=True)
class OwnTarget:
    """A buyer's target: as it works now, and as the house set it. `calls_a_day` None: no limit of the buyer's own."""

    id: int
    name: str
    enabled: bool
    paused_at: datetime | None
    schedule: Mapping[str, Any]
    concurrency_cap: int
    filters: Mapping[str, Any] | None
    house_schedule: Mapping[str, Any]
    house_concurrency_cap: int
    house_filters: Mapping[str, Any] | None
    dropped_states: tuple[str, ...]
    calls_a_day: int | None
    rules: tuple[Rule, ...] = ()

    @property
    def takes_calls(self) -> bool:
        return self.enabled and self.paused_at is None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a buyer asks for; None leaves a part as it is, `calls_a_day` 0 takes the buyer's own limit away."""

    week: Week | None = None
    concurrency_cap: int | None = None
    calls_a_day: int | None = None
    dropped_states: tuple[str, ...] | None = None
    rules: tuple[Rule, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class LimitProblem:
    """What is wrong with a part: `hours.0` to `hours.6`, concurrency_cap, calls_a_day, dropped_states, rules,
    or rules.0 to rules.19."""

    field: str
    problem: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the target is to be."""

    schedule: Mapping[str, Any]
    concurrency_cap: int
    filters: Mapping[str, Any] | None
    dropped_states: tuple[str, ...]
    calls_a_day: int | None
    rules: tuple[Rule, ...]


def settle(target: OwnTarget, wanted: Wanted) -> Settings | list[LimitProblem]:
    """Return the target as wanted, or everything in it that goes beyond what the house allows."""
    problems: list[LimitProblem] = []
    schedule = target.schedule
    if wanted.week is not None:
        cut = narrowed(target.house_schedule, wanted.week)
        if isinstance(cut, list):
            problems += [LimitProblem(field=f"hours.{one.day}", problem=one.problem) for one in cut]
        else:
            schedule = cut
    problems += _caps(target, wanted)
    dropped = target.dropped_states if wanted.dropped_states is None else wanted.dropped_states
    unknown = [state for state in dropped if state not in STATES]
    if unknown:
        problems.append(LimitProblem(field="dropped_states", problem=f"{unknown[0][:20]} is no state."))
    rules = target.rules if wanted.rules is None else wanted.rules
    problems += _rule_problems(rules)
    if problems:
        return problems
    filters = with_own_wishes(target.house_filters, dropped, rules)
    if is_too_much(filters):
        return [LimitProblem(field="rules", problem="That is more than a filter can hold: leave a rule out.")]
    return Settings(
        schedule=schedule,
        concurrency_cap=target.concurrency_cap if wanted.concurrency_cap is None else wanted.concurrency_cap,
        filters=filters,
        dropped_states=tuple(sorted(set(dropped))),
        calls_a_day=target.calls_a_day if wanted.calls_a_day is None else wanted.calls_a_day or None,
        rules=rules,
    )


def _caps(target: OwnTarget, wanted: Wanted) -> list[LimitProblem]:
    found, most = [], target.house_concurrency_cap
    if wanted.concurrency_cap is not None and not 0 < wanted.concurrency_cap <= most:
        problem = f"At once you may take 1 to {most} calls; for more, ask us. For none, pause the target."
        found.append(LimitProblem(field="concurrency_cap", problem=problem))
    if wanted.calls_a_day is not None and not 0 <= wanted.calls_a_day <= CALLS_A_DAY_MAXIMUM:
        problem = f"Calls a day are 1 to {CALLS_A_DAY_MAXIMUM:,}; leave it empty for no limit of your own."
        found.append(LimitProblem(field="calls_a_day", problem=problem))
    return found


def _rule_problems(rules: Sequence[Rule]) -> list[LimitProblem]:
    if len(rules) > RULES_MAXIMUM:
        return [LimitProblem(field="rules", problem=f"At most {RULES_MAXIMUM} rules are taken.")]
    found = [(place, rule_problem(rule)) for place, rule in enumerate(rules)]
    return [LimitProblem(field=f"rules.{place}", problem=problem) for place, problem in found if problem]


def with_own_wishes(
    filters: Mapping[str, Any] | None, dropped: Sequence[str], rules: Sequence[Rule]
) -> Mapping[str, Any] | None:
    """Return a filter (rules.condition) that also keeps away calls from these states, and those no rule is for."""
    parts = [] if filters is None else [filters]
    parts += [condition_of(rule) for rule in rules]
    if dropped:
        parts.append({"not": {"fact": "state", "in": sorted(set(dropped))}})
    return {"all": parts} if len(parts) > 1 else parts[0] if parts else None


def is_too_much(filters: Mapping[str, Any] | None) -> bool:
    """Tell whether the router could not read such a filter: it has grown too deep, or has too many parts."""
    try:
        if filters is not None:
            parse_condition(filters, KNOWN_FACTS)
    except ConditionError:
        return True
    return False
