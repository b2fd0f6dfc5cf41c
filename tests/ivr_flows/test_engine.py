"""Stories of callers in the default mortgage flow, told to the pure engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.call import dump_tags
from ivr_flows import engine, library
from ivr_flows.definition import FlowError, parse_flow
from ivr_flows.engine import Step
from ivr_flows.events import (
    Answered,
    AskWait,
    Command,
    DoNotCallRequested,
    FlowFault,
    HangUp,
    NoticeHeard,
    NoticeWait,
    Play,
    RouteWait,
    Source,
    StartRecording,
    StopRecording,
)
from ivr_flows.grammars import keypad_help
from ivr_flows.inspection import texts_of, unreachable_nodes
from ivr_flows.nodes.do_not_call import CONFIRMATION, NUMBER_WITHHELD
from ivr_flows.nodes.node import Context
from ivr_flows.resumes import Heard, HeardOutcome, NoticePlayed, Resume, Routed
from rules.places import STATES

MORTGAGE = parse_flow(library.load("mortgage"))
NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
HEARD = NoticePlayed(complete=True)
SILENCE = Heard(outcome=HeardOutcome.SILENCE)
NOISE = Heard(outcome=HeardOutcome.REJECTED)


def said(value: str) -> Heard:
    return Heard(outcome=HeardOutcome.ACCEPTED, value=value, text=value, confidence=0.97, engine="moonshine")


def mumbled(value: str) -> Heard:
    return Heard(outcome=HeardOutcome.UNSURE, value=value, text=value, confidence=0.5)


def pressed(digits: str) -> Heard:
    return Heard(outcome=HeardOutcome.KEYS, digits=digits)


def call(*resumes: Resume, caller_states: tuple[str, ...] = ()) -> tuple[Step, list[Answered]]:
    """Play a call whose notice was heard; the session goes through JSON between every two resumes."""
    step = engine.start(MORTGAGE, now=NOW, caller_states=caller_states)
    answers: list[Answered] = []
    for resume in (HEARD, *resumes):
        session = engine.load_session(engine.dump_session(step.session))
        step = engine.resume(MORTGAGE, session, resume, now=NOW)
        answers += [event for event in step.events if isinstance(event, Answered)]
    return step, answers


def test_the_notice_is_played_to_its_end_before_the_first_question_and_before_any_recording() -> None:
    first = engine.start(MORTGAGE, now=NOW)
    assert first.events == () and isinstance(first.wait, NoticeWait)
    heard = engine.resume(MORTGAGE, first.session, HEARD, now=NOW)
    assert [type(event) for event in heard.events] == [NoticeHeard, StartRecording]
    assert isinstance(heard.wait, AskWait) and heard.wait.grammar == "loan_type"


def test_a_notice_that_could_not_be_played_goes_on_without_recording() -> None:
    first = engine.start(MORTGAGE, now=NOW)
    step = engine.resume(MORTGAGE, first.session, NoticePlayed(complete=False), now=NOW)
    assert [type(event) for event in step.events] == [FlowFault]
    assert isinstance(step.wait, AskWait) and not step.session.notice_heard


def test_a_notice_that_says_nothing_is_none_and_nothing_is_recorded() -> None:
    """All of it hangs on a tag that the call does not have."""
    definition = library.load("mortgage")
    definition["nodes"]["notice"]["text"] = "[In {law} this call is recorded.]"
    flow = parse_flow({**definition, "given": ["law"]})
    told = engine.start(flow, now=NOW, tags={"law": "Ohio"})
    heard = engine.resume(flow, told.session, HEARD, now=NOW)
    assert [type(event) for event in heard.events] == [NoticeHeard, StartRecording]
    silent = engine.start(flow, now=NOW)
    assert silent.wait == NoticeWait(prompts=())
    step = engine.resume(flow, silent.session, HEARD, now=NOW)
    assert [type(event) for event in step.events] == [FlowFault] and not step.session.notice_heard


def test_two_clear_answers_lead_to_the_router() -> None:
    step, answers = call(said("refinance"), said("CA"))
    assert step.wait == RouteWait()
    assert dict(step.session.tags) == {"loan_type": "refinance", "state": "CA"}
    assert [(a.tag, a.value, a.source) for a in answers] == [
        ("loan_type", "refinance", Source.SPEECH),
        ("state", "CA", Source.SPEECH),
    ]


def test_an_unsure_answer_is_confirmed_by_voice_or_key() -> None:
    for yes in (said("yes"), pressed("1")):
        step, answers = call(said("purchase"), mumbled("MD"), yes)
        assert step.session.tags["state"] == "MD"
        assert answers[-1].confidence == 0.5


def test_a_no_asks_again_and_does_not_keep_the_guess() -> None:
    step, answers = call(said("purchase"), mumbled("MD"), said("no"))
    assert isinstance(step.wait, AskWait) and step.wait.grammar == "state"
    assert "state" not in step.session.tags
    assert len(answers) == 1


def test_two_keys_with_several_meanings_offer_a_choice() -> None:
    step, _ = call(pressed("2"), pressed("63"))
    assert isinstance(step.wait, AskWait) and step.wait.grammar == "commands"
    assert "Maryland" in step.wait.prompts
    number = 1 + [p for p in step.wait.prompts if p[0].isupper() and p not in ("For",)].index("Maryland")
    step, answers = call(pressed("2"), pressed("63"), pressed(str(number)))
    assert step.session.tags == {"loan_type": "purchase", "state": "MD"}
    assert answers[-1].source is Source.KEYS and answers[-1].heard == f"63 {number}"


def test_wrong_keys_and_silence_and_noise_repeat_twice_then_fall_back_to_the_area_code() -> None:
    step, answers = call(said("reverse"), pressed("00"), SILENCE, NOISE, caller_states=("OH",))
    assert step.wait == RouteWait()
    assert answers[-1].value == "OH" and answers[-1].source is Source.AREA_CODE
    assert step.session.tags == {"loan_type": "reverse", "state": "OH", "state_source": "area_code"}


@pytest.mark.parametrize("answer", [NOISE, SILENCE, pressed("77")])
def test_who_is_not_understood_once_is_offered_keys_at_once(answer: Heard) -> None:
    """Whether or not the flow's own words name them."""
    for retry, told in (
        ("Sorry, which state?", (keypad_help("state"),)),
        ("upload:sorry", (keypad_help("state"),)),
        ("Sorry. Say the state, or press its two letters.", ()),
    ):
        definition = library.load("mortgage")
        definition["nodes"]["state"]["retry"] = retry
        flow = parse_flow(definition)
        step = engine.start(flow, now=NOW)
        for resume in (HEARD, said("refinance"), answer):
            step = engine.resume(flow, step.session, resume, now=NOW)
        assert isinstance(step.wait, AskWait) and step.wait.prompts == (retry, *told)
        assert set(told) <= texts_of(flow)


