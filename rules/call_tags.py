"""How many tags can travel with a call. They go from step to step in one channel variable. Pure.

Each way in has its own bound, and the bounds add up: what came in fits. Only what a publisher told and the caller's
own answers may be too much together; then the publisher's give way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

TAGS_BYTES_MAXIMUM = 1_500
"""All tags of a call. Asterisk reads an AGI command into 2,048 bytes (res_agi.c, AGI_BUF_LEN); base64 makes 4 of 3."""
FLOW_TAGS_BYTES_MAXIMUM = 1_200
"""What a flow may gather. The rest is for the state and the houses a call came through, which always go along."""
PING_TAGS_BYTES_MAXIMUM = 1_000
"""What a publisher may tell in a ping."""


def written(tags: Mapping[str, str]) -> bytes:
    """Return the tags as they travel. Never raises."""
    text = json.dumps(dict(tags), separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return text.encode("utf-8", "replace")


def bytes_of(tags: Mapping[str, str]) -> int:
    """Return how much room the tags take together."""
    return len(written(tags))


def fit_together(*parts: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the tags of all parts as far as they fit, and the names of those left out.

    Earlier parts go first, and a name counts where it comes first.
    """
    together: dict[str, str] = {}
    for part in parts:
        together = {**together, **{name: value for name, value in part.items() if name not in together}}
    if bytes_of(together) <= TAGS_BYTES_MAXIMUM:
        return together, ()
    fitting: dict[str, str] = {}
    for name, value in together.items():
        if bytes_of({**fitting, name: value}) <= TAGS_BYTES_MAXIMUM:
            fitting[name] = value
    return fitting, tuple(name for name in together if name not in fitting)
