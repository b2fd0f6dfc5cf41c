"""Cursors of lists: where a page ended, in a form that an address can hold. Pure; what comes back is hostile."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence

CURSOR_CHARACTERS_MAXIMUM = 400


def write_cursor(values: Sequence[str | int]) -> str:
    """Return the cursor of a row whose sort keys are `values`."""
    text = json.dumps(list(values), separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(text: str, kinds: Sequence[type[str] | type[int]]) -> tuple[str | int, ...] | None:
    """Return what a cursor holds, or None when it is none of ours for keys of these kinds."""
    if not text or len(text) > CURSOR_CHARACTERS_MAXIMUM or not text.isascii():
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        values = json.loads(base64.urlsafe_b64decode(padded))
    except (binascii.Error, ValueError, RecursionError):
        return None
    if not isinstance(values, list) or len(values) != len(kinds):
        return None
    fits = all(type(value) is kind for value, kind in zip(values, kinds, strict=True))
    small = all(not isinstance(value, int) or abs(value) < 2**63 for value in values)
    plain = all(not isinstance(value, str) or "\x00" not in value for value in values)
    return tuple(values) if fits and small and plain else None
