"""A caller's number in the audit log: masked for people, and sealed, so that a change of it can be put back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rules.masking import masked_number
from store.key_ring import key_ring
from store.sealed_columns import CALLER

SEALED = "sealed"
"""The field of a note that only the node's keys open; nobody is shown it."""


def sealed_note(number: str) -> dict[str, str]:
    ring = key_ring()
    sealed, index = ring.seal_text(CALLER, number), ring.blind(CALLER, number)
    return {"number": masked_number(number) or "", "index": index.hex(), SEALED: sealed.hex()}


def opened_note(noted: Any) -> Any:
    """Return the number that `sealed_note` was given; anything else as it is. Raises NotSealedByUs."""
    if not isinstance(noted, dict) or SEALED not in noted:
        return noted
    return key_ring().unseal_text(CALLER, bytes.fromhex(str(noted[SEALED])))


def shown_note(noted: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what a note says of a change, as it is shown."""
    if noted is None:
        return None
    return {
        name: {key: part for key, part in value.items() if key != SEALED}
        if isinstance(value, Mapping) and SEALED in value
        else value
        for name, value in noted.items()
    }
