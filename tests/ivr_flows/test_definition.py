"""Flow files that cannot be right, and the sentence an admin reads for each."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr_flows import definition as d
from ivr_flows import library
from ivr_flows.definition import FlowError, parse_flow, read_flow_text
from ivr_flows.inspection import inspect

HANG_UP = {"entry": "bye", "nodes": {"bye": {"kind": "hang_up"}}}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"entry": "a", ', "this is no JSON: Expecting property name enclosed in double quotes at line 1, column 16"),
        ("", "this is no JSON: Expecting value at line 1, column 1"),
        (b"\xff\xfe\x00", "this is no JSON text in UTF-8"),
        ("[" * 100_000, "the JSON is nested too deep to be a flow"),
        ('{"a": {"x": 1, "x": 2}}', "this is no JSON we keep: the name 'x' stands twice in one object"),
        ('{"a": NaN}', "this is no JSON we keep: NaN is no number"),
        ('{"a": 1e999}', "this is no JSON we keep: 1e999 is no number"),
        ('{"a": "\\u0000"}', "it holds a NUL character: take it out"),
        ('{"a": "\\ud800"}', "it holds a number or a letter that cannot be written down"),
        ("[1, 2]", 'a flow is an object with "name", "entry" and "nodes"'),
        (" " * (d.FLOW_BYTES_MAXIMUM + 1), "500,001 bytes; a flow has at most 500,000: split it into sub-flows"),
    ],
    ids=["broken", "empty", "not text", "too deep", "twice", "no number", "endless", "nul", "half", "list", "big"],
)  # fmt: skip
def test_a_file_that_is_no_flow_is_refused_before_it_is_looked_at(text: bytes | str, sentence: str) -> None:
    with pytest.raises(FlowError) as refused:
        read_flow_text(text)
    assert str(refused.value) == sentence


@pytest.mark.parametrize("changes", [{}, {"nodes": []}, {"steps": []}], ids=["nodes", "a list", "steps"])
def test_a_flow_of_a_newer_format_says_what_to_do_whatever_its_shape(changes: dict[str, Any]) -> None:
    with pytest.raises(FlowError) as refused:
        parse_flow({**(changes or HANG_UP), "format": d.FORMAT_VERSION + 1})
    assert str(refused.value) == (
        f"this flow is of format {d.FORMAT_VERSION + 1}, and this Tollbridge reads up to format"
        f" {d.FORMAT_VERSION}: upgrade it, or export the flow again for the older format"
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"format": "1"}, "'format' '1' is not a number like 1"),
        ({"entry": ["bye"]}, "the entry ['bye'] is not a node"),
        ({"nodez": {}}, "unknown setting 'nodez'"),
        ({"nodes": {f"n{i}": {"kind": "hang_up"} for i in range(201)}}, "201 nodes; at most 200: split it"),
        ({"nodes": {"bye": {"kind": ["hang_up"]}}}, "node 'bye': unknown kind ['hang_up']"),
        ({"nodes": {"bye": {"kind": "hang_up"}, "x" * 61: {"kind": "hang_up"}}}, "a node's name has 1 to 60"),
        ({"nodes": {"bye": {"kind": "hang_up"}, "\n": {"kind": "hang_up"}}}, "a node's name has 1 to 60"),
        ({"commands": {"operator": "desk"}}, "'commands.operator': 'desk' is not a node"),
        ({"commands": {"keys": {"0": "dance"}}}, "'commands.keys.0' must be operator or repeat or"),
        ({"commands": {"keys": {"#": "repeat"}}}, "'commands.keys': '#' is not a key"),
        ({"commands": {"tone": "nice"}}, "'commands': unknown setting 'tone'"),
        ({"commands": 3}, "'commands' must be an object with keys, operator, stop_calling"),
        ({"given": "source"}, "'given' must be a list of at most 50 tags' names"),
        ({"subflows": {"x": 3}}, "sub-flow 'x': has no version and definition"),
        ({"subflows": {"x": {"version": True}}}, "sub-flow 'x': has no version and definition"),
        ({"name": 5}, "'name' must be a text of at most 60 characters"),
        ({"name": "x" * 61}, "'name' must be a text of at most 60 characters"),
        ({"layout": 5}, "'layout' must be an object; the editor fills it in"),
        (
            {"nodes": {"bye": {"kind": "answer", "exits": {"next": 5}}}},
            "'exits.next' must be the name of a node",
        ),
        ({"subflows": []}, "'subflows' must be an object"),
    ],
)
def test_a_flow_that_cannot_be_right_is_refused_with_its_place(
    changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(FlowError) as refused:
        parse_flow({**HANG_UP, **changes})
    assert sentence in str(refused.value)


def test_every_problem_is_told_at_once() -> None:
    nodes = {"a": {"kind": "play", "exits": {}}, "b": {"kind": "dance"}, "c": 3}
    with pytest.raises(FlowError) as refused:
        parse_flow({"entry": "x", "nodes": nodes, "given": 3})
    assert [problem.node for problem in refused.value.problems] == ["a", "b", "c", "", ""]


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("bye"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abfactnot", max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.data())
@settings(max_examples=300)
def test_whatever_json_an_admin_writes_is_a_flow_or_a_sentence(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(d.NODE_KINDS)))
    keys = [*d.NODE_KINDS[kind].FIELDS, "exits"]
    node = data.draw(st.dictionaries(st.sampled_from(keys), junk))
    more = data.draw(st.dictionaries(st.sampled_from([*d.TOP_LEVEL, "nodez"]), junk, max_size=2))
    definition = {"entry": "bye", "nodes": {"bye": {**node, "kind": kind}}, **more}
    with suppress(FlowError):
        inspect(parse_flow(definition))


def test_the_operator_is_the_route_nearest_to_the_entry_whatever_the_order_of_the_file() -> None:
    flow = library.load("mortgage_refinance_qualify")
    backwards = {**flow, "nodes": dict(reversed(flow["nodes"].items()))}
    assert parse_flow(flow).operator == parse_flow(backwards).operator == "route"
    assert parse_flow(HANG_UP).operator == ""


def test_the_library_is_written_as_json_that_people_can_read() -> None:
    for name in ("mortgage", "direct", "mortgage_refinance_qualify"):
        assert json.loads(json.dumps(library.load(name)))["name"] == name
