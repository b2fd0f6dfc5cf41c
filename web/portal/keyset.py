"""Lists by descending id: where a page begins, out of an address that anybody may have written. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

_ID = re.compile(r"[0-9]{1,18}", re.ASCII)


def read_below(query: Mapping[str, str]) -> int | None:
    """Return the id below which a page begins; None is the top."""
    text = query.get("before", "")
    return int(text) if _ID.fullmatch(text) else None


def id_of(text: str) -> int | None:
    """Return the id that an address names; None when it names none."""
    return int(text) if _ID.fullmatch(text) and int(text) > 0 else None
