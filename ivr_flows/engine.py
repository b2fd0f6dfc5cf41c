"""How a flow steps: `start` and `resume` take values and return what to do and what to wait for. No I/O, no clock.

A node that cannot wait leads to the next one within the same step, so a loop without a wait would never end: limits
stop it. A caller whose flow came to a limit is handed to the router as far as they are known; only a second limit, or
a flow without a route, ends the call.

Commands (operator, repeat, stop calling, do not record) work at every question and are handled here, not in nodes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from ivr_flows.commands import NOT_RECORDED, REPEATS_MAXIMUM, spoken_command
from ivr_flows.definition import Flow
from ivr_flows.events import (
    AskWait,
    Command,
    DoNotCallRequested,
    Event,
    FlowFault,
    HangUp,
    Play,
    StopRecording,
    Wait,
)
from ivr_flows.nodes.do_not_call import confirmed
from ivr_flows.nodes.node import Context, KeysRead, Node, Outcome, Session
from ivr_flows.nodes.sub_flow import SubFlowNode
from ivr_flows.resumes import Heard, HeardOutcome, Resume, Routed, TransferOutcome, Transferred

NODES_PER_STEP_MAXIMUM = 50
STEPS_PER_SESSION_MAXIMUM = 200
ANSWERS_PER_SESSION_MAXIMUM = 100
SESSION_MINUTES_MAXIMUM = 30


@dataclass(frozen=True, kw_only=True)
class Passed:
    """A node the call came through, after the sub-flow nodes that lead to it ("inner/ask"), and by which exit it left.

    `exit` is '' at a node that waits or ends, and at one that leads into a sub-flow or back out of it.
    """

    node: str
    exit: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """Perform `events` in order; then wait for `wait`, or stop when the session has ended.

    `way` is every node the step came through, for those who look on.
    """

    session: Session
    events: tuple[Event, ...]
    wait: Wait | None
    way: tuple[Passed, ...] = ()


def start(
    flow: Flow,
    *,
    now: datetime,
    session_id: str = "",
    caller: str = "",
    caller_states: Iterable[str] = (),
    tags: Mapping[str, str] | None = None,
) -> Step:
    """Begin a call.

    `now` is aware. `session_id` is the call's; it decides a random split where the caller's number (E.164) is
    withheld, ''. `caller_states` are the states the caller's area code lies in, best known first. `tags` come with the
    call.
    """
    session = Session(
        node=flow.entry,
        id=session_id,
        flow=flow.name,
        version=flow.version,
        started_ms=_ms(now),
        caller=caller,
        caller_states=tuple(caller_states),
        tags=dict(tags or {}),
    )
    context = Context(now=now, spoken_as=flow.spoken_as)
    return _run(flow, flow.nodes[flow.entry].enter(session, context), context)


def resume(flow: Flow, session: Session, answer: Resume, *, now: datetime) -> Step:
    """Go on with the answer to the last wait. Raises TypeError when the answer is of another kind than the wait."""
    context = Context(now=now, spoken_as=flow.spoken_as)
    limit = "" if _is_taken(answer) else _limit_reached(session, now)
    if limit:
        return _give_up(flow, session, (), context, limit)
    session = replace(session, steps=session.steps + 1)
    node = _node(flow, session)
    if isinstance(answer, Heard) and session.question:
        command = _command(flow, session, node, answer)
        if command is not None:
            return _obey(flow, session, command, answer, context)
    return _run(flow, node.resume(session, answer, context), context)


def _is_taken(answer: Resume) -> bool:
    """Say whether somebody is found for the caller, or has talked to them: a limit would only look for another."""
    match answer:
        case Routed(found=found):
            return found
        case Transferred(outcome=outcome):
            return outcome is TransferOutcome.ANSWERED
        case _:
            return False


def _limit_reached(session: Session, now: datetime) -> str:
    """Return which limit the session is beyond, '' for none. The way to the operator after one has as much again."""
    times = 2 if session.giving_up else 1
    if session.steps >= times * STEPS_PER_SESSION_MAXIMUM:
        return f"more than {STEPS_PER_SESSION_MAXIMUM} steps"
    if session.answers >= times * ANSWERS_PER_SESSION_MAXIMUM:
        return f"more than {ANSWERS_PER_SESSION_MAXIMUM} answers"
    if _ms(now) - session.started_ms > times * SESSION_MINUTES_MAXIMUM * 60_000:
        return f"more than {SESSION_MINUTES_MAXIMUM} minutes"
    return ""


def _run(flow: Flow, outcome: Outcome, context: Context) -> Step:
    events: tuple[Event, ...] = ()
    way: tuple[Passed, ...] = ()
    for _ in range(NODES_PER_STEP_MAXIMUM):
        outcome = _as_far_as_known(flow, outcome)
        events += outcome.events
        way += (_passed(outcome),)
        if outcome.leave is None and outcome.into is None and not outcome.back:
            return replace(_pause(flow, outcome, events), way=way)
        session = _next(flow, outcome)
        if session is None:
            ended = replace(outcome.session, ended=True)
            return Step(session=ended, events=(*events, HangUp()), wait=None, way=way)
        outcome = _node(flow, session).enter(session, context)
    reason = f"more than {NODES_PER_STEP_MAXIMUM} nodes without a wait"
    step = _give_up(flow, outcome.session, events, context, reason)
    return replace(step, way=(*way, *step.way))


def _passed(outcome: Outcome) -> Passed:
    # A session that goes into a sub-flow has the node on its stack already.
    stack = outcome.session.stack[:-1] if outcome.into is not None else outcome.session.stack
    return Passed(node="/".join((*stack, outcome.session.node)), exit=outcome.leave or "")


def _as_far_as_known(flow: Flow, outcome: Outcome) -> Outcome:
    """Go round a sub-flow that is not there: publishing refuses such a flow, but a caller has to get on with it."""
    if outcome.into is None:
        return outcome
    outside = replace(outcome.session, stack=outcome.session.stack[:-1])
    if outcome.into in _flow_of(flow, outside).subflows:
        return outcome
    fault = FlowFault(node=outside.node, reason=f"the sub-flow {outcome.into} is not there")
    return Outcome(session=outside, events=(*outcome.events, fault), leave="next")


def _pause(flow: Flow, outcome: Outcome, events: tuple[Event, ...]) -> Step:
    """Stop until the wait is over; a question also listens for what callers may say at every one."""
    session, wait = outcome.session, outcome.wait
    if not isinstance(wait, AskWait):
        return Step(session=replace(session, question={}), events=events, wait=wait)
    node = _node(flow, session)
    instant = (key for key in flow.commands.keys if node.reads_keys(session, key) is KeysRead.NOTHING)
    commands = tuple(each for each in Command if each is not Command.OPERATOR or flow.operator)
    wait = replace(wait, commands=commands, instant_keys="".join(instant))
    return Step(session=replace(session, question=_plain(wait)), events=events, wait=wait)


def _next(flow: Flow, outcome: Outcome) -> Session | None:
    """Return the session at the next node; None when a flow that nobody went into returns."""
    session = outcome.session
    if outcome.into is not None:
        return _at(session, _flow_of(flow, session).entry)
    if outcome.back:
        if not session.stack:
            return None
        name = session.stack[-1]
        session = replace(session, node=name, stack=session.stack[:-1])
        return _at(session, _node(flow, session).exits["next"])
    return _at(session, _node(flow, session).exits[str(outcome.leave)])


def _at(session: Session, node: str) -> Session:
    return replace(session, node=node, phase="", attempt=1, repeats=0, candidates=(), pending={}, question={})


def _flow_of(flow: Flow, session: Session) -> Flow:
    """Return the flow the session's node is in: `flow` itself, or the sub-flow its stack leads to."""
    for name in session.stack:
        node = flow.nodes[name]
        assert isinstance(node, SubFlowNode)
        flow = flow.subflows[node.flow]
    return flow


