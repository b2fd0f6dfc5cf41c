"""Asterisk's row of a call as it is stored: its caller by the index alone. The number is sealed with the call.

The index stays what it is when keys are changed, so that the evidence of a sealed call covers it.
"""

from __future__ import annotations

import re

from agi.cel import CelRow
from rules.telephone import known_number
from store.key_ring import key_ring
from store.sealed_columns import CALLER

_NAME = "caller="
_INDEX = "caller=index:"
# The extra of a CALL event is plain, or a text within JSON; a number holds neither blanks nor quotes.
_GIVEN = re.compile(r"\bcaller=([0-9+]{1,40})(?=[\s\"]|$)", re.ASCII)


def extra_to_store(row: CelRow) -> str:
    """Return a row's extra without its caller's number."""
    if row.event != "CALL":
        return row.extra
    return _GIVEN.sub(lambda found: _indexed(found[1]) or found[0], row.extra)


def extra_as_told(extra: str, sealed: bytes | None) -> str:
    """Return what `extra_to_store` was given, where the call's caller (calls.caller_sealed) is the one it named."""
    if sealed is None or _INDEX not in extra:
        return extra
    caller = key_ring().unseal_text(CALLER, sealed)
    indexed = _indexed(caller)
    return extra if indexed is None else extra.replace(indexed, f"{_NAME}{caller}")


def _indexed(text: str) -> str | None:
    number = known_number(text)
    return None if number is None else f"{_INDEX}{key_ring().blind(CALLER, number).hex()}"
