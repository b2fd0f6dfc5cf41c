"""A campaign's plan made ready for deciding: each rule as sets of targets, so that a rule costs one step for all.

A set is an int with a bit for each target, in the plan's order. Made once a snapshot and campaign. What it says is
what eligibility.judge says of each target by itself; judge is asked for the words, and has the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from router.domain.caps import REVENUE, SPACING, caps_of, concurrency_key
from router.domain.licences import is_licensed
from router.domain.market import LOAN_TYPES, Campaign, Cap, Entry, Licence, Snapshot, Stage, Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    Name = TypeVar("Name")
    from datetime import date
    from typing import Any

    from router.domain.filter_index import FilterIndex
    from rules.condition import Condition
    from rules.schedule import Schedule

ANYWHERE = ""
"""Stands for a time zone where it makes no difference."""

BY_MOMENT = frozenset({REVENUE, SPACING})

MAXIMUM_REMEMBERED = 4096
"""Sets remembered for states and minutes that were asked for; then they are forgotten and made again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedStage:
    """A stage with the targets that stand in no stage before it."""

    stage: Stage
    entries: Mapping[int, Entry]
    """By bit."""
    targets: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedCap:
    """A cap and everybody it stands before."""

    cap: Cap
    targets: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Made by `plan_of`."""

    targets: tuple[Target, ...]
    everybody: int
    stages: tuple[PlannedStage, ...]
    bits: Mapping[int, int]
    """By target id."""
    by_buyer: Mapping[int, int]
    switched_off: int
    takes: Mapping[str, int]
    """By loan type."""
    filters: Mapping[str, FilterIndex]
    """By time zone of those that ask what time it is; ANYWHERE for all others."""
    schedules: tuple[tuple[Schedule, int], ...]
    zones: Mapping[str, int]
    caps: Mapping[str, PlannedCap]
    """Everybody's caps by key, but those of the campaign and the publisher, and each target's own concurrency."""
    limits: Mapping[str, int]
    """Of those caps that are full as soon as what is used reaches them."""
    own_concurrency: Mapping[int, PlannedCap]
    """By target id."""
    own_limits: Mapping[int, int]
    """Calls at once that each target takes, by its id."""
    by_moment: tuple[PlannedCap, ...]
    """The others, that are full by the clock or by the price."""
    full_at_nought: tuple[PlannedCap, ...]
    """Caps that are full when nothing is counted yet."""
    _held: tuple[Mapping[tuple[str, str], tuple[Licence, ...]], ...]
    """The licences of each of `by_buyer`, in its order."""
    _officers: frozenset[int]
    """Buyers who need a loan officer's licence as well."""
    _licensed: dict[tuple[str, str, date], int] = field(default_factory=dict)
    _days: dict[int, tuple[tuple[date, int], ...]] = field(default_factory=dict)
    _open: dict[int, int] = field(default_factory=dict)
    _remembered: dict[str, Any] = field(default_factory=dict)

    def remember(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what `make` made of this plan when it was first asked for `name`."""
        if name not in self._remembered:
            self._remembered[name] = make()
        return self._remembered[name]

    def ids(self, wanted: int) -> list[int]:
        """Return the targets of a set, in the plan's order."""
        return [self.targets[bit].id for bit in bits_of(wanted)]

    def licensed(self, state: str, product: str, day: date) -> int:
        """Return whose buyer holds a licence in force on `day`."""
        key = (state, product, day)
        known = self._licensed.get(key)
        if known is None:
            if len(self._licensed) >= MAXIMUM_REMEMBERED:
                self._licensed.clear()
            known = self._licensed[key] = self._find_licensed(state, product, day)
        return known

    def _find_licensed(self, state: str, product: str, day: date) -> int:
        found, key = 0, (state, product)
        for (buyer_id, targets), held in zip(self.by_buyer.items(), self._held, strict=True):
            licences = held.get(key)
            if licences and is_licensed(licences, day, officers=buyer_id in self._officers):
                found |= targets
        return found

    def days(self, utc_minute: int, clock: Callable[[str], tuple[int, date]]) -> tuple[tuple[date, int], ...]:
        """Return which day it is, and for whom, in a minute since 1970; `clock` as for `open`."""
        known = self._days.get(utc_minute)
        if known is None:
            if len(self._days) >= MAXIMUM_REMEMBERED:
                self._days.clear()
            found = _gather((clock(zone)[1], targets) for zone, targets in self.zones.items())
            known = self._days[utc_minute] = tuple(found.items())
        return known

    def open(self, utc_minute: int, clock: Callable[[str], tuple[int, date]]) -> int:
        """Return whose schedule is open in a minute since 1970; `clock` tells minute of the week and day in a zone."""
        known = self._open.get(utc_minute)
        if known is None:
            known = 0
            for schedule, targets in self.schedules:
                minute, day = clock(schedule.time_zone)
                if schedule.is_open_on(day, minute):
                    known |= targets
            if len(self._open) >= MAXIMUM_REMEMBERED:
                self._open.clear()
            self._open[utc_minute] = known
        return known


def bits_of(wanted: int) -> Iterator[int]:
    """Yield the bits of a set, lowest first."""
    while wanted:
        lowest = wanted & -wanted
        yield lowest.bit_length() - 1
        wanted ^= lowest


def plan_of(snapshot: Snapshot, campaign: Campaign) -> Plan:
    """Return the plan of a campaign; made when it is first asked for."""
    known: Plan | None = snapshot.plans.get(campaign.id)
    if known is None:
        known = snapshot.plans[campaign.id] = _make_plan(snapshot, campaign)
    return known


def make_plans(snapshot: Snapshot) -> None:
    """Make the plans of all campaigns that are switched on."""
    for campaign in snapshot.campaigns.values():
        if campaign.enabled:
            plan_of(snapshot, campaign)


def _make_plan(snapshot: Snapshot, campaign: Campaign) -> Plan:
    stages, ids = _plan_stages(campaign)
    targets = tuple(snapshot.targets[target_id] for target_id in ids)
    caps = _planned_caps(targets)
    by_key = {one.cap.key: one for one in caps}
    own = {target.id: by_key.pop(concurrency_key(target.id)) for target in targets}
    by_buyer = _gather((target.buyer_id, 1 << bit) for bit, target in enumerate(targets))
    return Plan(
        targets=targets,
        everybody=(1 << len(targets)) - 1,
        stages=stages,
        bits={target_id: bit for bit, target_id in enumerate(ids)},
        by_buyer=by_buyer,
        switched_off=_set_of(targets, lambda target: _is_off(snapshot, campaign, target)),
        takes={
            product: _set_of(targets, lambda target, product=product: product in target.loan_types)  # type: ignore[misc]
            for product in LOAN_TYPES
        },
        filters=_filters_of(targets, snapshot.compiled),
        schedules=_schedules_of(targets),
        zones=_gather(
            (target.schedule.time_zone, 1 << bit)
            for bit, target in enumerate(targets)
            if target.schedule is not None
        ),
        caps=by_key,
        limits={key: one.cap.at_most for key, one in by_key.items() if one.cap.kind not in BY_MOMENT},
        by_moment=tuple(one for one in caps if one.cap.kind in BY_MOMENT),
        own_concurrency=own,
        own_limits={target.id: target.concurrency_cap for target in targets},
        full_at_nought=tuple(one for one in caps if one.cap.kind not in BY_MOMENT and one.cap.at_most <= 0),
        _held=tuple(snapshot.licences.get(buyer_id, {}) for buyer_id in by_buyer),
        _officers=snapshot.buyers_with_officers,
    )


def _plan_stages(campaign: Campaign) -> tuple[tuple[PlannedStage, ...], tuple[int, ...]]:
    bits: dict[int, int] = {}
    stages = []
    for stage in campaign.stages:
        entries: dict[int, Entry] = {}
        for entry in stage.entries:
            if entry.target_id not in bits:
                bits[entry.target_id] = len(bits)
                entries[bits[entry.target_id]] = entry
        stages.append(PlannedStage(stage=stage, entries=entries, targets=sum(1 << bit for bit in entries)))
    return tuple(stages), tuple(bits)


def _is_off(snapshot: Snapshot, campaign: Campaign, target: Target) -> bool:
    buyer = snapshot.buyers[target.buyer_id]
    usable = target.enabled and not target.problem and target.schedule is not None
    return not (campaign.enabled and buyer.enabled and usable)


def _set_of(targets: Iterable[Target], belongs: Callable[[Target], bool]) -> int:
    return sum(1 << bit for bit, target in enumerate(targets) if belongs(target))


def _gather(pairs: Iterable[tuple[Name, int]]) -> dict[Name, int]:
    """Return the sets that bear the same name as one."""
    found: dict[Name, int] = {}
    for name, targets in pairs:
        found[name] = found.get(name, 0) | targets
    return found


def _filters_of(targets: Iterable[Target], compiled: dict[int, Any]) -> dict[str, FilterIndex]:
    """Equal filters are one object (read_market): each is indexed once for all who have it."""
    filtered = [(bit, target) for bit, target in enumerate(targets) if target.filters is not None]
    if not filtered:
        return {}
    from router.domain.filter_index import index_filters  # noqa: PLC0415 (a market without filters needs none)
    from router.domain.known_facts import CLOCK_FACTS  # noqa: PLC0415
    from rules.condition import facts_of  # noqa: PLC0415

    sets: dict[str, dict[int, int]] = {}
    conditions: dict[int, Condition] = {}
    for bit, target in filtered:
        condition, schedule = target.filters, target.schedule
        if condition is not None and schedule is not None:
            conditions[id(condition)] = condition
            zone = ANYWHERE if facts_of(condition).isdisjoint(CLOCK_FACTS) else schedule.time_zone
            of_zone = sets.setdefault(zone, {})
            of_zone[id(condition)] = of_zone.get(id(condition), 0) | 1 << bit
    return {
        zone: index_filters(((conditions[key], wanted) for key, wanted in of_zone.items()), compiled)
        for zone, of_zone in sets.items()
    }


def _schedules_of(targets: Iterable[Target]) -> tuple[tuple[Schedule, int], ...]:
    sets: dict[int, tuple[Schedule, int]] = {}
    for bit, target in enumerate(targets):
        if target.schedule is not None:
            known = sets.get(id(target.schedule), (target.schedule, 0))
            sets[id(target.schedule)] = (target.schedule, known[1] | 1 << bit)
    return tuple(sets.values())


def _planned_caps(targets: Iterable[Target]) -> tuple[PlannedCap, ...]:
    """Every cap once, with everybody it stands before; in the order of keys."""
    caps: dict[str, Cap] = {}
    sets: dict[str, int] = {}
    for bit, target in enumerate(targets):
        for cap in caps_of(target):
            caps[cap.key] = cap
            sets[cap.key] = sets.get(cap.key, 0) | 1 << bit
    return tuple(PlannedCap(cap=caps[key], targets=sets[key]) for key in sorted(caps))
