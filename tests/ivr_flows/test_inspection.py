"""What is said of a flow before it is published: with the node's name, and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from ivr_flows import library
from ivr_flows.definition import parse_flow
from ivr_flows.inspection import Finding, Severity, blocking, inspect, refused_transfers, texts_of, uploads_of
from rules.dialling import HOME_ONLY, Destination, DiallingRules

NOTICE = {"kind": "consent_notice", "text": "This call may be recorded.", "exits": {"next": "route"}}
ROUTE = {"kind": "route", "exits": {"no_buyer": "bye"}}
BYE = {"kind": "hang_up"}
GOOD = {"notice": NOTICE, "route": ROUTE, "bye": BYE}


def found(
    nodes: dict[str, Any], entry: str = "notice", uploads: tuple[str, ...] = (), **more: Any
) -> list[Finding]:
    return inspect(parse_flow({"entry": entry, "nodes": nodes, **more}), uploads)


def ask(to: str, **more: Any) -> dict[str, Any]:
    return {
        "kind": "ask", "tag": "state", "grammar": "state", "prompt": "Which state?", "retry": "Which state?",
        "exits": {"answered": to, "unanswered": to}, **more,
    }  # fmt: skip


def play(to: str, text: str = "Hello.") -> dict[str, Any]:
    return {"kind": "play", "text": text, "exits": {"next": to}}


def part_to(to: str) -> dict[str, Any]:
    return {"kind": "sub_flow", "flow": "part", "exits": {"next": to}}


def pinned(**nodes: dict[str, Any]) -> dict[str, Any]:
    """A flow `part` with these nodes, as publishing puts it into another."""
    return {"part": {"version": 1, "definition": {"entry": next(iter(nodes)), "nodes": nodes}}}


def test_a_good_flow_has_nothing_to_say_about() -> None:
    assert found(GOOD) == []


@pytest.mark.parametrize("name", ["mortgage", "mortgage_refinance_qualify"])
def test_the_librarys_flows_are_good(name: str) -> None:
    assert inspect(parse_flow(library.load(name))) == []


def test_the_librarys_flow_without_a_question_warns_that_it_is_never_recorded() -> None:
    (finding,) = inspect(parse_flow(library.load("direct")))
    assert str(finding) == (
        "warning: node 'route': no consent notice comes before this: put one at the entry, or the call is never"
        " recorded"
    )


def test_a_node_that_no_way_leads_to_is_a_warning() -> None:
    (finding,) = found({**GOOD, "lost": play("bye")})
    assert str(finding) == "warning: node 'lost': no way leads here: lead an exit to it, or remove it"


def test_the_operators_node_is_reached_from_every_question() -> None:
    desk = {"kind": "transfer", "number": "+16145550100", "exits": {"failed": "bye"}}
    nodes = {
        "notice": {**NOTICE, "exits": {"next": "ask"}},
        "ask": ask("route"),
        "route": ROUTE,
        "bye": BYE,
        "desk": desk,
    }
    assert found(nodes, commands={"operator": "desk"}) == []
    assert [finding.code for finding in found(nodes)] == ["unreachable"]


def test_the_operators_node_is_reached_from_a_question_in_a_sub_flow() -> None:
    desk = {"kind": "transfer", "number": "+16145550100", "exits": {"failed": "bye"}}
    nodes = {**GOOD, "notice": {**NOTICE, "exits": {"next": "part"}}, "part": part_to("route"), "desk": desk}
    asking = pinned(a=ask("back"), back={"kind": "return"})
    assert found(nodes, subflows=asking, commands={"operator": "desk"}) == []
    silent = pinned(a=play("back"), back={"kind": "return"})
    assert [(one.code, one.node) for one in found(nodes, subflows=silent, commands={"operator": "desk"})] == [
        ("unreachable", "desk")
    ]


def test_what_follows_a_sub_flow_that_never_comes_back_is_not_reached() -> None:
    nodes = {"notice": {**NOTICE, "exits": {"next": "part"}}, "part": part_to("after"),
             "after": play("bye"), "bye": BYE}  # fmt: skip
    after, bye = found(nodes, subflows=pinned(over={"kind": "hang_up"}))
    assert str(after) == (
        "warning: node 'after': no way leads here, as the flow 'part' never comes back: give it a return, lead"
        " another exit here, or remove this"
    )
    assert str(bye) == "warning: node 'bye': no way leads here: lead an exit to it, or remove it"
    assert found(nodes, subflows=pinned(back={"kind": "return"})) == []


def test_a_loop_of_questions_that_never_ends_is_a_dead_end() -> None:
    findings = found({"notice": {**NOTICE, "exits": {"next": "a"}}, "a": ask("b"), "b": ask("a")})
    assert {(finding.code, finding.node) for finding in findings} == {
        ("dead_end", "notice"), ("dead_end", "a"), ("dead_end", "b"),
    }  # fmt: skip
    assert "lead one of its exits there" in findings[0].text


def test_a_loop_without_a_wait_is_told_once_with_its_way() -> None:
    tag = {"kind": "set_tag", "tag": "x", "value": "1", "exits": {"next": "b"}}
    branch = {"kind": "branch", "arms": [{"exit": "go", "when": {"fact": "state", "=": "OH"}}]}
    nodes = {
        "notice": {**NOTICE, "exits": {"next": "a"}}, "a": tag,
        "b": {**branch, "exits": {"go": "route", "else": "a"}}, "route": ROUTE, "bye": BYE,
    }  # fmt: skip
    (finding,) = found(nodes, given=["state"])
    assert (finding.severity, finding.code, finding.node) == (Severity.ERROR, "loop", "a")
    assert "(a → b → a): put a question, a hold or a voicemail into it" in finding.text


def test_a_loop_in_which_somebody_waits_is_none() -> None:
    nodes = {**GOOD, "route": {"kind": "route", "exits": {"no_buyer": "hold"}},
             "hold": {"kind": "hold", "exits": {"over": "route"}}}  # fmt: skip
    assert [finding.code for finding in found({k: v for k, v in nodes.items() if k != "bye"})] == []


@pytest.mark.parametrize(
    "node",
    [
        {"kind": "say", "text": "In {stat}.", "exits": {"next": "route"}},
        {"kind": "branch", "arms": [{"exit": "a", "when": {"fact": "stat", "kind": "text", "=": "OH"}}],
         "exits": {"a": "route", "else": "route"}},
        {"kind": "webhook", "url": "https://example.com/", "body": {"s": "{stat}"},
         "exits": {"done": "route", "failed": "route"}},
    ],
)  # fmt: skip
def test_a_tag_that_is_set_nowhere_is_an_error_where_it_is_asked_for(node: dict[str, Any]) -> None:
    nodes = {**GOOD, "notice": {**NOTICE, "exits": {"next": "asks"}}, "asks": node}
    (finding,) = found(nodes)
    assert finding.severity is Severity.ERROR and finding.node == "asks"
    assert finding.text.startswith("the tag 'stat' is set nowhere: correct its name")
    assert found(nodes, given=["stat"]) == []


@pytest.mark.parametrize("number", ["+442071838750", "+18765550123", "+19005550100"])
def test_a_transfer_rings_only_what_the_house_rings(number: str) -> None:
    node = {"kind": "transfer", "number": number, "exits": {"failed": "bye"}}
    flow = parse_flow({"format": 1, "entry": "t", "nodes": {"t": node, "bye": {"kind": "hang_up"}}})
    (finding,) = refused_transfers(flow, HOME_ONLY)
    assert (finding.severity, finding.code, finding.node) == (Severity.ERROR, "not_dialled", "t")
    named = Destination(
        prefix=number,
        name="an office",
        cost_per_minute_micros=1,
        target_minutes_per_day=60,
        target_micros_per_day=60,
        trunk_minutes_per_day=60,
        trunk_micros_per_day=60,
    )
    assert refused_transfers(flow, DiallingRules(destinations=(named,))) == []


def test_a_tag_is_named_as_the_router_reads_it() -> None:
    """A ZIP code in a tag of another name says nothing of where the caller lives."""
    node = {"kind": "set_tag", "tag": "zip_code", "value": "94105", "exits": {"next": "route"}}
    nodes = {**GOOD, "notice": {**NOTICE, "exits": {"next": "mark"}}, "mark": node}
    (finding,) = found(nodes)
    assert (finding.severity, finding.code, finding.node) == (Severity.ERROR, "misnamed_tag", "mark")
    assert finding.text.startswith("the tag 'zip_code' is called 'zip'")


def test_in_a_sub_flow_an_unknown_tag_may_come_from_outside() -> None:
    nodes = {
        "say": {"kind": "say", "text": "In {state}.", "exits": {"next": "back"}},
        "back": {"kind": "return"},
    }
    (finding,) = found(nodes, entry="say")
    assert (finding.severity, finding.code) == (Severity.WARNING, "unknown_tag")


def test_a_tag_that_only_a_sub_flow_asks_for_is_told_where_the_sub_flow_is_entered() -> None:
    nodes = {**GOOD, "notice": {**NOTICE, "exits": {"next": "part"}}, "part": part_to("route")}
    saying = {"kind": "say", "text": "In {stat}.", "exits": {"next": "back"}}
    inner = pinned(say=saying, back={"kind": "return"})
    (finding,) = found(nodes, subflows=inner)
    assert str(finding) == (
        "error: node 'part': in the flow 'part': the tag 'stat' is set nowhere: correct its name, ask for it, or list"
        " it under 'given' when it comes with the call"
    )
    assert found(nodes, subflows=inner, given=["stat"]) == []
    setting = {"kind": "set_tag", "tag": "stat", "value": "OH", "exits": {"next": "part"}}
    assert (
        found({**nodes, "notice": {**NOTICE, "exits": {"next": "set"}}, "set": setting}, subflows=inner) == []
    )
    definition = {**inner["part"]["definition"], "given": ["stat"]}
    assert found(nodes, subflows={"part": {"version": 1, "definition": definition}}) == []


def test_a_tag_in_what_those_are_told_who_are_not_to_be_called_is_looked_for_too() -> None:
    nodes = {**GOOD, "notice": {**NOTICE, "exits": {"next": "ask"}}, "ask": ask("route")}
    (finding,) = found(nodes, commands={"stop_calling": {"text": "Goodbye, {nam}."}})
    assert str(finding).startswith(
        "error: 'commands.stop_calling.text': the tag 'nam' is set nowhere: correct"
    )
    assert found(nodes, commands={"stop_calling": {"text": "Goodbye in {state}."}}) == []


def test_a_sound_that_is_not_there_is_an_error() -> None:
    nodes = {**GOOD, "notice": {**NOTICE, "text": "upload:notice"}}
    (finding,) = found(nodes)
    assert str(finding) == (
        "error: node 'notice': the sound 'notice' is not there: upload it, or write a text instead"
    )
    assert found(nodes, uploads=("notice",)) == []
    assert uploads_of(parse_flow({"entry": "notice", "nodes": nodes})) == {"notice"}


def test_a_sound_that_is_not_there_is_told_of_a_sub_flow_too() -> None:
    nodes = {**GOOD, "notice": {**NOTICE, "exits": {"next": "part"}}, "part": part_to("route")}
    inner = pinned(play=play("back", text="upload:jingle"), back={"kind": "return"})
    (finding,) = found(nodes, subflows=inner)
    assert str(finding) == (
        "error: node 'part': in the flow 'part': the sound 'jingle' is not there: upload it, or write a text instead"
    )
    assert found(nodes, subflows=inner, uploads=("jingle",)) == []
    assert uploads_of(parse_flow({"entry": "notice", "nodes": nodes, "subflows": inner})) == {"jingle"}


def test_a_sound_for_those_who_are_not_to_be_called_has_to_be_there_where_something_is_asked() -> None:
    asking = {**GOOD, "notice": {**NOTICE, "exits": {"next": "ask"}}, "ask": ask("route")}
    commands = {"stop_calling": {"text": "upload:goodbye"}}
    (finding,) = found(asking, commands=commands)
    assert str(finding) == (
        "error: 'commands.stop_calling.text': the sound 'goodbye' is not there: upload it, or write a text instead"
    )
    assert found(asking, commands=commands, uploads=("goodbye",)) == []
    assert found(GOOD, commands=commands) == []


def test_a_way_round_the_notice_is_an_error() -> None:
    menu = {
        "kind": "menu", "prompt": "Press 1.", "retry": "Press 1.", "choices": {"now": "1"},
        "exits": {"now": "route", "unanswered": "notice"},
    }  # fmt: skip
    (finding,) = found({"menu": menu, **GOOD}, entry="menu")
    assert (finding.severity, finding.node) == (Severity.ERROR, "route")
    assert finding.text == "a way leads here round the consent notice: lead it through the notice"


@pytest.mark.parametrize("text", ["[In {law} this call is recorded.]", "{law}"])
def test_a_notice_that_may_say_nothing_is_told_of(text: str) -> None:
    (finding,) = found({**GOOD, "notice": {**NOTICE, "text": text}}, given=["law"])
    assert (finding.severity, finding.node) == (Severity.WARNING, "notice")
    assert finding.text.startswith("without law this notice says nothing, and the call is not recorded:")
    whole = {**NOTICE, "text": f"This call may be recorded. {text}"}
    assert found({**GOOD, "notice": whole}, given=["law"]) == []


def test_a_caller_who_asks_for_a_person_before_the_notice_is_told_of_as_not_recorded() -> None:
    warned = (
        "warning: node 'route': a caller who asks for a person before the consent notice, or gets lost there, comes"
        " to this without it and is not recorded: put the notice before the first question, or lead the operator"
        " to the notice"
    )
    (finding,) = found({"ask": ask("notice"), **GOOD}, entry="ask")
    assert str(finding) == warned
    assert found({"ask": ask("notice"), **GOOD}, entry="ask", commands={"operator": "notice"}) == []
    after = {**GOOD, "notice": {**NOTICE, "exits": {"next": "ask"}}, "ask": ask("route")}
    assert found(after) == []
    (inside,) = found(
        {"part": part_to("notice"), **GOOD},
        entry="part",
        subflows=pinned(a=ask("back"), back={"kind": "return"}),
    )
    assert str(inside) == warned


def test_the_operator_of_a_flow_without_any_notice_is_not_recorded_either() -> None:
    desk = {"kind": "transfer", "number": "+16145550100", "exits": {"failed": "bye"}}
    nodes = {"ask": ask("bye"), "bye": BYE, "desk": desk}
    (finding,) = found(nodes, entry="ask", commands={"operator": "desk"})
    assert str(finding) == (
        "warning: node 'desk': no consent notice comes before this: put one at the entry, or the call is never"
        " recorded"
    )


@pytest.mark.parametrize(("inner", "codes"), [(NOTICE, []), (play("route"), ["no_notice"])])
def test_a_notice_in_a_sub_flow_counts(inner: dict[str, Any], codes: list[str]) -> None:
    part = {"entry": "in", "nodes": {"in": {**inner, "exits": {"next": "back"}}, "back": {"kind": "return"}}}
    nodes = {
        "part": {"kind": "sub_flow", "flow": "part", "exits": {"next": "route"}},
        "route": ROUTE,
        "bye": BYE,
    }
    pinned = {"part": {"version": 1, "definition": part}}
    assert [finding.code for finding in found(nodes, entry="part", subflows=pinned)] == codes


def test_a_route_in_a_sub_flow_before_the_notice_is_an_error_where_the_sub_flow_is_entered() -> None:
    nodes = {"part": part_to("notice"), **GOOD}
    selling = pinned(sell={"kind": "route", "exits": {"no_buyer": "back"}}, back={"kind": "return"})
    (finding,) = found(nodes, entry="part", subflows=selling)
    assert str(finding) == (
        "error: node 'part': a way leads to a route or a transfer of the flow 'part' round the consent notice:"
        " lead it through the notice"
    )
    first = {**nodes, "notice": {**NOTICE, "exits": {"next": "part"}}, "part": part_to("route")}
    assert found(first, subflows=selling) == []


def test_a_route_in_a_sub_flow_of_a_flow_without_any_notice_is_a_warning() -> None:
    inner = pinned(sell={"kind": "route", "exits": {"no_buyer": "back"}}, back={"kind": "return"})
    outer = {
        "entry": "part",
        "nodes": {"part": part_to("back"), "back": {"kind": "return"}},
        "subflows": inner,
    }
    nodes = {"outer": {"kind": "sub_flow", "flow": "outer", "exits": {"next": "bye"}}, "bye": BYE}
    (finding,) = found(nodes, entry="outer", subflows={"outer": {"version": 1, "definition": outer}})
    assert str(finding) == (
        "warning: node 'outer': no consent notice comes before a route or a transfer of the flow 'outer': put one"
        " at the entry, or the call is never recorded"
    )


def test_a_sub_flow_that_is_not_published_is_an_error() -> None:
    nodes = {"part": {"kind": "sub_flow", "flow": "part", "exits": {"next": "notice"}}, **GOOD}
    (finding,) = blocking(found(nodes, entry="part"))
    assert finding.text == "the flow 'part' is not published: publish it first, or name another"


def test_errors_come_first() -> None:
    findings = found({**GOOD, "lost": play("bye"), "notice": {**NOTICE, "text": "upload:x"}})
    assert [finding.severity for finding in findings] == [Severity.ERROR, Severity.WARNING]


def test_what_reads_a_tag_back_is_rendered_too() -> None:
    flow = {"entry": "ask", "nodes": {"ask": ask("say"), "say": {
        "kind": "say", "text": "In {state}.", "exits": {"next": "bye"}}, "bye": BYE}}  # fmt: skip
    assert {"In", "Ohio", "Which state?", "Did you say"} <= texts_of(parse_flow(flow))


def test_a_sub_flow_reads_a_tag_back_as_the_flow_does_that_goes_into_it() -> None:
    states = {"kind": "area_code", "exits": {"found": "part", "several": "part", "unknown": "part"}}
    saying = {"kind": "say", "text": "In {state}.", "exits": {"next": "back"}}
    nodes = {"states": states, "part": part_to("bye"), "bye": BYE}
    inner = pinned(say=saying, back={"kind": "return"})
    assert {"In", "Ohio"} <= texts_of(parse_flow({"entry": "states", "nodes": nodes, "subflows": inner}))


def test_at_a_sub_flows_question_the_flow_that_goes_into_it_confirms_not_to_call_again() -> None:
    inner = pinned(a=ask("back"), back={"kind": "return"})
    inner["part"]["definition"]["commands"] = {"stop_calling": {"text": "Of the part."}}
    flow = {"entry": "part", "nodes": {"part": part_to("bye"), "bye": BYE}, "subflows": inner,
            "commands": {"stop_calling": {"text": "Never again."}}}  # fmt: skip
    texts = texts_of(parse_flow(flow))
    assert "Never again." in texts and "This call is not recorded." in texts
    assert "Of the part." not in texts


def test_a_sub_flow_that_asks_something_is_a_wait_and_one_that_says_something_is_not() -> None:
    again = {"kind": "sub_flow", "flow": "part", "exits": {"next": "more"}}
    more = {"kind": "branch", "arms": [{"exit": "on", "when": {"fact": "state", "known": True}}]}
    nodes = {**GOOD, "notice": {**NOTICE, "exits": {"next": "again"}}, "again": again,
             "more": {**more, "exits": {"on": "route", "else": "again"}}}  # fmt: skip
    for first, codes in ((ask("back"), []), (play("back"), ["loop"])):
        part = {"entry": "in", "nodes": {"in": first, "back": {"kind": "return"}}}
        pinned = {"part": {"version": 1, "definition": part}}
        assert [one.code for one in found(nodes, subflows=pinned, given=["state"])] == codes


def test_a_sub_flow_that_ends_the_call_itself_is_no_dead_end() -> None:
    part = {"entry": "bye", "nodes": {"bye": BYE}}
    nodes = {"notice": {**NOTICE, "exits": {"next": "part"}},
             "part": {"kind": "sub_flow", "flow": "part", "exits": {"next": "part"}}}  # fmt: skip
    pinned = {"part": {"version": 1, "definition": part}}
    assert [one.code for one in found(nodes, subflows=pinned)] == []
