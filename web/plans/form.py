"""A plan as a form: texts in the order in which they stand on the page, and what its buttons do to it. Pure.

Each stage begins with a hidden field `stage` that holds its key, each target with one `entry`; their settings are
named by the key. So the order of the page is the order of the plan: to drag something is to move it, and nothing
needs to be numbered anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rules.money import MoneyError, parse_dollars
from web.plans.document import Plan, PlanStage

STAGE_TEXTS = (
    "id",
    "method",
    "ring_timeout_seconds",
    "attempts",
    "simultaneous",
    "deadline_ms",
    "floor",
    "margin",
    "highest_bid",
    "longest_minimum_seconds",
    "find",
)
_OPTIONAL = ("id", "ring_timeout_seconds", "attempts", "longest_minimum_seconds")
_NUMBERS = (*_OPTIONAL, "simultaneous", "deadline_ms")
_MONEY = {"floor": "floor_micros", "margin": "margin_micros", "highest_bid": "highest_bid_micros"}
_OPTIONAL_MONEY = ("highest_bid",)
_DEFAULTS = {"simultaneous": "1", "deadline_ms": "500", "floor": "0.00", "margin": "0.00"}
NOT_A_NUMBER = -(10**12)
"""Stands for a text that is no number: no setting allows it, so that its place is named."""


def small_number(text: str) -> int | None:
    """Read a whole number that the database can hold; None for any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


@dataclass(frozen=True, kw_only=True)
class TypedEntry:
    """A target's line."""

    key: str
    target_id: str
    priority: str
    weight: str


