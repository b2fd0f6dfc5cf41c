"""A flow that first sets 500 or, for what the survival script has to read, 1,000 bytes of tags."""

from __future__ import annotations

from typing import Any

TAGS_500 = {f"said_{number}": "y" * 112 for number in range(4)}
TAGS_1000 = {f"said_{number}": "y" * 112 for number in range(8)}


def with_tags(flow: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
    """Return the flow with nodes before its entry that set these tags."""
    names = [*tags, flow["entry"]]
    first = {
        name: {"kind": "set_tag", "tag": name, "value": value, "exits": {"next": then}}
        for (name, value), then in zip(tags.items(), names[1:], strict=True)
    }
    return {**flow, "entry": names[0], "nodes": {**first, **flow["nodes"]}}