def _node(flow: Flow, session: Session) -> Node:
    return _flow_of(flow, session).nodes[session.node]


def _command(flow: Flow, session: Session, node: Node, heard: Heard) -> Command | None:
    """Return the command the caller gave. A key that answers the question itself is no command."""
    command = spoken_command(heard)
    if command is None and heard.outcome is HeardOutcome.KEYS:
        taken = node.reads_keys(session, heard.digits) is KeysRead.ANSWER
        command = None if taken else flow.commands.of_key(heard.digits)
    return None if command is Command.OPERATOR and not flow.operator else command


def _obey(flow: Flow, session: Session, command: Command, heard: Heard, context: Context) -> Step:
    match command:
        case Command.OPERATOR:
            return _enter_operator(flow, session, (), context)
        case Command.REPEAT:
            return _repeat(flow, session, context)
        case Command.STOP_CALLING:
            return _stop_calling(flow, session, heard, context)
        case Command.DO_NOT_RECORD:
            session = replace(session, recording_refused=True)
            events = (StopRecording(node=session.node), Play(prompts=(NOT_RECORDED,)))
            return Step(session=session, events=events, wait=_question(session))


def _repeat(flow: Flow, session: Session, context: Context) -> Step:
    """Ask once more without counting it, a few times; then it counts as an answer that was not understood."""
    if session.repeats >= REPEATS_MAXIMUM:
        heard = Heard(outcome=HeardOutcome.REJECTED)
        session = replace(session, repeats=0)
        return _run(flow, _node(flow, session).resume(session, heard, context), context)
    session = replace(session, repeats=session.repeats + 1)
    return Step(session=session, events=(), wait=_question(session))