@dataclass(frozen=True, kw_only=True)
class TypedStage:
    """A stage's texts by name, and its lines."""

    key: str
    texts: Mapping[str, str]
    entries: tuple[TypedEntry, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TypedPlan:
    """What stands on the page."""

    stages: tuple[TypedStage, ...] = ()

    @property
    def target_ids(self) -> set[int]:
        found = {entry.target_id for stage in self.stages for entry in stage.entries}
        return {number for number in map(small_number, found) if number is not None}


def typed_of(plan: Plan) -> TypedPlan:
    """Return a stored plan as the page shows it."""
    keys = iter(range(1, 10**9))
    return TypedPlan(
        stages=tuple(
            TypedStage(
                key=f"s{number}",
                texts=_texts_of(stage),
                entries=tuple(
                    TypedEntry(
                        key=f"e{next(keys)}",
                        target_id=str(entry.target_id),
                        priority=str(entry.priority),
                        weight=str(entry.weight),
                    )
                    for entry in stage.entries
                ),
            )
            for number, stage in enumerate(plan.stages, 1)
        )
    )


def _texts_of(stage: PlanStage) -> Mapping[str, str]:
    def text(value: object) -> str:
        return "" if value is None else str(value)

    return {
        **{name: text(getattr(stage, name)) for name in ("method", *_NUMBERS)},
        **{
            name: "" if micros is None else _dollars(micros)
            for name, column in _MONEY.items()
            for micros in (getattr(stage, column),)
        },
        "find": "",
    }


def _dollars(micros: int) -> str:
    whole, rest = divmod(micros, 1_000_000)
    return f"{whole}.{f'{rest:06d}'.rstrip('0').ljust(2, '0')}"


def typed_of_posted(items: Iterable[tuple[str, Any]]) -> TypedPlan:
    """Read what was posted, in the order of the page."""
    texts: dict[str, str] = {}
    order: list[tuple[str, str]] = []
    for name, value in items:
        text = str(value).strip()
        if name in ("stage", "entry"):
            order.append((name, text))
        else:
            texts.setdefault(name, text)
    stages: list[TypedStage] = []
    for kind, key in order:
        if kind == "stage":
            found = {name: texts.get(f"{key}.{name}", _DEFAULTS.get(name, "")) for name in STAGE_TEXTS}
            stages.append(TypedStage(key=key, texts=found))
        elif stages:
            entry = TypedEntry(
                key=key,
                target_id=texts.get(f"{key}.target", ""),
                priority=texts.get(f"{key}.priority", ""),
                weight=texts.get(f"{key}.weight", ""),
            )
            stages[-1] = replace(stages[-1], entries=(*stages[-1].entries, entry))
    return TypedPlan(stages=tuple(stages))


def document_of(typed: TypedPlan) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (the document, problems by place) of what was typed."""
    problems: dict[str, str] = {}
    stages = [_stage_document(stage, f"stages.{index}", problems) for index, stage in enumerate(typed.stages)]
    return {"stages": stages}, problems


def _stage_document(stage: TypedStage, place: str, problems: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"method": stage.texts["method"]}
    for name in _NUMBERS:
        text = stage.texts[name]
        if text or name not in _OPTIONAL:
            found[name] = _whole(text, f"{place}.{name}", problems)
    for name, column in _MONEY.items():
        if not stage.texts[name] and name in _OPTIONAL_MONEY:
            continue
        try:
            found[column] = parse_dollars(stage.texts[name] or "0")
        except MoneyError as error:
            problems[f"{place}.{column}"] = str(error)
    found["entries"] = [
        {
            "target_id": _whole(entry.target_id, f"{place}.entries.{number}.target_id", problems),
            "priority": _whole(entry.priority or "1", f"{place}.entries.{number}.priority", problems),
            "weight": _whole(entry.weight or "1", f"{place}.entries.{number}.weight", problems),
        }
        for number, entry in enumerate(stage.entries)
    ]
    return found


def _whole(text: str, place: str, problems: dict[str, str]) -> int:
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) <= 18:
        return int(text)
    problems[place] = "write a whole number"
    return NOT_A_NUMBER


@dataclass(frozen=True, kw_only=True)
class Edited:
    """A plan after a button was pressed. `focus` is the key of what was moved; `said` tells what was done."""

    plan: TypedPlan
    focus: str = ""
    said: str = ""


def edit(typed: TypedPlan, action: str, key: str, target_id: int | None = None) -> Edited:
    """Do what a button says: add_stage, up, down, remove (of a stage or an entry), add_target. Unknown: nothing."""
    if action == "add_stage":
        new = TypedStage(key=_new_key(typed, "s"), texts={**_texts_of(PlanStage()), "id": ""})
        return Edited(plan=TypedPlan(stages=(*typed.stages, new)), focus=new.key, said="A stage was added.")
    if action == "add_target" and target_id is not None:
        return _add_target(typed, key, target_id)
    if key.startswith("s"):
        return _edit_stages(typed, action, key)
    return _edit_entries(typed, action, key)


def _new_key(typed: TypedPlan, letter: str) -> str:
    keys = [stage.key for stage in typed.stages]
    keys += [entry.key for stage in typed.stages for entry in stage.entries]
    numbers = [small_number(key[1:]) or 0 for key in keys if key[:1] == letter]
    return f"{letter}{max(numbers, default=0) + 1}"


def _edit_stages(typed: TypedPlan, action: str, key: str) -> Edited:
    stages = list(typed.stages)
    at = next((index for index, stage in enumerate(stages) if stage.key == key), None)
    if at is None:
        return Edited(plan=typed)
    if action == "remove":
        del stages[at]
        return Edited(plan=TypedPlan(stages=tuple(stages)), said=f"Stage {at + 1} was taken out.")
    to = at + {"up": -1, "down": 1}.get(action, 0)
    if to == at or not 0 <= to < len(stages):
        return Edited(plan=typed, focus=key)
    stages.insert(to, stages.pop(at))
    return Edited(plan=TypedPlan(stages=tuple(stages)), focus=key, said=f"It is stage {to + 1} now.")


def _edit_entries(typed: TypedPlan, action: str, key: str) -> Edited:
    stage = next((one for one in typed.stages if any(entry.key == key for entry in one.entries)), None)
    if stage is None:
        return Edited(plan=typed)
    entries = list(stage.entries)
    at = next(index for index, entry in enumerate(entries) if entry.key == key)
    if action == "remove":
        del entries[at]
        return Edited(
            plan=_with_entries(typed, stage, entries), said="The target was taken out of the stage."
        )
    to = at + {"up": -1, "down": 1}.get(action, 0)
    if to == at or not 0 <= to < len(entries):
        return Edited(plan=typed, focus=key)
    entries.insert(to, entries.pop(at))
    numbered = [replace(entry, priority=str(number)) for number, entry in enumerate(entries, 1)]
    said = f"It is number {to + 1} now; priorities follow the order."
    return Edited(plan=_with_entries(typed, stage, numbered), focus=key, said=said)


def _add_target(typed: TypedPlan, key: str, target_id: int) -> Edited:
    stage = next((one for one in typed.stages if one.key == key), None)
    if stage is None:
        return Edited(plan=typed)
    if any(entry.target_id == str(target_id) for entry in stage.entries):
        return Edited(plan=typed, focus=key, said="This target stands in the stage already.")
    last = max((small_number(entry.priority) or 0 for entry in stage.entries), default=0)
    new = TypedEntry(key=_new_key(typed, "e"), target_id=str(target_id), priority=str(last + 1), weight="1")
    cleared = replace(stage, texts={**stage.texts, "find": ""})
    plan = TypedPlan(stages=tuple(cleared if one.key == key else one for one in typed.stages))
    return Edited(
        plan=_with_entries(plan, cleared, [*stage.entries, new]), focus=new.key, said="The target was added."
    )


def _with_entries(typed: TypedPlan, stage: TypedStage, entries: Sequence[TypedEntry]) -> TypedPlan:
    changed = replace(stage, entries=tuple(entries))
    return TypedPlan(stages=tuple(changed if one.key == stage.key else one for one in typed.stages))
