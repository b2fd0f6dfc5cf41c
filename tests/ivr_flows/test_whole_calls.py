"""Callers who say anything at all, in the library's longest flow: nobody is trapped, and nothing depends on memory."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from ivr_flows import engine, library
from ivr_flows.case_file import Caller, begin, go_on
from ivr_flows.definition import parse_flow
from ivr_flows.engine import Step
from ivr_flows.events import (
    AskWait,
    Command,
    HangUp,
    NoticeHeard,
    NoticeWait,
    RouteWait,
    StartRecording,
    StopRecording,
    VoicemailWait,
    Wait,
)
from ivr_flows.nodes.split import SplitNode
from ivr_flows.resumes import Heard, HeardOutcome, MessageLeft, NoticePlayed, Resume, Routed

FLOW = parse_flow(library.load("mortgage_refinance_qualify"))
AT = datetime(2026, 11, 24, 15, tzinfo=UTC)

commands = st.none() | st.sampled_from([Command.REPEAT, Command.DO_NOT_RECORD, Command.OPERATOR])
heard = st.builds(
    Heard,
    outcome=st.sampled_from(HeardOutcome),
    value=st.sampled_from(
        [None, "refinance", "reverse", "43215", "300000", "good", "now", "yes", "no", "68", "${X}"]
    ),
    text=st.text(max_size=5),
    digits=st.text("0123456789*#", max_size=6),
    alternatives=st.sampled_from([(), ("purchase", "good"), ("nonsense",)]),
    command=commands,
)


def answer(wait: Wait, said: Heard, yes: bool) -> Resume:
    match wait:
        case AskWait():
            return said
        case NoticeWait():
            return NoticePlayed(complete=yes)
        case RouteWait():
            return Routed(found=yes)
        case VoicemailWait():
            return MessageLeft(seconds=3.0 if yes else 0)
    raise AssertionError(f"the flow does not wait for {wait}")


@given(
    st.lists(st.tuples(heard, st.booleans()), min_size=1, max_size=60), st.sampled_from(["", "+16145550123"])
)
@settings(max_examples=150)
def test_whatever_callers_say_the_session_survives_json_and_leads_somewhere(
    said: list[tuple[Heard, bool]], number: str
) -> None:
    caller = Caller(at=AT, number=number, states=("OH",) if number else ())
    steps: list[Step] = [begin(FLOW, caller)]
    for each, yes in said:
        wait = steps[-1].wait
        if wait is None:
            break
        resume = answer(wait, each, yes)
        straight = engine.resume(FLOW, steps[-1].session, resume, now=AT)
        steps.append(go_on(FLOW, caller, steps[-1], resume))
        assert (straight.events, straight.wait) == (steps[-1].events, steps[-1].wait)
    events = [event for step in steps for event in step.events]
    kinds = [type(event) for event in events]
    assert (steps[-1].wait is None) == steps[-1].session.ended
    assert kinds.count(HangUp) <= 1
    if StartRecording in kinds:
        assert kinds.index(NoticeHeard) < kinds.index(StartRecording)
        assert StopRecording not in kinds[: kinds.index(StartRecording)]


def test_the_longest_flow_sells_a_caller_who_presses_forty_keys_at_every_question() -> None:
    caller = Caller(at=AT, number="+16145550123", states=("OH",))
    step = go_on(FLOW, caller, begin(FLOW, caller), NoticePlayed(complete=True))
    for _ in range(engine.STEPS_PER_SESSION_MAXIMUM):
        if not isinstance(step.wait, AskWait):
            break
        step = go_on(FLOW, caller, step, Heard(outcome=HeardOutcome.KEYS, digits="5" * 40))
    assert step.wait == RouteWait()


@given(st.integers(min_value=0, max_value=10**9))
def test_a_split_sends_a_caller_the_same_way_for_ever(caller: int) -> None:
    ways = {"exits": {"a": "x", "b": "x"}, "tag": "variant"}
    one = SplitNode.parse("ab", {"arms": {"a": 1, "b": 3}, **ways})
    same = SplitNode.parse("ab", {"arms": {"b": 3, "a": 1}, **ways})
    assert one.arm_of(f"+1{caller}") == same.arm_of(f"+1{caller}")


def test_a_split_keeps_its_weights() -> None:
    node = SplitNode.parse("ab", {"arms": {"a": 1, "b": 3}, "exits": {"a": "x", "b": "x"}})
    share = sum(node.arm_of(f"+1614555{number:04d}") == "a" for number in range(10_000)) / 10_000
    # A quarter; 0.02 is more than four deviations of ten thousand draws.
    assert abs(share - 0.25) < 0.02