def _stop_calling(flow: Flow, session: Session, heard: Heard, context: Context) -> Step:
    events: tuple[Event, ...] = (
        DoNotCallRequested(node=session.node, heard=heard.text or heard.digits),
        confirmed(flow.commands.stop_calling_text, session, context),
    )
    if flow.commands.stop_calling_then == "go_on":
        return Step(session=session, events=events, wait=_question(session))
    return Step(session=replace(session, ended=True), events=(*events, HangUp()), wait=None)


def _enter_operator(flow: Flow, session: Session, events: tuple[Event, ...], context: Context) -> Step:
    session = _at(replace(session, stack=()), flow.operator)
    step = _run(flow, _node(flow, session).enter(session, context), context)
    return replace(step, events=(*events, *step.events))


def _give_up(flow: Flow, session: Session, events: tuple[Event, ...], context: Context, reason: str) -> Step:
    """Somebody has to take the caller all the same: the operator, once."""
    events = (*events, FlowFault(node=session.node, reason=reason))
    if session.giving_up or not flow.operator:
        return Step(session=replace(session, ended=True), events=(*events, HangUp()), wait=None)
    return _enter_operator(flow, replace(session, giving_up=True), events, context)


def _question(session: Session) -> AskWait:
    """Return the question asked last."""
    kept = session.question
    return AskWait(
        **{
            **kept,
            "prompts": tuple(kept["prompts"]),
            "commands": tuple(Command(each) for each in kept["commands"]),
            "synonyms": {value: tuple(words) for value, words in kept["synonyms"].items()},
        }
    )


def _plain(wait: AskWait) -> dict[str, Any]:
    return {**asdict(wait), "commands": [str(command) for command in wait.commands]}


def _ms(now: datetime) -> int:
    return int(now.timestamp() * 1000)


def dump_session(session: Session) -> str:
    """Return the session as JSON."""
    return json.dumps(asdict(session), sort_keys=True)


def load_session(text: str) -> Session:
    """Return the session that `dump_session` wrote."""
    raw = json.loads(text)
    tuples = {name: tuple(raw[name]) for name in ("caller_states", "candidates", "stack")}
    return Session(**{**raw, **tuples})
