"""A decision as it is stored: its caller by the index alone, the number once more only where it is made again.

The number is sealed with the call. The index stays what it is when keys are changed, so that the evidence of a sealed
call covers it; and a call whose number is erased leaves none behind in its decisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from store.key_ring import key_ring
from store.sealed_columns import CALLER

INDEX = "index"


def without_caller(decision: Mapping[str, Any]) -> dict[str, Any]:
    """Return a decision (Decision.to_json) to be stored: the index of its caller in the place of the number."""
    inputs = decision.get("inputs")
    number = inputs.get("caller") if isinstance(inputs, Mapping) else None
    if not isinstance(inputs, Mapping) or not isinstance(number, str):
        return dict(decision)
    index = key_ring().blind(CALLER, number).hex()
    return {**decision, "inputs": {**inputs, "caller": {INDEX: index}}}


def with_caller(decision: Mapping[str, Any], number: str | None) -> dict[str, Any]:
    """Return a stored decision as it was made, where `number`, that of its call, is the caller's.

    Where it is not, as when it was erased, the index stays. One that was stored before names its caller itself.
    """
    inputs = decision.get("inputs")
    caller = inputs.get("caller") if isinstance(inputs, Mapping) else None
    if not isinstance(inputs, Mapping) or not isinstance(caller, Mapping) or number is None:
        return dict(decision)
    same = key_ring().blind(CALLER, number).hex() == caller.get(INDEX)
    return {**decision, "inputs": {**inputs, "caller": number}} if same else dict(decision)
