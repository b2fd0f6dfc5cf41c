"""Eligibility of a whole plan at once: eligibility.judge for three hundred targets in the time it takes for thirty.

The rules stand in judge's order, so that each target falls out by the reason that judge names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

from router.domain.caps import SPACING, code_of, counts_now, is_full
from router.domain.decision import RejectionCode
from router.domain.market import Target
from router.domain.plan import Plan, PlannedCap, bits_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from router.domain.counts import Counts
    from router.domain.eligibility import Situation

    Refused: TypeAlias = tuple[RejectionCode, int]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)

UNLIMITED = 1 << 62
NONE_COUNTED = -1
"""Less than any cap: one of nought without a counter is full_at_nought's."""

FEW_TARGETS = 60
"""So many targets are looked at sooner than every counter of a plan."""


class Verdicts:
    """Who may take the call, and by which rule everybody else may not."""

    def __init__(self, plan: Plan) -> None:
        self.eligible = plan.everybody
        self.refused: list[tuple[RejectionCode, int]] = []

    def refuse(self, code: RejectionCode, targets: int) -> None:
        """Take out those of `targets` that no rule before has taken out."""
        hit = self.eligible & targets
        if hit:
            self.refused.append((code, hit))
            self.eligible ^= hit

    def code_of(self, bit: int) -> RejectionCode:
        """Return why the target with this bit was refused. Raises LookupError when it was not."""
        for code, targets in self.refused:
            if targets >> bit & 1:
                return code
        raise LookupError(bit)


def judge_all(plan: Plan, situation: Situation) -> Verdicts:
    """Judge every target of the plan."""
    verdicts = Verdicts(plan)
    for code, targets in _rules(plan, situation, verdicts):
        verdicts.refuse(code, targets)
        if not verdicts.eligible:
            break
    return verdicts


def _rules(plan: Plan, situation: Situation, so_far: Verdicts) -> Iterator[Refused]:
    yield RejectionCode.DISABLED, plan.switched_off
    yield from _about_the_caller(plan, situation, so_far)
    for product in situation.need.products:
        yield RejectionCode.LOAN_TYPE, plan.everybody & ~plan.takes.get(product, 0)
    yield RejectionCode.UNLICENSED, _unlicensed(plan, situation)
    yield RejectionCode.FILTERS, _filtered(plan, situation, so_far)
    yield RejectionCode.CLOSED, plan.everybody & ~_open(plan, situation)
    yield from _full_caps(plan, situation, so_far)
    yield RejectionCode.WALLET, _penniless(plan, situation)


def _about_the_caller(plan: Plan, situation: Situation, so_far: Verdicts) -> Iterator[Refused]:
    """What the call has behind it, and the caller."""
    tried = situation.request.tried
    yield RejectionCode.ALREADY_TRIED, _set_of_ids(plan, tried)
    if len(tried) >= situation.campaign.maximum_attempts:
        yield RejectionCode.ATTEMPTS_USED, plan.everybody
    if situation.blocked is not None:
        yield RejectionCode.BLOCKED_CALLER, plan.everybody
    if situation.counts.not_sold:
        yield RejectionCode.NOT_KNOWN, plan.everybody
    for buyer_id in situation.counts.facts.suppressed_buyers:
        yield RejectionCode.SUPPRESSED, plan.by_buyer.get(buyer_id, 0)
    if situation.counts.facts.earlier_calls:
        refused = _set_where(
            plan, so_far.eligible, lambda target: situation.refused_as_duplicate(target) is not None
        )
        yield RejectionCode.DUPLICATE, refused


def _set_of_ids(plan: Plan, target_ids: Iterable[int]) -> int:
    found = 0
    for target_id in target_ids:
        bit = plan.bits.get(target_id)
        if bit is not None:
            found |= 1 << bit
    return found


def _set_where(plan: Plan, among: int, belongs: Callable[[Target], bool]) -> int:
    found, targets = 0, plan.targets
    for bit in bits_of(among):
        if belongs(targets[bit]):
            found |= 1 << bit
    return found


def _filtered(plan: Plan, situation: Situation, so_far: Verdicts) -> int:
    found = 0
    for zone, filters in plan.filters.items():
        if so_far.eligible & filters.everybody:
            found |= filters.unmet(situation.facts(zone), so_far.eligible)
    return found


