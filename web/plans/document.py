"""A campaign's plan as one document: stages in order, each with its targets. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from router.domain.auction import (
    LEAST_DEADLINE_MS,
    LONGEST_DEADLINE_MS,
    MAXIMUM_BID_MICROS,
    MAXIMUM_MINIMUM_CONNECTED_MS,
)
from router.domain.distribution import METHODS
from router.domain.read_market import read_stages
from router.errors import SnapshotRefused
from rules.money import MAXIMUM_MICROS
from web.api.operation import Body, FieldProblem

STAGES_MAXIMUM = 50
ENTRIES_MAXIMUM = 5_000
PRIORITY_MAXIMUM = 1_000_000

Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
Micros = Annotated[int, Field(ge=0, le=MAXIMUM_MICROS)]


class PlanEntry(Body):
    """A target's place in a stage: lower priority is offered first, a higher weight gets more."""

    target_id: Id
    priority: Annotated[int, Field(ge=-PRIORITY_MAXIMUM, le=PRIORITY_MAXIMUM)] = 1
    weight: Annotated[int, Field(ge=1, le=10_000)] = 1


class PlanStage(Body):
    """Targets that are offered a call by one method, before those of the next stage.

    `id` keeps a stage that is there already, and whose turn it is in it; null makes a new one. Of a ping_post stage:
    how long bidders have, what a bid must be worth, what must remain above the payout, and ceilings of bid and minimum
    where they are lower than the endpoint's own.
    """

    id: Id | None = None
    method: str = "priority"
    ring_timeout_seconds: Annotated[int, Field(ge=3, le=120)] | None = None
    attempts: Annotated[int, Field(ge=1, le=1000)] | None = None
    simultaneous: Annotated[int, Field(ge=1, le=10)] = 1
    deadline_ms: Annotated[int, Field(ge=LEAST_DEADLINE_MS, le=LONGEST_DEADLINE_MS)] = 500
    floor_micros: Micros = 0
    margin_micros: Micros = 0
    highest_bid_micros: Annotated[int, Field(ge=1, le=MAXIMUM_BID_MICROS)] | None = None
    longest_minimum_seconds: Annotated[int, Field(ge=0, le=MAXIMUM_MINIMUM_CONNECTED_MS // 1000)] | None = (
        None
    )
    entries: Annotated[list[PlanEntry], Field(max_length=ENTRIES_MAXIMUM)] = Field(default_factory=list)


class Plan(Body):
    """Who is offered a campaign's calls, and in which order."""

    stages: Annotated[list[PlanStage], Field(max_length=STAGES_MAXIMUM)] = Field(default_factory=list)

    def in_order(self) -> Plan:
        """Return the same plan with each stage's entries in the one order in which they are stored and read."""
        return Plan(
            stages=[
                stage.model_copy(
                    update={"entries": sorted(stage.entries, key=lambda one: (one.priority, one.target_id))}
                )
                for stage in self.stages
            ]
        )


def plan_problems(
    plan: Plan, *, campaign: str, targets: Collection[int], stages: Collection[int]
) -> Sequence[FieldProblem]:
    """Return what is wrong with a plan of a campaign.

    `targets` are those there are, `stages` the ids of the campaign's own. The router's reader has the last word.
    """
    found = [*_stage_problems(plan, stages), *_entry_problems(plan, targets)]
    if not found:
        try:
            read_stages(campaign, router_rows(plan), dict.fromkeys(targets))  # type: ignore[arg-type]
        except SnapshotRefused as error:
            found.append(FieldProblem(field="stages", problem=str(error)))
    return found


def router_rows(plan: Plan) -> list[Mapping[str, Any]]:
    """Return the stages as the market document has them."""
    return [
        {
            **stage.model_dump(exclude={"entries"}),
            "id": stage.id or 0,
            "position": position,
            "entries": [[one.target_id, one.priority, one.weight] for one in stage.entries],
        }
        for position, stage in enumerate(plan.stages, 1)
    ]


def _stage_problems(plan: Plan, own: Collection[int]) -> Iterator[FieldProblem]:
    seen: set[int] = set()
    for index, stage in enumerate(plan.stages):
        if stage.method not in METHODS:
            yield FieldProblem(
                field=f"stages.{index}.method", problem=f"choose one of {', '.join(sorted(METHODS))}"
            )
        if stage.id is not None and (stage.id not in own or stage.id in seen):
            yield FieldProblem(
                field=f"stages.{index}.id", problem="this is no stage of the campaign, or is named twice"
            )
        seen.add(stage.id or 0)


def _entry_problems(plan: Plan, targets: Collection[int]) -> Iterator[FieldProblem]:
    for index, stage in enumerate(plan.stages):
        seen: set[int] = set()
        for number, entry in enumerate(stage.entries):
            place = f"stages.{index}.entries.{number}.target_id"
            if entry.target_id not in targets:
                yield FieldProblem(field=place, problem="there is no such target")
            elif entry.target_id in seen:
                yield FieldProblem(field=place, problem="this target stands in the stage already")
            seen.add(entry.target_id)
