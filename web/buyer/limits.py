"""How far a buyer may go with a target of its own: what the house set, what the buyer made of it. Pure.

A buyer may pause, narrow the hours, lower the number of calls at once and a day, and drop states. What the house had
set is kept beside, so that it can be taken back; when the house changes the target since, that counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rules.places import STATES
from web.buyer.hours import Week, narrowed

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


@dataclass(frozen=True, kw_only=True)
class LimitProblem:
    """What is wrong with a part: `hours.0` to `hours.6`, concurrency_cap, calls_a_day or dropped_states."""

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
    if problems:
        return problems
    return Settings(
        schedule=schedule,
        concurrency_cap=target.concurrency_cap if wanted.concurrency_cap is None else wanted.concurrency_cap,
        filters=without_states(target.house_filters, dropped),
        dropped_states=tuple(sorted(set(dropped))),
        calls_a_day=target.calls_a_day if wanted.calls_a_day is None else wanted.calls_a_day or None,
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


def without_states(filters: Mapping[str, Any] | None, dropped: Sequence[str]) -> Mapping[str, Any] | None:
    """Return a filter (rules.condition) that also keeps calls from these states away."""
    if not dropped:
        return filters
    elsewhere = {"not": {"fact": "state", "in": sorted(set(dropped))}}
    return elsewhere if filters is None else {"all": [filters, elsewhere]}
