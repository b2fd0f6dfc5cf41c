"""Sub-flows are settled when a flow is published: their definitions become part of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def sub_flows_wanted(definition: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the flows that a definition goes into, whatever else is wrong with it."""
    nodes = definition.get("nodes")
    if not isinstance(nodes, Mapping):
        return frozenset()
    named = (
        node.get("flow")
        for node in nodes.values()
        if isinstance(node, Mapping) and node.get("kind") == "sub_flow"
    )
    return frozenset(name for name in named if isinstance(name, str))


def pin(
    definition: Mapping[str, Any], published: Mapping[str, tuple[int, Mapping[str, Any]]]
) -> dict[str, Any]:
    """Return the definition with the published version of each of its sub-flows in it, as far as they are there.

    `published` is name -> version and definition; those hold sub-flows of their own already.
    """
    plain = {key: value for key, value in definition.items() if key != "subflows"}
    inner = {
        name: {"version": published[name][0], "definition": dict(published[name][1])}
        for name in sorted(sub_flows_wanted(definition))
        if name in published
    }
    return {**plain, "subflows": inner} if inner else plain


def in_order(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the nodes in the order callers meet them, the database keeping none; those no way leads to come last."""
    nodes = definition.get("nodes")
    if not isinstance(nodes, Mapping):
        return {}
    ahead = [str(definition.get("entry"))]
    for name in ahead:
        node = nodes.get(name)
        exits = node.get("exits") if isinstance(node, Mapping) else None
        for to in exits.values() if isinstance(exits, Mapping) else ():
            if isinstance(to, str) and to not in ahead:
                ahead.append(to)
    return {name: nodes[name] for name in [*ahead, *sorted(set(nodes) - set(ahead))] if name in nodes}
