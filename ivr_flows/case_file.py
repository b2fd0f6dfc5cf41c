"""A call told as JSON: the flow, who calls and when, and for each step what was answered and what came of it.

Tests replay these files; `tollbridge flow run --save` writes new ones. Pure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from ivr_flows import engine
from ivr_flows.definition import Flow
from ivr_flows.engine import Step
from ivr_flows.events import Command
from ivr_flows.resumes import (
    Heard,
    HeardOutcome,
    HoldOver,
    MessageLeft,
    NoticePlayed,
    Resume,
    Routed,
    TransferOutcome,
    Transferred,
    WebhookAnswered,
)

STEPS_MAXIMUM = 1_000

_RESUMES: Mapping[str, type[Resume]] = {
    kind.__name__: kind
    for kind in (Heard, NoticePlayed, Routed, HoldOver, MessageLeft, Transferred, WebhookAnswered)
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Caller:
    """Who calls and when. `number` is E.164 or ''; `at` is aware; `tags` come with the call."""

    at: datetime
    number: str = ""
    states: tuple[str, ...] = ()
    tags: Mapping[str, str] = dataclasses.field(default_factory=dict)
    call_id: str = "case"


def replay(flow: Flow, caller: Caller, resumes: Sequence[Resume]) -> list[Step]:
    """Return every step of a call. The session goes through JSON between every two, as it may on a live one.

    Raises TypeError when an answer does not fit its wait, ValueError when there are answers left at the end.
    """
    steps = [begin(flow, caller)]
    for resume in resumes[:STEPS_MAXIMUM]:
        if steps[-1].wait is None:
            raise ValueError(f"the call ended after {len(steps) - 1} of {len(resumes)} answers")
        steps.append(go_on(flow, caller, steps[-1], resume))
    return steps


def begin(flow: Flow, caller: Caller) -> Step:
    """Return the first step."""
    return engine.start(
        flow,
        now=caller.at,
        session_id=caller.call_id,
        caller=caller.number,
        caller_states=caller.states,
        tags=caller.tags,
    )


def go_on(flow: Flow, caller: Caller, step: Step, resume: Resume) -> Step:
    """Return the next step, the session read back from its JSON."""
    session = engine.load_session(engine.dump_session(step.session))
    return engine.resume(flow, session, resume, now=caller.at)


def to_json(
    definition: object, caller: Caller, resumes: Sequence[Resume], steps: Sequence[Step], *, about: str
) -> dict[str, Any]:
    """Return the case file of a call. `definition` is the flow's own, or `library:NAME`."""
    return {
        "about": about,
        "flow": definition,
        "caller": caller_to_json(caller),
        "steps": [
            {**({"answer": told(resume)} if resume is not None else {}), **step_to_json(step)}
            for resume, step in zip((None, *resumes), steps, strict=True)
        ],
    }


def step_to_json(step: Step) -> dict[str, Any]:
    """Return what a step did, and where the call then stands."""
    ended = {"ended": True} if step.session.ended else {}
    wait = {"wait": told(step.wait)} if step.wait is not None else {}
    return {
        "events": [told(event) for event in step.events],
        **wait,
        **ended,
        "node": "/".join((*step.session.stack, step.session.node)),
        "tags": dict(step.session.tags),
    }


def caller_to_json(caller: Caller) -> dict[str, Any]:
    """Return the caller as `caller_from_json` reads it."""
    return {
        "number": caller.number,
        "states": list(caller.states),
        "at": caller.at.isoformat(),
        "tags": dict(caller.tags),
    }


def caller_from_json(value: Mapping[str, Any]) -> Caller:
    """Read a case's caller. Raises KeyError, ValueError."""
    return Caller(
        number=value.get("number", ""),
        states=tuple(value.get("states", ())),
        at=datetime.fromisoformat(value["at"]),
        tags=value.get("tags", {}),
    )


def told(value: Any) -> dict[str, Any]:
    """Return an event, wait or resume as JSON: its kind, and the fields that are not their default."""
    shown = {
        field.name: _plain(getattr(value, field.name))
        for field in dataclasses.fields(value)
        if getattr(value, field.name) != _default(field)
    }
    return {"kind": type(value).__name__, **shown}


def resume_from_json(value: Mapping[str, Any]) -> Resume:
    """Read an answer of a case file. Raises KeyError for an unknown kind, TypeError, ValueError."""
    fields = {name: one for name, one in value.items() if name != "kind"}
    kind = _RESUMES[value["kind"]]
    if kind is Heard:
        fields["outcome"] = HeardOutcome(fields["outcome"])
        fields["alternatives"] = tuple(fields.get("alternatives", ()))
        fields["command"] = Command(fields["command"]) if fields.get("command") else None
    if kind is Transferred:
        fields["outcome"] = TransferOutcome(fields["outcome"])
    return kind(**fields)


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value
