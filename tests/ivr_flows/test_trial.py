"""A flow tried out by typing: the whole call anew at every line, and the way it took."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ivr_flows.case_file import Caller
from ivr_flows.definition import parse_flow
from ivr_flows.engine import Passed
from ivr_flows.library import load
from ivr_flows.trial import LINES_MAXIMUM, play

CALLER = Caller(at=datetime(2026, 11, 24, 15, tzinfo=UTC), number="+16145550123", states=("OH",))


def way_of(*pairs: tuple[str, str]) -> tuple[Passed, ...]:
    return tuple(Passed(node=node, exit=exit) for node, exit in pairs)


def test_the_call_is_played_line_by_line() -> None:
    trial = play(parse_flow(load("mortgage")), CALLER, ["refinance", "", "", "", "no"])
    assert [turn.line for turn in trial.turns] == ["", "refinance", "", "", "", "no"]
    assert [turn.step.session.node for turn in trial.turns] == ["loan_type", *["state"] * 3, "route", "bye"]
    assert trial.turns[0].step.way == way_of(("notice", ""), ("notice", "next"), ("loan_type", ""))
    assert trial.turns[1].step.way == way_of(("loan_type", "answered"), ("state", ""))
    assert trial.turns[-1].step.way == way_of(("route", "no_buyer"), ("nobody", "next"), ("bye", ""))
    assert trial.turns[-1].step.session.ended
    assert trial.turns[-1].help == ""


def test_what_cannot_be_an_answer_is_told() -> None:
    webhook = {
        "kind": "webhook",
        "url": "https://example.com/",
        "results": {"score": "score"},
        "exits": {"done": "b", "failed": "b"},
    }
    flow = parse_flow({"entry": "w", "nodes": {"w": webhook, "b": {"kind": "hang_up"}}})
    trial = play(flow, CALLER, ["{no json", "x"])
    assert len(trial.turns) == 1
    assert "that is no JSON" in trial.problem


def test_sub_flows_are_part_of_the_way() -> None:
    inner = {"entry": "back", "nodes": {"back": {"kind": "return"}}}
    definition: dict[str, Any] = {
        "entry": "in",
        "nodes": {
            "in": {"kind": "sub_flow", "flow": "inner", "exits": {"next": "bye"}},
            "bye": {"kind": "hang_up"},
        },
        "subflows": {"inner": {"version": 1, "definition": inner}},
    }
    step = play(parse_flow(definition), CALLER, []).turns[0].step
    assert step.way == way_of(("in", ""), ("in/back", ""), ("bye", ""))


def test_a_call_has_an_end_whatever_is_typed() -> None:
    trial = play(parse_flow(load("mortgage")), CALLER, ["repeat"] * (LINES_MAXIMUM * 2))
    assert len(trial.turns) <= LINES_MAXIMUM + 1
    assert trial.turns[-1].step.session.node in ("route", "state", "loan_type")