def test_an_area_code_over_several_states_keeps_them_all_as_candidates() -> None:
    step, _ = call(said("reverse"), SILENCE, SILENCE, SILENCE, caller_states=("MO", "KS"))
    assert step.session.tags["state_candidates"] == "MO-KS"
    assert step.session.tags["state_source"] == "area_code"
    assert "state" not in step.session.tags


def test_a_state_that_the_caller_states_after_all_is_no_longer_a_guess() -> None:
    guessed, _ = call(said("reverse"), SILENCE, SILENCE, SILENCE, caller_states=("MO", "KS"))
    here = Context(now=NOW)
    again = MORTGAGE.nodes["state"].enter(guessed.session, here).session
    told = MORTGAGE.nodes["state"].resume(again, said("OH"), here).session
    assert told.tags == {"loan_type": "reverse", "state": "OH"}


def test_a_caller_who_says_nothing_at_all_still_reaches_the_router() -> None:
    step, answers = call(*[SILENCE] * 6)
    assert step.wait == RouteWait()
    assert [a.source for a in answers] == [Source.NONE, Source.NONE]


def test_nobody_free_is_said_and_the_call_ends() -> None:
    step, _ = call(said("refinance"), said("CA"), Routed(found=False))
    assert isinstance(step.events[0], Play) and isinstance(step.events[-1], HangUp)
    assert step.session.ended


