"""Telephone numbers that may be rung at our cost: North American, not premium. Read narrowly."""

from __future__ import annotations

import re

_NORTH_AMERICA = re.compile(r"\+?1?([2-9][0-8][0-9])([2-9][0-9]{2})([0-9]{4})")
_DECORATION = str.maketrans("", "", " -().")
_PREMIUM_AREAS = frozenset({"900"})
_NOT_DIALLED_EXCHANGES = frozenset({"976"})


class NumberError(ValueError):
    """What is not rung; str() says why, for people. `is_number` tells numbers we do not ring from other texts."""

    def __init__(self, reason: str, *, is_number: bool) -> None:
        super().__init__(reason)
        self.is_number = is_number


def read_north_american_number(text: str) -> str:
    """Return `text` as +1NXXNXXXXXX. Raises NumberError for anything but a North American number we may ring."""
    match = _NORTH_AMERICA.fullmatch(text.strip().translate(_DECORATION)) if text.isascii() else None
    if match is None:
        raise NumberError("not a North American number", is_number=False)
    area, exchange, line = match.groups()
    if area in _PREMIUM_AREAS or exchange in _NOT_DIALLED_EXCHANGES or exchange.endswith("11"):
        raise NumberError(f"a number in {area}-{exchange} is not dialled", is_number=True)
    return f"+1{area}{exchange}{line}"
