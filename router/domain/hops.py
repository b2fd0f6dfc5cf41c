"""Every house a resold call came through, so that it never goes round: a tag on the call, a list in a ping."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

HOPS_TAG = "hops"
"""On a call that another house sold us: the houses it came through, joined by commas, oldest first."""
MAXIMUM_HOPS = 4
"""A call that was sold this often is not sold on: each house takes its part, and time."""
_HOP = re.compile(r"[A-Za-z0-9._-]{1,64}")


def hops_of(tags: Mapping[str, str]) -> tuple[str, ...]:
    """Return the houses a call came through before us."""
    return tuple(hop for hop in tags.get(HOPS_TAG, "").split(",") if hop)


def hops_problem(hops: Sequence[object], own: str) -> str | None:
    """Return why a call with these hops is neither bought nor sold on, or None. `own` is our name in the list."""
    if len(hops) >= MAXIMUM_HOPS:
        return f"came through {len(hops)} houses already"
    if not all(isinstance(hop, str) and _HOP.fullmatch(hop) for hop in hops):
        return "a hop that is no plain name"
    if own in hops:
        return "came through this house already"
    return None
