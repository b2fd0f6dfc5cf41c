"""The ways through a flow, found without running it: what leads where, and what lies inside sub-flows.

Sub-flows are looked into once each, however many nodes go into them.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping

from ivr_flows.definition import Flow
from ivr_flows.nodes.node import Node
from ivr_flows.nodes.question import QuestionNode
from ivr_flows.nodes.return_ import ReturnNode
from ivr_flows.nodes.sub_flow import SubFlowNode

Stops = Callable[[Node], bool]
"""Whether a way ends at a node that is no sub-flow's."""


def sub_flow_at(flow: Flow, node: str) -> Flow | None:
    """Return the flow that a node goes into; None for other nodes, and for a flow that is not published."""
    one = flow.nodes[node]
    return flow.subflows.get(one.flow) if isinstance(one, SubFlowNode) else None


def asks(flow: Flow) -> bool:
    """Say whether the caller is asked anything, in a sub-flow too."""
    nodes = flow.nodes.values()
    return any(isinstance(node, QuestionNode) for node in nodes) or any(map(asks, flow.subflows.values()))


def starts_of(flow: Flow) -> list[str]:
    """Callers come to the operator's node from any question."""
    return [flow.entry, *([flow.operator] if flow.operator and asks(flow) else [])]


def reached_from(flow: Flow, starts: Iterable[str], stops: Stops = lambda node: False) -> set[str]:
    """Return the nodes that some way leads to. A way ends at a node that `stops`, which counts as reached."""
    ends = stopping(flow, stops)
    seen: set[str] = set()
    ahead = list(starts)
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            if name not in ends:
                ahead += flow.nodes[name].exits.values()
    return seen


def stopping(flow: Flow, stops: Stops) -> frozenset[str]:
    """Return the nodes that `stops`, and those of sub-flows that come back by no way without passing such a node.

    The latter are also those of sub-flows that never come back.
    """
    shut = {name for name, inner in flow.subflows.items() if not comes_back(inner, stops)}
    return _nodes_that(flow, stops, shut)


def comes_back(flow: Flow, stops: Stops = lambda node: False) -> bool:
    """Say whether some way through a sub-flow comes to its return without passing a node that `stops`."""
    reached = reached_from(flow, [flow.entry], stops)
    return any(isinstance(flow.nodes[name], ReturnNode) for name in reached)


def met_from(
    flow: Flow, starts: Iterable[str], stops: Stops, wanted: Callable[[Node], bool]
) -> frozenset[str]:
    """Return the nodes some way leads to that are `wanted`, or go into a sub-flow where some way leads to one."""
    inner = {name for name, one in flow.subflows.items() if met_from(one, [one.entry], stops, wanted)}
    return _nodes_that(flow, wanted, inner) & reached_from(flow, starts, stops)


def ends_well(flow: Flow) -> frozenset[str]:
    """Return the nodes where a call may end well, or in the sub-flow they go into."""
    inner = {
        name
        for name, one in flow.subflows.items()
        if any(not isinstance(one.nodes[end], ReturnNode) for end in ends_well(one))
    }
    return _nodes_that(flow, lambda node: node.ENDS, inner)


def _nodes_that(flow: Flow, wanted: Callable[[Node], bool], inner: Container[str]) -> frozenset[str]:
    """Return the nodes that are `wanted`, and those that go into one of the sub-flows `inner`."""
    return frozenset(
        name
        for name, node in flow.nodes.items()
        if wanted(node) or (isinstance(node, SubFlowNode) and node.flow in inner)
    )


def everywhere(flow: Flow, look: Callable[[Node], frozenset[str]]) -> dict[str, frozenset[str]]:
    """Return what `look` finds at each node, and at every node of the sub-flow it goes into."""
    inner = {name: union_of(everywhere(one, look)) for name, one in flow.subflows.items()}
    return with_inner(flow, look, inner)


def with_inner(
    flow: Flow, look: Callable[[Node], frozenset[str]], inner: Mapping[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    """Return what `look` finds at each node, and what `inner` says of the sub-flow it goes into."""
    return {
        name: look(node)
        | (inner.get(node.flow, frozenset()) if isinstance(node, SubFlowNode) else frozenset())
        for name, node in flow.nodes.items()
    }


def union_of(found: Mapping[str, frozenset[str]]) -> frozenset[str]:
    return frozenset[str]().union(*found.values())
