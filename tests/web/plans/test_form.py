"""A plan goes through its form unchanged, whatever stands in it."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from web.plans.document import Plan, PlanEntry, PlanStage
from web.plans.form import TypedPlan, document_of, edit, typed_of, typed_of_posted

entries = st.lists(
    st.builds(
        PlanEntry,
        target_id=st.integers(1, 50),
        priority=st.integers(-3, 2000),
        weight=st.integers(1, 10_000),
    ),
    max_size=5,
    unique_by=lambda one: one.target_id,
)
stages = st.builds(
    PlanStage,
    id=st.none() | st.integers(1, 10**12),
    method=st.sampled_from(("priority", "round_robin", "weighted", "best_value", "ping_post")),
    ring_timeout_seconds=st.none() | st.integers(3, 120),
    attempts=st.none() | st.integers(1, 1000),
    simultaneous=st.integers(1, 10),
    deadline_ms=st.integers(50, 2000),
    floor_micros=st.integers(0, 10**12),
    margin_micros=st.integers(0, 10**12),
    highest_bid_micros=st.none() | st.integers(1, 10**10),
    longest_minimum_seconds=st.none() | st.integers(0, 3600),
    entries=entries,
)
plans = st.builds(Plan, stages=st.lists(stages, max_size=4))


def posted(typed: TypedPlan) -> Iterator[tuple[str, str]]:
    """Yield what a browser posts of the page."""
    for stage in typed.stages:
        yield "stage", stage.key
        for name, text in stage.texts.items():
            yield f"{stage.key}.{name}", text
        for entry in stage.entries:
            yield "entry", entry.key
            yield f"{entry.key}.target", entry.target_id
            yield f"{entry.key}.priority", entry.priority
            yield f"{entry.key}.weight", entry.weight


@given(plans)
def test_a_plan_goes_through_its_form_unchanged(plan: Plan) -> None:
    document, problems = document_of(typed_of_posted(posted(typed_of(plan))))
    assert problems == {} and Plan.model_validate(document) == plan


@given(plans, st.data())
def test_moving_a_stage_down_and_up_again_changes_nothing(plan: Plan, data: st.DataObject) -> None:
    typed = typed_of(plan)
    for stage in typed.stages[:-1]:
        there = edit(typed, "down", stage.key)
        assert there.plan != typed and edit(there.plan, "up", stage.key).plan == typed
    assert edit(typed, "up", "s99").plan == typed and edit(typed, "dance", "e1").plan == typed


def test_what_was_typed_and_is_no_number_is_named_with_its_place() -> None:
    typed = typed_of(Plan(stages=[PlanStage(entries=[PlanEntry(target_id=1)])]))
    fields = [
        (name, "many" if name.endswith((".priority", ".floor")) else text) for name, text in posted(typed)
    ]
    _, problems = document_of(typed_of_posted(fields))
    assert set(problems) == {"stages.0.floor_micros", "stages.0.entries.0.priority"}
