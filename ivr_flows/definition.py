"""A flow as data: nodes with a kind, settings and named exits, and one entry.

Flows come from the database and from people, so everything is checked here, and every problem is named at once. The
JSON is described by schema.py (`tollbridge flow schema`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from ivr_flows import answers
from ivr_flows.commands import Commands, parse_commands
from ivr_flows.kinds import NODE_KINDS
from ivr_flows.nodes.area_code import AreaCodeNode
from ivr_flows.nodes.ask import AskNode
from ivr_flows.nodes.confirm import ConfirmNode
from ivr_flows.nodes.digits import DigitsNode
from ivr_flows.nodes.fields import TAG, whole_number
from ivr_flows.nodes.menu import MenuNode
from ivr_flows.nodes.node import Node, Problem
from ivr_flows.nodes.route import RouteNode

FORMAT_VERSION = 1
"""What this Tollbridge writes. A definition without `format` is of format 1."""
FLOW_BYTES_MAXIMUM = 500_000
NODES_MAXIMUM = 200
NAME_MAXIMUM = 60
SUB_FLOW_DEPTH_MAXIMUM = 3
"""How deep sub-flows go below the flow itself."""
GIVEN_MAXIMUM = 50

TOP_LEVEL = ("format", "name", "entry", "nodes", "commands", "given", "subflows", "layout")

__all__ = ["NODE_KINDS", "Flow", "FlowError", "parse_flow", "read_flow_text"]


class FlowError(ValueError):
    """A flow that cannot be right; `problems` says where and why, one sentence each."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(map(str, problems)))


@dataclass(frozen=True, kw_only=True)
class Flow:
    """A checked flow. `nodes` maps each node's name to its settings."""

    name: str
    version: int
    entry: str
    nodes: Mapping[str, Node]
    commands: Commands = field(default_factory=Commands)
    given: frozenset[str] = frozenset()
    """Tags that come with the call: of the tracking number, or of a flow that this is a sub-flow of."""
    subflows: Mapping[str, Flow] = field(default_factory=dict)
    """The version of each sub-flow that was settled when this one was published."""
    spoken_as: Mapping[str, str] = field(default_factory=dict)
    """Tag -> the grammar its values are read back by."""
    operator: str = ""
    """The node of callers who ask for a person: the flow's own choice, else the route nearest to the entry."""


