"""Every counter of the market in memory, and of each plan what its decisions look at, kept up to date change by change.

Reading nine hundred counters for one decision takes far longer than deciding. What stands here may be a moment old:
it can cost a decision another try, and never lets anybody in, for only the lease says who has room. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

from router.domain.caps import SPACING, Claim, Moment
from router.domain.counts import Counts, Facts, FullCaps, History, Turn
from router.domain.market import Campaign, Cap, Snapshot
from router.domain.plan import Plan, PlannedCap, plan_of

QUARTER_SECONDS = 900
"""Every hour, day, week and month begins at one of these, in every time zone of today."""

NOTHING = (0, 0)
UNLIMITED = 1 << 62
NO_HISTORY = History()
NEVER = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """Counters and histories as they were read, whatever of them has changed."""

    counters: Iterable[tuple[str, int, int]]
    """Key, used, period_start."""
    histories: Iterable[tuple[int, int, int, int]]
    """Target id, last_offered_ms, connected, converted."""


_Place: TypeAlias = "tuple[dict[Any, int], dict[str, PlannedCap], PlannedCap | None]"
"""Where a counter stands in one reading: in which of its tables, and among what and whom it keeps out once full."""


@dataclass(kw_only=True, slots=True)
class _Standing:
    """Where a counter stands in all readings that have it. Every call moves some, and others that other processes
    moved: what hardly ever changes, whether it is full, is written only when it does."""

    cap: Cap | None
    """The cap, if its period may be over."""
    name: int | str
    """What it is called in their tables."""
    limit: int
    """From how much on it is full. As the cap, by the newest market."""
    places: list[_Place]
    full: bool | None = None
    """Whether it stands as full at all its places; None when they may differ."""

    def counting(self, used: int, began: int, moment: Moment) -> int:
        """Return what of the counter counts at `moment`: nothing when its period is over."""
        timed = self.cap
        return 0 if timed is not None and began and began < moment.period_start(timed) else used

    def put(self, key: str, counting: int) -> None:
        """Take over what counts, at every place."""
        name, full = self.name, counting >= self.limit
        if counting:
            for in_use, _, _ in self.places:
                in_use[name] = counting
        else:
            for in_use, _, _ in self.places:
                in_use.pop(name, None)
        if full is self.full:
            return
        self.full = full
        for _, kept_out, planned in self.places:
            if not full:
                kept_out.pop(key, None)
            elif planned is not None:
                kept_out[key] = planned


class LiveCounts:
    """Counters by key, histories by target, and readings of the plans that are in use."""

    def __init__(self) -> None:
        self._counters: dict[str, tuple[int, int]] = {}
        self._guesses: dict[str, tuple[tuple[int, int], int]] = {}
        """What was read of counters that were moved by note_taken since, and the number of the last reading then."""
        self._readings_begun = 0
        self._histories: dict[int, History] = {}
        self._readings: dict[int, _Reading] = {}
        self._standing: dict[str, _Standing] = {}
        self._by_target: dict[int, list[_Reading]] = {}
        self._quarter = NEVER
        self._moment = Moment(now=datetime(1970, 1, 1, tzinfo=UTC))

    def moment(self, now: datetime) -> Moment:
        """Return `now` on the wall clocks of cap owners: when a period began is worked out once a quarter."""
        quarter = int(now.timestamp()) // QUARTER_SECONDS
        if quarter != self._quarter:
            self._quarter = quarter
            for reading in self._readings.values():
                reading.quarter = NEVER
            self._moment = Moment(now=datetime.fromtimestamp(quarter * QUARTER_SECONDS, UTC))
        return self._moment.at(now)

    def begin_reading(self) -> int:
        """Return the number of a reading that is asked for now. One comes after the other."""
        self._readings_begun += 1
        return self._readings_begun

    def replace_all(self, changes: Changes) -> None:
        """Go by `changes` alone: they are everything there is."""
        self._counters, self._guesses, self._histories = {}, {}, {}
        for reading in self._readings.values():
            reading.quarter = NEVER
        self.apply(changes, self._readings_begun)

    def everything(self) -> Changes:
        """Return all there is, as it is now; what changes while it is read on does not show."""
        return Changes(
            counters=((key, used, began) for key, (used, began) in self._counters.copy().items()),
            histories=(
                (target_id, one.last_offered_ms, one.connected, one.converted)
                for target_id, one in self._histories.copy().items()
            ),
        )

    def apply(self, changes: Changes, reading: int) -> None:
        """Take over what was read; what was guessed before it began and was not read has not changed after all."""
        for key, used, began in changes.counters:
            self._guesses.pop(key, None)
            if self._counters.get(key) != (used, began):
                self._set(key, used, began)
        for key in [key for key, (_, then) in self._guesses.items() if then < reading]:
            self._set(key, *self._guesses.pop(key)[0])
        for target_id, last_offered_ms, connected, converted in changes.histories:
            history = History(last_offered_ms=last_offered_ms, connected=connected, converted=converted)
            self._set_history(target_id, history)

    def note_taken(self, claims: Iterable[Claim], target_id: int, now_ms: int) -> None:
        """Count what was leased just now, as take_leases did, before it is read again."""
        for claim in claims:
            used, began = known = self._counters.get(claim.key, NOTHING)
            read, _ = self._guesses.get(claim.key, (known, 0))
            self._guesses[claim.key] = (read, self._readings_begun)
            if claim.kind == SPACING:
                used = max(used, claim.amount)
            elif began < claim.period_start:
                used = claim.amount
            else:
                used += claim.amount
            self._set(claim.key, used, max(began, claim.period_start))
        before = self._histories.get(target_id, NO_HISTORY)
        # Spelled out: dataclasses.replace takes many times as long.
        history = History(
            last_offered_ms=max(before.last_offered_ms, now_ms),
            connected=before.connected,
            converted=before.converted,
        )
        self._set_history(target_id, history)

    def counts(
        self,
        snapshot: Snapshot,
        campaign: Campaign,
        publisher_id: int | None,
        now: datetime,
        turns: Mapping[int, Turn],
        facts: Facts,
    ) -> Counts:
        """Return what is in use of everything a decision on the campaign looks at, at `now`, and what is full of it."""
        reading = self._reading(snapshot, campaign, now)
        used = reading.used.copy()
        for cap in snapshot.publisher_caps.get(publisher_id or 0, ()):
            amount, began = self._counters.get(cap.key, NOTHING)
            if amount and began >= reading.moment.period_start(cap):
                used[cap.key] = amount
        counts = Counts(
            concurrency=reading.concurrency.copy(),
            used=used,
            turns=turns,
            history=reading.history.copy(),
            facts=facts,
        )
        # Counts are frozen: this is part of making them.
        full = FullCaps(plan=reading.plan, caps=tuple(reading.full.values()))
        object.__setattr__(counts, "full", full)
        return counts

    def make_reading(self, snapshot: Snapshot, campaign: Campaign, now: datetime) -> None:
        """Do what the first decision on a campaign would have to wait for."""
        self._reading(snapshot, campaign, now)

    def _reading(self, snapshot: Snapshot, campaign: Campaign, now: datetime) -> _Reading:
        plan, known = plan_of(snapshot, campaign), self._readings.get(campaign.id)
        if known is None or known.plan is not plan or known.campaign_caps != campaign.caps:
            known = self._begin_reading_of(plan, campaign, known)
        quarter = int(now.timestamp()) // QUARTER_SECONDS
        if known.quarter != quarter:  # all that are not NEVER's are the present one's
            known.begin(quarter, self.moment(now), self._counters, self._histories)
            for key in known.standing:
                self._standing[key].full = None
        return known

    def _begin_reading_of(self, plan: Plan, campaign: Campaign, older: _Reading | None) -> _Reading:
        """Begin with a plan that is new, or was edited."""
        if older is not None:
            for key, own in older.standing.items():
                standing = self._standing[key]
                standing.places = [one for one in standing.places if one is not own.places[0]]
            for target in older.plan.targets:
                self._by_target[target.id].remove(older)
        reading = self._readings[campaign.id] = _Reading(plan, campaign.caps)
        for key, own in reading.standing.items():
            known = self._standing.get(key)
            places = [] if known is None else known.places
            self._standing[key] = replace(own, places=[*places, *own.places])
        for target in plan.targets:
            self._by_target.setdefault(target.id, []).append(reading)
        return reading

    def _set(self, key: str, used: int, began: int) -> None:
        self._counters[key] = (used, began)
        standing = self._standing.get(key)
        if standing is not None:
            standing.put(key, standing.counting(used, began, self._moment))

    def _set_history(self, target_id: int, history: History) -> None:
        self._histories[target_id] = history
        for reading in self._by_target.get(target_id, ()):
            reading.history[target_id] = history


class _Reading:
    """What is in use of one plan in one quarter of an hour. Counters that are nought, or of a period that is over, are
    left out."""

    def __init__(self, plan: Plan, campaign_caps: tuple[Cap, ...]) -> None:
        self.plan = plan
        self.campaign_caps = campaign_caps
        self.quarter = NEVER
        self.moment = Moment(now=datetime(1970, 1, 1, tzinfo=UTC))
        self.concurrency: dict[int, int] = {}
        self.used: dict[str, int] = {}
        self.history: dict[int, History] = {}
        self.full: dict[str, PlannedCap] = {}
        self.standing = self._make_standing()
        """Counters by key, as if this were the only reading."""

    def _make_standing(self) -> dict[str, _Standing]:
        clocks, plan = self.moment, self.plan
        limit_of, planned_of = plan.limits.get, plan.caps.get
        standing = {
            own.cap.key: _Standing(
                cap=None,
                name=target_id,
                limit=max(own.cap.at_most, 1),
                places=[(self.concurrency, self.full, own)],
            )
            for target_id, own in plan.own_concurrency.items()
        }
        for cap in (*(one.cap for one in plan.caps.values()), *self.campaign_caps):
            key, timed = cap.key, None if cap.period is None else cap
            if timed is None or _has_a_clock(cap, clocks):
                standing[key] = _Standing(
                    cap=timed,
                    name=key,
                    limit=max(limit_of(key, UNLIMITED), 1),
                    places=[(self.used, self.full, planned_of(key))],
                )
        return standing

    def begin(
        self,
        quarter: int,
        moment: Moment,
        counters: Mapping[str, tuple[int, int]],
        histories: Mapping[int, History],
    ) -> None:
        """Start a quarter of an hour, `moment` in it, with everything that is known."""
        self.quarter, self.moment = quarter, moment
        for kept in (self.concurrency, self.used, self.history, self.full):
            kept.clear()
        for key, own in self.standing.items():
            known = counters.get(key)
            if known is not None:
                own.full = None
                own.put(key, own.counting(*known, moment))
        for target in self.plan.targets:
            history = histories.get(target.id)
            if history is not None:
                self.history[target.id] = history


def _has_a_clock(cap: Cap, clocks: Moment) -> bool:
    """Say whether a cap's time zone is one. Where it is not, its target is switched off and counts nothing."""
    try:
        clocks.period_start(cap)
    except (KeyError, ValueError):
        return False
    return True
