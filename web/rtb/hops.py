"""The list of hands a call has gone through. Pure."""

from __future__ import annotations

from web.rtb.shapes import PingProblem, malformed

MAXIMUM_CHARACTERS = 64
MAXIMUM_LISTED = 50
"""More than are ever accepted: a list that is too long is told so, not called unreadable."""


def read_hops(value: object) -> tuple[str, ...] | PingProblem:
    """Read a list of names, or one text with commas between them, oldest first."""
    if value is None or value == "":
        return ()
    listed = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, list) or len(listed) > MAXIMUM_LISTED:
        return malformed("hops is no list of names")
    hops: list[str] = []
    for one in listed:
        name = one.strip() if isinstance(one, str) else ""
        if not name or len(name) > MAXIMUM_CHARACTERS or not name.isprintable():
            return malformed("hops is no list of names")
        hops.append(name)
    return tuple(hops)
