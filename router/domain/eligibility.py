"""Whether a target may get a call at all: the same rules, in the same order, for every method of distribution.

The first rule that refuses names the code. The order goes from what is final to what changes by the minute, so that
whoever reads it sees the deepest reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from router.domain.caps import Moment, all_caps, full_cap
from router.domain.counts import Counts
from router.domain.decision import Offer, Rejection, RejectionCode, RouteRequest
from router.domain.duplicates import (
    Duplicates,
    find_duplicates,
    pays_nothing,
    refused_as_duplicate,
    sold_to_another,
    target_to_have_it_again,
)
from router.domain.licences import Missing, Need, find_licences, need_of
from router.domain.market import Campaign, Snapshot, Target
from router.domain.plan import ANYWHERE
from router.domain.suppression import why_blocked
from rules.money import format_dollars
from rules.schedule import local_time, minute_of_week

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import date, datetime

    from router.domain.market import Cap, Licence
    from rules.condition import Condition
    from rules.condition_check import Facts

    Refusal = tuple[RejectionCode, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """A call and the market at one moment: what every target is judged by."""

    snapshot: Snapshot
    campaign: Campaign
    request: RouteRequest
    counts: Counts
    need: Need
    moment: Moment
    blocked: str | None
    """Why nobody is sold this caller; None when they are."""
    duplicates: Duplicates | None
    """The caller's earlier calls that the campaign's policy counts."""
    _local: dict[str, datetime] = field(default_factory=dict)
    _facts: dict[str, Facts] = field(default_factory=dict)
    """By time zone."""
    _unmet: dict[tuple[int, str], str] = field(default_factory=dict)

    @property
    def target_to_have_it_again(self) -> int | None:
        """The target that had this caller before and goes first; None when no policy says so."""
        return target_to_have_it_again(self.duplicates)

    def local(self, time_zone: str) -> datetime:
        """Return the wall clock in `time_zone`; each zone is worked out once a decision."""
        known = self._local.get(time_zone)
        if known is None:
            known = self._local[time_zone] = local_time(self.request.now, time_zone)
        return known

    def clock(self, time_zone: str) -> tuple[int, date]:
        """Return the minute of the week and the day in `time_zone`."""
        local = self.local(time_zone)
        return minute_of_week(local), local.date()

    def facts(self, time_zone: str) -> Facts:
        """Return what filters of a target in `time_zone` ask about; ANYWHERE: those that do not ask what time it is."""
        known = self._facts.get(time_zone)
        if known is None:
            from router.domain.known_facts import FactsThere, facts_anywhere  # noqa: PLC0415

            if time_zone == ANYWHERE:
                known = facts_anywhere(self.request)
            else:
                # Not self.local: what goes round in a circle stays until the collector comes by, in a caller's time.
                clock = partial(local_time, self.request.now, time_zone)
                known = FactsThere(self.facts(ANYWHERE), clock)
            self._facts[time_zone] = known
        return known

    def unmet(self, filters: Condition, time_zone: str) -> str:
        """Return what of a target's filters this call does not meet, for people; '' when it meets them."""
        # A market without filters needs none of it.
        from rules.condition_check import compiled_once, why_not  # noqa: PLC0415

        # Equal filters are one object (read_market), and the snapshot keeps it alive.
        key = (id(filters), time_zone)
        known = self._unmet.get(key)
        if known is None:
            facts = self.facts(time_zone)
            is_met = compiled_once(filters, self.snapshot.compiled)(facts)
            known = self._unmet[key] = "" if is_met else why_not(filters, facts)
        return known

    @property
    def shared_caps(self) -> tuple[Cap, ...]:
        """The caps of the campaign and the publisher, which stand before every target."""
        return self.campaign.caps + self.snapshot.publisher_caps.get(self.request.publisher_id or 0, ())

    def refused_as_duplicate(self, target: Target) -> Refusal | None:
        """Return why a target does not get a caller who called before; None when it may."""
        earlier, campaign, found = self.counts.facts.earlier_calls, self.campaign, self.duplicates
        if not earlier:
            return None
        if found is not None:
            again = refused_as_duplicate(found, target.id, target.buyer_id, _fellows(target, self))
            if again is not None:
                return RejectionCode.DUPLICATE, again
        if campaign.exclusive:
            window, now = campaign.duplicate_window_seconds, self.request.now
            sold = sold_to_another(earlier, campaign.id, target.buyer_id, window, now)
            if sold is not None:
                day = f"{sold.started_at:%Y-%m-%d}"
                return RejectionCode.SOLD_ELSEWHERE, f"sold to buyer {sold.buyer_id} on {day}, exclusively"
        return None

    def goes_for_nothing(self, target: Target) -> bool:
        """Say whether a target gets the call without being billed: a duplicate that is routed all the same."""
        found = self.duplicates
        return found is not None and pays_nothing(found, target.id, target.buyer_id, _fellows(target, self))

    def price_micros(self, target: Target) -> int:
        """Return what the buyer's terms ask for the call; nought when only a bid will say."""
        return self.snapshot.price_micros(target.buyer_id, self.campaign.id, self.request.priced_at) or 0

    def cannot_pay(self, target: Target) -> Refusal | None:
        """Return why a buyer's wallet and credit do not cover the call; None when they do, or are not looked at."""
        left = self.counts.facts.wallet_micros.get(target.buyer_id)
        if left is None or self.goes_for_nothing(target):
            return None
        price = self.price_micros(target)
        highest = self.snapshot.highest_micros(target.buyer_id, self.campaign.id, self.request.priced_at)
        if left >= max(price, highest, 1):
            return None
        costs = f"the call {'may cost' if highest > price else 'costs'} {format_dollars(max(price, highest))}"
        return RejectionCode.WALLET, f"{format_dollars(left)} left of wallet and credit, {costs}"


