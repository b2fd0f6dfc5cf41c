"""A flow tried out: what somebody typed in a caller's place, and what came of each line. Pure.

Nothing is kept between two lines: the whole call is played again from its beginning, so no session that somebody could
have changed comes back, and a flow that was edited meanwhile is tried as it is now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ivr_flows.case_file import Caller, begin, go_on
from ivr_flows.definition import Flow
from ivr_flows.engine import Step
from ivr_flows.events import NoticeWait
from ivr_flows.resumes import NoticePlayed
from ivr_flows.typed_answer import help_for, read_typed

LINES_MAXIMUM = 120
"""More than the engine asks of one caller."""
LINE_MAXIMUM = 300


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What came of one line; the first turn is the call's beginning. `help` says what may be typed next."""

    line: str
    step: Step
    help: str


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A call so far. `problem` is why the line after the last turn cannot be an answer, '' when all could."""

    turns: tuple[Turn, ...]
    problem: str = ""


def play(flow: Flow, caller: Caller, lines: Sequence[str]) -> Trial:
    """Play a call with these lines typed. Notices are heard to their end; lines after the call's end are left out."""
    turns = [_turn("", _past_notices(flow, caller, begin(flow, caller)))]
    for line in lines[:LINES_MAXIMUM]:
        step = turns[-1].step
        if step.wait is None:
            break
        try:
            answer = read_typed(step.wait, line[:LINE_MAXIMUM])
        except ValueError as problem:
            return Trial(turns=tuple(turns), problem=str(problem))
        turns.append(_turn(line, _past_notices(flow, caller, go_on(flow, caller, step, answer))))
    return Trial(turns=tuple(turns))


def _turn(line: str, step: Step) -> Turn:
    return Turn(line=line, step=step, help="" if step.wait is None else help_for(step.wait))


def _past_notices(flow: Flow, caller: Caller, step: Step) -> Step:
    """Go on until the call waits for the caller. The engine's own limits end a flow of nothing but notices."""
    events, way = step.events, step.way
    while isinstance(step.wait, NoticeWait):
        step = go_on(flow, caller, step, NoticePlayed(complete=True))
        events, way = (*events, *step.events), (*way, *step.way)
    return Step(session=step.session, events=events, wait=step.wait, way=way)