def test_a_found_buyer_ends_the_flow_without_a_hang_up() -> None:
    step, _ = call(said("refinance"), said("CA"), Routed(found=True))
    assert step.session.ended and step.events == () and step.wait is None


heard_anything = st.builds(
    Heard,
    outcome=st.sampled_from(HeardOutcome),
    value=st.sampled_from([None, "refinance", "CA", "yes", "no", "${EXTEN}", ""]),
    text=st.text(max_size=5),
    digits=st.text("0123456789*#", max_size=4),
)


@given(st.lists(heard_anything, min_size=30, max_size=30), st.sampled_from([(), ("OH",), ("MO", "KS")]))
def test_no_caller_is_ever_trapped_or_dropped(heard: list[Heard], states: tuple[str, ...]) -> None:
    step = engine.resume(
        MORTGAGE, engine.start(MORTGAGE, now=NOW, caller_states=states).session, HEARD, now=NOW
    )
    for answer in heard:
        if not isinstance(step.wait, AskWait):
            break
        step = engine.resume(MORTGAGE, step.session, answer, now=NOW)
    assert step.wait == RouteWait()
    loan_types = {"refinance", "purchase", "home_equity", "reverse"}
    assert step.session.tags.get("loan_type", "refinance") in loan_types
    assert step.session.tags.get("state", "CA") in STATES
    assert step.session.tags.get("state_candidates", "MO-KS") == "MO-KS"


def test_every_text_of_the_flow_is_known_before_it_is_played() -> None:
    texts = texts_of(MORTGAGE)
    for resumes in ((mumbled("refinance"),), (said("refinance"), pressed("63")), (SILENCE,)):
        step, _ = call(*resumes)
        assert isinstance(step.wait, AskWait)
        assert set(step.wait.prompts) <= texts


def test_the_library_has_no_dead_ends() -> None:
    for name in ("mortgage", "direct", "mortgage_refinance_qualify"):
        assert unreachable_nodes(parse_flow(library.load(name))) == []


def test_a_loop_without_a_wait_ends_the_call_instead_of_the_process() -> None:
    loop = {"entry": "a", "nodes": {"a": {"kind": "play", "text": "x", "exits": {"next": "a"}}}}
    step = engine.start(parse_flow(loop), now=NOW)
    assert step.session.ended and isinstance(step.events[-1], HangUp)


@pytest.mark.parametrize(
    ("definition", "sentence"),
    [
        ("no object", "a flow is an object"),
        ({"entry": "x", "nodes": {}}, "the entry 'x' is not a node"),
        ({"entry": "a", "nodes": {"a": {"kind": "teleport"}}}, "unknown kind 'teleport'"),
        ({"entry": "a", "nodes": {"a": {"kind": "play", "text": "x", "exits": {"next": "b"}}}}, "'b', which is not"),
        ({"entry": "a", "nodes": {"a": {"kind": "play", "txt": "x", "exits": {}}}}, "unknown setting 'txt'"),
        ({"entry": "a", "nodes": {"a": {"kind": "hang_up"}, "b": 3}}, "a node is an object"),
    ],
)  # fmt: skip
def test_a_flow_that_cannot_be_right_is_refused_with_place_and_reason(
    definition: object, sentence: str
) -> None:
    with pytest.raises(FlowError, match=sentence.replace("(", r"\(")):
        parse_flow(definition)


# What callers may say at every question.


def spoken(command: Command) -> Heard:
    return Heard(outcome=HeardOutcome.ACCEPTED, value=str(command), text=str(command), command=command)


