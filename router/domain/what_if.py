"""A market in which one target is held by less than it was: what would a call have come to then? Pure.

Only rules of the target and its buyer are let go of; those of campaign, publisher and caller hold as they did.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date
from enum import StrEnum

from router.domain.counts import Counts
from router.domain.licences import need_of
from router.domain.market import ACTIVE, Licence, Snapshot, Target
from rules.schedule import always_open, parse_schedule

ROOM_ENOUGH = 1_000_000
_LONG_AGO = date(1970, 1, 1)


class Rule(StrEnum):
    """What may be let go of."""

    SCHEDULE = "schedule"
    CAPS = "caps"
    """Of the target, its buyer and its groups."""
    LICENCES = "licences"
    WALLET = "wallet"
    SWITCHED_OFF = "switched_off"


def without_rules(
    snapshot: Snapshot, counts: Counts, target_id: int, rules: Collection[Rule], tags: Mapping[str, str]
) -> tuple[Snapshot, Counts]:
    """Return the market and the counts as they would be without `rules` for one target.

    Raises KeyError when the market has no such target.
    """
    target = snapshot.targets[target_id]
    buyer = snapshot.buyers[target.buyer_id]
    changed = replace(
        snapshot,
        targets={**snapshot.targets, target_id: _target_without(target, rules)},
        # Made ready for the market as it was.
        plans={},
        compiled={},
    )
    if Rule.SWITCHED_OFF in rules:
        changed = replace(changed, buyers={**snapshot.buyers, buyer.id: replace(buyer, enabled=True)})
    if Rule.LICENCES in rules:
        need = need_of(tags)
        wanted = {
            (state, product): (_licence(state, product),)
            for state in need.states
            for product in need.products
        }
        changed = replace(
            changed,
            licences={**snapshot.licences, buyer.id: wanted},
            buyers_with_officers=snapshot.buyers_with_officers - {buyer.id},
        )
    if Rule.WALLET in rules:
        left = {key: micros for key, micros in counts.facts.wallet_micros.items() if key != buyer.id}
        counts = replace(counts, facts=replace(counts.facts, wallet_micros=left))
    return changed, counts


def _target_without(target: Target, rules: Collection[Rule]) -> Target:
    if Rule.SCHEDULE in rules and target.schedule is not None:
        target = replace(target, schedule=parse_schedule(always_open(target.schedule.time_zone)))
    if Rule.CAPS in rules:
        target = replace(target, caps=(), concurrency_cap=ROOM_ENOUGH)
    return replace(target, enabled=True) if Rule.SWITCHED_OFF in rules else target


def _licence(state: str, product: str) -> Licence:
    return Licence(
        id=0,
        nmls_id="supposed",
        state=state,
        product=product,
        valid_from=_LONG_AGO,
        valid_to=None,
        status=ACTIVE,
    )