def _unlicensed(plan: Plan, situation: Situation) -> int:
    found, need = 0, situation.need
    for day, targets in plan.days(_minute_of(situation), situation.clock):
        held = targets
        for state in need.states:
            for product in need.products:
                held &= plan.licensed(state, product, day)
            if not held:
                break
        found |= targets ^ held
    return found


def _open(plan: Plan, situation: Situation) -> int:
    return plan.open(_minute_of(situation), situation.clock)


def _minute_of(situation: Situation) -> int:
    return (situation.request.now - _EPOCH) // _MINUTE


def _full_caps(plan: Plan, situation: Situation, so_far: Verdicts) -> Iterator[Refused]:
    """Yield whom the caps without room keep out, in the order of the caps' keys."""
    full, together = _full_now(plan, situation, so_far.eligible), 0
    for one in full:
        cap = one.cap
        if cap.owner == "group" or cap.kind == SPACING or cap.range_name is not None:
            break
        together |= one.targets
    else:  # all by the same rule: then the order says nothing, and one step does for all
        yield RejectionCode.AT_CAP, together
        return
    for planned in sorted(full, key=lambda one: one.cap.key):
        counting = _where_it_counts(plan, planned, situation)
        yield code_of(counting.cap), counting.targets


def _full_now(plan: Plan, situation: Situation, eligible: int) -> list[PlannedCap]:
    """Return the caps without room; of those that stand before nobody of `eligible` some may be missing."""
    counts, moment = situation.counts, situation.moment
    used, known = counts.used, counts.full
    if known is not None and known.plan is plan:
        full = list(known.caps)
    elif eligible.bit_count() <= FEW_TARGETS:
        full = _full_before(plan, counts, eligible)
    else:
        full = full_by_number(plan, counts)
    full += [
        planned for planned in plan.by_moment if is_full(planned.cap, used.get(planned.cap.key, 0), moment)
    ]
    full += [planned for planned in plan.full_at_nought if planned.cap.key not in used]
    full += [
        PlannedCap(cap=cap, targets=plan.everybody)
        for cap in situation.shared_caps
        if is_full(cap, used.get(cap.key, 0), moment)
    ]
    return full


def full_by_number(plan: Plan, counts: Counts) -> list[PlannedCap]:
    """Return the plan's caps that are full because what is in use has reached their number."""
    limit_of, own_limit_of = plan.limits.get, plan.own_limits.get
    own, caps = plan.own_concurrency, plan.caps
    return [
        own[target] for target, used in counts.concurrency.items() if used >= own_limit_of(target, UNLIMITED)
    ] + [caps[key] for key, used in counts.used.items() if used >= limit_of(key, UNLIMITED)]


def _full_before(plan: Plan, counts: Counts, targets: int) -> list[PlannedCap]:
    """Return those of full_by_number that stand before somebody of `targets`, by asking for each of them."""
    found: dict[str, PlannedCap] = {}
    in_progress, used, limit_of = counts.concurrency.get, counts.used.get, plan.limits.get
    for bit in bits_of(targets):
        target = plan.targets[bit]
        if in_progress(target.id, NONE_COUNTED) >= target.concurrency_cap:
            own = plan.own_concurrency[target.id]
            found[own.cap.key] = own
        for cap in target.caps:
            if used(cap.key, NONE_COUNTED) >= limit_of(cap.key, UNLIMITED):
                found[cap.key] = plan.caps[cap.key]
    return list(found.values())


def _where_it_counts(plan: Plan, full: PlannedCap, situation: Situation) -> PlannedCap:
    if full.cap.range_name is None:
        return full
    counting = _set_where(plan, full.targets, lambda target: counts_now(full.cap, target, situation.moment))
    return PlannedCap(cap=full.cap, targets=counting)


def _penniless(plan: Plan, situation: Situation) -> int:
    found = 0
    for buyer_id in situation.counts.facts.wallet_micros:
        of_buyer = plan.by_buyer.get(buyer_id, 0)
        found |= _set_where(plan, of_buyer, lambda target: situation.cannot_pay(target) is not None)
    return found
