"""The published schema says what the code accepts: both are made of the same fields, and cases hold them to it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ivr_flows import library
from ivr_flows.definition import FlowError, parse_flow
from ivr_flows.inspection import inspect
from ivr_flows.kinds import NODE_KINDS
from ivr_flows.nodes.ask import AskNode
from ivr_flows.schema import flow_schema, node_schema

CASES = sorted((Path(__file__).parent / "cases").glob("*/*/*.json"))
SCHEMA = flow_schema()
HANG_UP = {"entry": "a", "nodes": {"a": {"kind": "hang_up"}}}
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("name", ["direct", "mortgage", "mortgage_refinance_qualify"])
def test_the_librarys_flows_are_valid(name: str) -> None:
    VALIDATOR.validate(library.load(name))


def test_every_accepted_case_is_valid() -> None:
    for path in CASES:
        case = json.loads(path.read_text(encoding="utf-8"))
        if "refused" not in case:
            VALIDATOR.validate(case["flow"])


@pytest.mark.parametrize(
    "changes",
    [
        {"nodes": {"a": {"kind": "teleport"}}},
        {"nodes": {"a": {"kind": "play", "txt": "x", "exits": {"next": "a"}}}},
        {"nodes": {"a": {"kind": "play", "text": "", "exits": {"next": "a"}}}},
        {"nodes": {"a": {"kind": "play", "text": "x"}}},
        {"nodes": {"a": {"kind": "hold", "seconds": 3600, "exits": {"over": "a"}}}},
        {"nodes": {"a": {"kind": "set_tag", "tag": "Loan Type", "value": "x", "exits": {"next": "a"}}}},
        {"nodes": {"a": {"kind": "play", "text": "x", "exits": {"next": 5}}, "5": {"kind": "hang_up"}}},
        {"format": 99},
        {"format": 1.5},
        {"nodez": {}},
        {"name": "x" * 61},
        {"name": 5},
        {"layout": 5},
        {"subflows": {"x": 1}},
        {"subflows": {"x": {"version": True, "definition": HANG_UP}}},
        {"subflows": {"x": {"version": 1, "definition": {"entry": "a"}}}},
    ],
)
def test_what_is_refused_by_its_shape_the_code_and_the_schema_refuse_both(changes: dict[str, Any]) -> None:
    flow = {**HANG_UP, **changes}
    assert not VALIDATOR.is_valid(flow)
    with pytest.raises(FlowError):
        parse_flow(flow)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 1.0},
        {"name": ""},
        {"layout": {"a": {"x": 0, "y": 80.5}}},
        {"subflows": {"x": {"version": 1.0, "definition": HANG_UP}}},
    ],
)
def test_what_is_right_by_its_shape_the_code_and_the_schema_accept_both(changes: dict[str, Any]) -> None:
    flow = {**HANG_UP, **changes}
    VALIDATOR.validate(flow)
    parse_flow(flow)


def test_three_point_nothing_is_the_whole_number_three() -> None:
    ask = {"kind": "ask", "tag": "state", "grammar": "state", "prompt": "Which?", "retry": "Which?", "attempts": 3.0,
           "exits": {"answered": "bye", "unanswered": "bye"}}  # fmt: skip
    flow = {"entry": "ask", "nodes": {"ask": ask, "bye": {"kind": "hang_up"}}}
    VALIDATOR.validate(flow)
    node = parse_flow(flow).nodes["ask"]
    assert isinstance(node, AskNode) and type(node.attempts) is int


@pytest.mark.parametrize("kind", NODE_KINDS)
def test_every_setting_has_what_a_form_needs(kind: str) -> None:
    form = node_schema(kind)
    assert form["title"] and form["description"]
    for name, setting in form["properties"].items():
        if name not in ("kind", "exits"):
            assert setting["title"], f"{kind}.{name}"
            assert name in form["required"] or "default" in setting, f"{kind}.{name}"
            if "default" in setting:
                jsonschema.validate(setting["default"], setting)


def test_the_page_about_flows_is_true() -> None:
    page = (Path(__file__).parents[2] / "docs" / "flows.md").read_text(encoding="utf-8")
    example = json.loads(page.split("```json\n")[1].split("```")[0])
    VALIDATOR.validate(example)
    assert inspect(parse_flow(example)) == []
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(NODE_KINDS)
