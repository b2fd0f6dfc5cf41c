"""What changed between two definitions, node by node, as people read it. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ivr_flows.differences import Change, Difference


@dataclass(frozen=True, kw_only=True)
class Changed:
    """One setting that differs. `setting` is '' for a whole node."""

    change: Change
    setting: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class ChangedNode:
    """What changed at one node; `node` is '' for the flow's own settings. `change` is what happened to the node."""

    node: str
    change: Change
    changes: tuple[Changed, ...]


def by_node(differences: Sequence[Difference]) -> list[ChangedNode]:
    """Return the differences, a group each node, in their order."""
    groups: dict[str, list[Changed]] = {}
    for one in differences:
        node, setting = _place(one)
        changed = Changed(
            change=one.change, setting=setting, before=_plain(one.before), after=_plain(one.after)
        )
        groups.setdefault(node, []).append(changed)
    return [
        ChangedNode(
            node=node,
            change=next((one.change for one in found if node and not one.setting), Change.CHANGED),
            changes=tuple(found),
        )
        for node, found in groups.items()
    ]


def _place(one: Difference) -> tuple[str, str]:
    """A node's name may hold a full stop, so the setting is split off at the first one only."""
    if not one.place.startswith("nodes."):
        return "", one.place
    node, _, setting = one.place.removeprefix("nodes.").partition(".")
    return node, setting


def _plain(text: str) -> str:
    """A text without its quotation marks; everything else as JSON."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else text