def read_flow_text(text: bytes | str) -> dict[str, Any]:
    """Return the JSON object a flow file holds, unparsed. Raises FlowError: too big, no JSON, no object."""
    if len(text) > FLOW_BYTES_MAXIMUM:
        size = f"{len(text):,} bytes; a flow has at most {FLOW_BYTES_MAXIMUM:,}: split it into sub-flows"
        raise FlowError([Problem(node="", text=size)])
    try:
        value = json.loads(
            text, object_pairs_hook=_each_once, parse_constant=_no_number, parse_float=_finite_number
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise FlowError([Problem(node="", text=f"this is no JSON: {error.msg} at {where}")]) from error
    except RecursionError as error:
        raise FlowError([Problem(node="", text="the JSON is nested too deep to be a flow")]) from error
    except UnicodeDecodeError as error:
        raise FlowError([Problem(node="", text="this is no JSON text in UTF-8")]) from error
    except ValueError as error:
        raise FlowError([Problem(node="", text=f"this is no JSON we keep: {error}")]) from error
    if not isinstance(value, dict):
        raise FlowError([Problem(node="", text='a flow is an object with "name", "entry" and "nodes"')])
    problem = unkeepable(value)
    if problem:
        raise FlowError([Problem(node="", text=problem)])
    return value


def unkeepable(definition: Mapping[str, Any]) -> str:
    """Return why a definition cannot be kept, '' when it can, right or wrong as it may be as a flow."""
    try:
        # Letters that are half of one cannot be written in UTF-8, and the database keeps no NUL.
        written = json.dumps(definition, allow_nan=False, separators=(",", ":"), ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return "it holds a number or a letter that cannot be written down"
    if b"\\u0000" in written:
        return "it holds a NUL character: take it out"
    size = f"{len(written):,} bytes; a flow has at most {FLOW_BYTES_MAXIMUM:,}: split it into sub-flows"
    return size if len(written) > FLOW_BYTES_MAXIMUM else ""


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON allows a name twice, and all but the last would be lost."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name {name!r:.80} stands twice in one object")
        found[name] = value
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _finite_number(text: str) -> float:
    value = float(text)
    return value if isfinite(value) else _no_number(text)


def parse_flow(definition: Any, *, version: int = 1) -> Flow:
    """Return the flow that `definition` (parsed JSON) describes. Raises FlowError naming every problem."""
    return _parse(definition, version, depth=0)


def _parse(definition: Any, version: int, depth: int) -> Flow:
    if isinstance(definition, dict):
        _refuse_newer(definition.get("format", 1))
    if not isinstance(definition, dict) or not isinstance(definition.get("nodes"), dict):
        raise FlowError([Problem(node="", text='a flow is an object with "name", "entry" and "nodes"')])
    problems = [
        Problem(node="", text=f"unknown setting {key!r}; known: {', '.join(TOP_LEVEL)}")
        for key in definition
        if key not in TOP_LEVEL
    ]
    nodes = _parse_nodes(definition["nodes"], problems)
    names = set(definition["nodes"])
    entry = definition.get("entry")
    if not isinstance(entry, str) or entry not in names:
        problems.append(Problem(node="", text=f"the entry {entry!r} is not a node"))
    problems += _broken_exits(nodes, names)
    commands = _parse_commands(definition.get("commands", {}), names, problems)
    given = _parse_given(definition.get("given", []), problems)
    name = _parse_name(definition.get("name", ""), problems)
    if not isinstance(definition.get("layout", {}), dict):
        problems.append(Problem(node="", text="'layout' must be an object; the editor fills it in"))
    subflows = _parse_subflows(definition.get("subflows", {}), depth, problems)
    if problems or not isinstance(entry, str):
        raise FlowError(problems)
    return Flow(
        name=name,
        version=version,
        entry=entry,
        nodes=nodes,
        commands=commands,
        given=given,
        subflows=subflows,
        spoken_as=_spoken_as(nodes, subflows),
        operator=commands.operator or _nearest_route(nodes, entry),
    )


def _refuse_newer(number: object) -> None:
    whole = whole_number(number)
    if whole is None or whole < 1:
        raise FlowError([Problem(node="", text=f"'format' {number!r} is not a number like {FORMAT_VERSION}")])
    if whole > FORMAT_VERSION:
        text = (
            f"this flow is of format {whole}, and this Tollbridge reads up to format {FORMAT_VERSION}:"
            " upgrade it, or export the flow again for the older format"
        )
        raise FlowError([Problem(node="", text=text)])


def _parse_nodes(raw: Mapping[str, Any], problems: list[Problem]) -> dict[str, Node]:
    if len(raw) > NODES_MAXIMUM:
        problems.append(
            Problem(node="", text=f"{len(raw)} nodes; at most {NODES_MAXIMUM}: split it into sub-flows")
        )
        return {}
    nodes: dict[str, Node] = {}
    for name, settings in raw.items():
        parsed = _parse_node(name, settings)
        if isinstance(parsed, Problem):
            problems.append(parsed)
        else:
            nodes[name] = parsed
    return nodes


def _parse_node(name: str, settings: Any) -> Node | Problem:
    if not name or len(name) > NAME_MAXIMUM or not name.isprintable():
        return Problem(node=name[:NAME_MAXIMUM], text=f"a node's name has 1 to {NAME_MAXIMUM} characters")
    if not isinstance(settings, dict):
        return Problem(node=name, text="a node is an object")
    kind = settings.get("kind", "")
    known = NODE_KINDS.get(kind) if isinstance(kind, str) else None
    if known is None:
        text = f"unknown kind {settings.get('kind')!r}; known: {', '.join(NODE_KINDS)}"
        return Problem(node=name, text=text)
    try:
        return known.parse(name, {key: value for key, value in settings.items() if key != "kind"})
    except (TypeError, ValueError, KeyError) as error:
        return Problem(node=name, text=str(error))


def _broken_exits(nodes: Mapping[str, Node], names: set[str]) -> list[Problem]:
    return [
        Problem(node=name, text=f"the exit {label!r} leads to {to!r}, which is not a node")
        for name, node in nodes.items()
        for label, to in node.exits.items()
        if to not in names
    ]


def _parse_commands(raw: object, names: set[str], problems: list[Problem]) -> Commands:
    try:
        commands = parse_commands(raw)
    except ValueError as problem:
        problems.append(Problem(node="", text=str(problem)))
        return Commands()
    if commands.operator and commands.operator not in names:
        text = f"'commands.operator': {commands.operator!r} is not a node"
        problems.append(Problem(node="", text=text))
    return commands


def _parse_given(raw: object, problems: list[Problem]) -> frozenset[str]:
    tags = raw if isinstance(raw, list) and len(raw) <= GIVEN_MAXIMUM else [None]
    if all(isinstance(tag, str) and TAG.fullmatch(tag) for tag in tags):
        return frozenset(tags)
    problems.append(Problem(node="", text=f"'given' must be a list of at most {GIVEN_MAXIMUM} tags' names"))
    return frozenset()


def _parse_name(raw: object, problems: list[Problem]) -> str:
    if isinstance(raw, str) and len(raw) <= NAME_MAXIMUM:
        return raw
    problems.append(Problem(node="", text=f"'name' must be a text of at most {NAME_MAXIMUM} characters"))
    return ""


def _parse_subflows(raw: object, depth: int, problems: list[Problem]) -> dict[str, Flow]:
    if not isinstance(raw, dict):
        problems.append(Problem(node="", text="'subflows' must be an object; publishing fills it in"))
        return {}
    if raw and depth >= SUB_FLOW_DEPTH_MAXIMUM:
        text = f"sub-flows go more than {SUB_FLOW_DEPTH_MAXIMUM} deep: make them flatter"
        problems.append(Problem(node="", text=text))
        return {}
    flows: dict[str, Flow] = {}
    for name, pinned in raw.items():
        version = whole_number(pinned.get("version")) if isinstance(pinned, dict) else None
        if version is None:
            problems.append(Problem(node="", text=f"sub-flow {name!r}: has no version and definition"))
            continue
        try:
            flows[name] = _parse(pinned.get("definition"), version, depth + 1)
        except FlowError as error:
            problems += [Problem(node="", text=f"sub-flow {name!r}: {problem}") for problem in error.problems]
    return flows


def _spoken_as(nodes: Mapping[str, Node], subflows: Mapping[str, Flow]) -> dict[str, str]:
    """A question that sets a tag tells how it is read back; the flow's own before its sub-flows'."""
    spoken: dict[str, str] = {}
    for _, node in sorted(nodes.items()):
        match node:
            case AskNode() | MenuNode():
                grammar = node.grammar
            case ConfirmNode():
                grammar = "yes_no"
            case DigitsNode():
                grammar = answers.DIGITS
            case AreaCodeNode():
                grammar = "state"
            case _:
                continue
        if node.tag and grammar:
            spoken.setdefault(node.tag, grammar)
    for flow in subflows.values():
        spoken = {**flow.spoken_as, **spoken}
    return spoken


def _nearest_route(nodes: Mapping[str, Node], entry: str) -> str:
    ahead = [entry]
    for name in ahead:
        if isinstance(nodes[name], RouteNode):
            return name
        ahead += [to for _, to in sorted(nodes[name].exits.items()) if to not in ahead]
    return ""