def situation_of(snapshot: Snapshot, campaign: Campaign, request: RouteRequest, counts: Counts) -> Situation:
    return Situation(
        snapshot=snapshot,
        campaign=campaign,
        request=request,
        counts=counts,
        need=need_of(request.tags),
        moment=Moment(now=request.now),
        blocked=why_blocked(snapshot.blocked, campaign.id, request.caller),
        duplicates=find_duplicates(
            campaign.duplicate_policy, campaign.id, counts.facts.earlier_calls, request.now
        ),
    )


def judge(target: Target, situation: Situation) -> Offer | Rejection:
    """Return the offer `target` could get, or the first reason why it gets none."""
    refusal = (
        _switched_off(target, situation)
        or _had_its_chance(target, situation)
        or _not_this_caller(situation)
        or _known_to_the_buyer(target, situation)
        or situation.refused_as_duplicate(target)
        or _not_wanted(target, situation.need)
    )
    if refusal is not None:
        return _rejected(target, *refusal)
    licences = _licences_for(target, situation)
    if isinstance(licences, Missing):
        code = RejectionCode.OFFICER_UNLICENSED if licences.officer else RejectionCode.UNLICENSED
        return _rejected(target, code, licences.detail)
    refusal = (
        _filtered_out(target, situation)
        or _closed(target, situation)
        or _no_room(target, situation)
        or situation.cannot_pay(target)
    )
    if refusal is not None:
        return _rejected(target, *refusal)
    return Offer(
        target_id=target.id,
        buyer_id=target.buyer_id,
        ring_timeout_seconds=target.ring_timeout_seconds,
        licences=licences,
        press_to_accept=target.press_to_accept,
        whisper_text=target.whisper_text,
        recovery_seconds=target.recovery_seconds,
        billed=not situation.goes_for_nothing(target),
    )


def _rejected(target: Target, code: RejectionCode, detail: str) -> Rejection:
    return Rejection(target_id=target.id, code=code, detail=detail)


def _switched_off(target: Target, situation: Situation) -> Refusal | None:
    if not situation.campaign.enabled:
        return RejectionCode.DISABLED, "the campaign is switched off"
    if not situation.snapshot.buyers[target.buyer_id].enabled:
        return RejectionCode.DISABLED, "the buyer is switched off"
    if not target.enabled:
        return RejectionCode.DISABLED, "the target is switched off"
    if target.problem:
        return RejectionCode.DISABLED, f"the target cannot be used: {target.problem}"
    return None if target.schedule is not None else (RejectionCode.DISABLED, "no schedule")


def _not_this_caller(situation: Situation) -> Refusal | None:
    if situation.blocked is not None:
        return RejectionCode.BLOCKED_CALLER, situation.blocked
    not_sold = situation.counts.not_sold
    return (RejectionCode.NOT_KNOWN, not_sold) if not_sold else None


def _had_its_chance(target: Target, situation: Situation) -> Refusal | None:
    tried, maximum = situation.request.tried, situation.campaign.maximum_attempts
    if target.id in tried:
        return RejectionCode.ALREADY_TRIED, f"attempt {tried.index(target.id) + 1} of this call"
    if len(tried) >= maximum:
        return RejectionCode.ATTEMPTS_USED, f"{len(tried)} of {maximum} attempts used"
    return None


def _not_wanted(target: Target, need: Need) -> Refusal | None:
    for product in need.products:
        if product not in target.loan_types:
            unsaid = ", and the caller did not say which" if len(need.products) > 1 else ""
            return RejectionCode.LOAN_TYPE, f"does not take {product}{unsaid}"
    return None


def _known_to_the_buyer(target: Target, situation: Situation) -> Refusal | None:
    if target.buyer_id in situation.counts.facts.suppressed_buyers:
        return RejectionCode.SUPPRESSED, "the caller is in the buyer's book of business"
    return None


def _fellows(target: Target, situation: Situation) -> frozenset[int]:
    """Return the targets of earlier calls that share a group with `target`."""
    found = situation.duplicates
    if found is None or found.policy.scope != "group" or not target.groups:
        return frozenset()
    groups, targets = set(target.groups), situation.snapshot.targets
    known = (targets.get(call.target_id) for call in found.calls)
    return frozenset(other.id for other in known if other is not None and not groups.isdisjoint(other.groups))


def _filtered_out(target: Target, situation: Situation) -> Refusal | None:
    if target.filters is None or target.schedule is None:
        return None
    unmet = situation.unmet(target.filters, target.schedule.time_zone)
    return (RejectionCode.FILTERS, unmet) if unmet else None


def _licences_for(target: Target, situation: Situation) -> tuple[Licence, ...] | Missing:
    """Licences are judged on the day it is where the target works."""
    assert target.schedule is not None  # _switched_off has seen to it
    _, day = situation.clock(target.schedule.time_zone)
    held = situation.snapshot.licences.get(target.buyer_id, {})
    officers = target.buyer_id in situation.snapshot.buyers_with_officers
    return find_licences(held, situation.need, day, officers=officers)


def _closed(target: Target, situation: Situation) -> Refusal | None:
    schedule = target.schedule
    assert schedule is not None
    minute, day = situation.clock(schedule.time_zone)
    if schedule.is_open_on(day, minute):
        return None
    return RejectionCode.CLOSED, schedule.describe_closed(day, minute)


def _no_room(target: Target, situation: Situation) -> Refusal | None:
    caps = all_caps(situation.snapshot, situation.campaign, situation.request.publisher_id, target)
    return full_cap(target, situation.counts, caps, situation.moment, situation.price_micros(target))
