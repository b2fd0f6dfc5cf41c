"""Counters without what a call holds itself: the room that was leased for its ping. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from router.domain.caps import SPACING, concurrency_key
from router.domain.counts import Counts


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """One lease of the call's own."""

    key: str
    kind: str
    amount: int


def without_own_room(counts: Counts, held: Iterable[Held]) -> Counts:
    """Return the counters as they would be if the call held nothing: it does not stand in its own way."""
    own = {one.key: one for one in held}
    concurrency = {
        target_id: used - (own[key].amount if (key := concurrency_key(target_id)) in own else 0)
        for target_id, used in counts.concurrency.items()
    }
    others = {
        key: used - (0 if key not in own else used if own[key].kind == SPACING else own[key].amount)
        for key, used in counts.used.items()
    }
    return replace(
        counts,
        concurrency={target_id: used for target_id, used in concurrency.items() if used > 0},
        used={key: used for key, used in others.items() if used > 0},
    )