WAYS_TO_SAY = [spoken, lambda command: replace(spoken(command), command=None)]


@pytest.mark.parametrize("way", WAYS_TO_SAY)
def test_whoever_asks_for_a_person_is_routed_at_once_with_what_is_known(way: Any) -> None:
    step, _ = call(said("refinance"), way(Command.OPERATOR))
    assert step.wait == RouteWait() and step.session.tags == {"loan_type": "refinance"}
    step, _ = call(said("refinance"), way(Command.OPERATOR), Routed(found=False))
    assert step.session.ended and isinstance(step.events[-1], HangUp)


def test_a_key_asks_for_a_person_wherever_the_question_does_not_use_it() -> None:
    assert call(pressed("0"))[0].wait == RouteWait()
    assert call(said("refinance"), pressed("0"))[0].wait == RouteWait()
    # In a confirmation as well; but where a choice is offered, 0 is "none of these".
    assert call(mumbled("refinance"), pressed("0"))[0].wait == RouteWait()
    step, _ = call(said("refinance"), pressed("63"), pressed("0"))
    assert isinstance(step.wait, AskWait) and step.wait.grammar == "state"


def test_the_question_says_which_keys_end_it_at_once() -> None:
    step, _ = call()
    assert isinstance(step.wait, AskWait) and set(step.wait.instant_keys) == {"0", "*"}
    step, _ = call(said("refinance"), pressed("63"))
    assert isinstance(step.wait, AskWait) and step.wait.instant_keys == "*"


def test_repeat_asks_the_same_again_without_counting_it_and_not_for_ever() -> None:
    asked, _ = call(said("refinance"), NOISE)
    repeats = [spoken(Command.REPEAT)] * engine.REPEATS_MAXIMUM
    again, _ = call(said("refinance"), NOISE, *repeats)
    assert again.wait == asked.wait and again.session.attempt == asked.session.attempt
    once_more, _ = call(said("refinance"), NOISE, *repeats, pressed("*"))
    assert once_more.session.attempt == asked.session.attempt + 1


def test_a_confirmation_is_repeated_as_it_was() -> None:
    asked, _ = call(mumbled("purchase"))
    again, _ = call(mumbled("purchase"), spoken(Command.REPEAT))
    assert again.wait == asked.wait
    step, _ = call(mumbled("purchase"), spoken(Command.REPEAT), said("yes"))
    assert step.session.tags == {"loan_type": "purchase"}


def test_stop_calling_is_noted_confirmed_and_ends_the_call() -> None:
    step, _ = call(spoken(Command.STOP_CALLING))
    request, told, end = step.events
    assert request == DoNotCallRequested(node="loan_type", heard="stop_calling")
    assert isinstance(told, Play) and set(told.prompts) <= texts_of(MORTGAGE)
    assert isinstance(end, HangUp) and step.session.ended


def test_nobody_whose_number_is_withheld_is_told_that_it_is_off_the_list() -> None:
    for caller, told in (("+16145550123", CONFIRMATION), ("", NUMBER_WITHHELD)):
        asked = engine.resume(
            MORTGAGE, engine.start(MORTGAGE, now=NOW, caller=caller).session, HEARD, now=NOW
        )
        step = engine.resume(MORTGAGE, asked.session, spoken(Command.STOP_CALLING), now=NOW)
        assert step.events[1] == Play(prompts=(told,)) and told in texts_of(MORTGAGE)


def test_a_flow_may_go_on_after_stop_calling() -> None:
    definition = {**library.load("mortgage"), "commands": {"stop_calling": {"then": "go_on"}}}
    flow = parse_flow(definition)
    step = engine.resume(flow, engine.start(flow, now=NOW).session, HEARD, now=NOW)
    after = engine.resume(flow, step.session, spoken(Command.STOP_CALLING), now=NOW)
    assert after.wait == step.wait and isinstance(after.events[0], DoNotCallRequested)


def test_who_does_not_want_to_be_recorded_is_asked_on_and_never_recorded_again() -> None:
    step, _ = call(spoken(Command.DO_NOT_RECORD))
    assert isinstance(step.events[0], StopRecording) and isinstance(step.wait, AskWait)
    notice = MORTGAGE.nodes["notice"]
    session = replace(notice.enter(step.session, Context(now=NOW)).session, node="notice")
    again = engine.resume(MORTGAGE, session, HEARD, now=NOW)
    assert [type(event) for event in again.events] == [NoticeHeard]


def test_the_operator_is_the_flows_own_node_where_it_names_one() -> None:
    definition = library.load("mortgage")
    definition["nodes"]["desk"] = {
        "kind": "transfer", "number": "+16145550100", "exits": {"failed": "route"}
    }  # fmt: skip
    flow = parse_flow({**definition, "commands": {"operator": "desk"}})
    step = engine.resume(flow, engine.start(flow, now=NOW).session, HEARD, now=NOW)
    assert engine.resume(flow, step.session, spoken(Command.OPERATOR), now=NOW).session.node == "desk"


# Limits.


def test_a_call_that_takes_too_long_is_handed_to_the_router_and_then_goes_by_the_flow() -> None:
    step, _ = call(said("refinance"))
    late = NOW + timedelta(minutes=engine.SESSION_MINUTES_MAXIMUM, seconds=1)
    given_up = engine.resume(MORTGAGE, step.session, SILENCE, now=late)
    assert isinstance(given_up.events[0], FlowFault) and given_up.wait == RouteWait()
    nobody = engine.resume(MORTGAGE, given_up.session, Routed(found=False), now=late)
    assert isinstance(nobody.events[0], Play) and nobody.session.ended


def test_a_caller_for_whom_somebody_is_found_at_the_last_moment_is_not_routed_again() -> None:
    step, _ = call(said("refinance"), said("CA"))
    late = NOW + timedelta(minutes=engine.SESSION_MINUTES_MAXIMUM, seconds=1)
    found = engine.resume(MORTGAGE, step.session, Routed(found=True), now=late)
    assert found.session.ended and found.events == () and found.wait is None
    weary = replace(step.session, steps=engine.STEPS_PER_SESSION_MAXIMUM)
    assert engine.resume(MORTGAGE, weary, Routed(found=True), now=NOW).session.ended


def test_a_caller_who_never_stops_is_routed_once_and_then_told_goodbye() -> None:
    step, _ = call()
    faults = 0
    for _ in range(3 * engine.STEPS_PER_SESSION_MAXIMUM):
        answer = Routed(found=False) if step.wait == RouteWait() else spoken(Command.REPEAT)
        step = engine.resume(MORTGAGE, replace(step.session, attempt=1, repeats=0), answer, now=NOW)
        faults += sum(isinstance(event, FlowFault) for event in step.events)
        if step.session.ended:
            break
    assert step.session.ended and faults == 1 and isinstance(step.events[-1], HangUp)


def test_tags_that_would_not_fit_into_a_channel_variable_are_not_set() -> None:
    nodes: dict[str, Any] = {
        f"n{i}": {"kind": "set_tag", "tag": f"tag_{i}", "value": "x" * 190, "exits": {"next": f"n{i + 1}"}}
        for i in range(10)
    }
    step = engine.start(parse_flow({"entry": "n0", "nodes": {**nodes, "n10": {"kind": "hang_up"}}}), now=NOW)
    assert 3 < len(step.session.tags) < 10
    assert any(isinstance(event, FlowFault) for event in step.events)


@given(st.dictionaries(st.text("abc_", min_size=1, max_size=8), st.text(max_size=200), max_size=30))
def test_whatever_has_room_fits_into_a_channel_variable(told: dict[str, str]) -> None:
    session = engine.start(MORTGAGE, now=NOW).session
    for tag, value in told.items():
        if session.has_room_for(tag, value):
            session = session.with_tag(tag, value)
    dump_tags(session.tags)
