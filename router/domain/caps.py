"""How many calls somebody takes. A cap is a counter in the database; here is which, and whether it is full.

Attempts and spacing are counted when a target is rung. Concurrency is given back when the attempt is over.
Connections, conversions and revenue are held while they may still happen, and settled by what did happen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from router.domain.counts import Counts
from router.domain.decision import RejectionCode
from router.domain.market import Campaign, Cap, Snapshot, Target
from rules.schedule import local_time, minute_of_week

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    Key = TypeVar("Key")


CONCURRENCY, ATTEMPTS, CONNECTIONS = "concurrency", "attempts", "connections"
CONVERSIONS, REVENUE, SPACING = "conversions", "revenue", "spacing"
ABROAD_SECONDS, ABROAD_MICROS = "abroad_seconds", "abroad_micros"
"""Ceilings on numbers abroad (router.domain.abroad): nobody sets them as caps."""
KINDS = (CONCURRENCY, ATTEMPTS, CONNECTIONS, CONVERSIONS, REVENUE, SPACING)
PERIODS = ("hour", "day", "week", "month", "total")
OWNERS = ("target", "buyer", "campaign", "publisher", "group")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What one attempt has to find room for in one counter."""

    key: str
    kind: str
    amount: int
    """1 call; abroad the seconds, or millionths of a dollar, of the longest talk; of revenue the price in millionths of
    a dollar; of spacing the epoch ms of this call."""
    at_most: int
    """Of spacing: the highest epoch ms the last call may have had."""
    period_start: int
    """Epoch seconds; 0 when the cap has no period."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """One instant on the wall clocks of cap owners; each is worked out once."""

    now: datetime
    _starts: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def now_ms(self) -> int:
        return (self.now - _EPOCH) // timedelta(milliseconds=1)

    def at(self, now: datetime) -> Moment:
        """Return an instant of which the caller knows that no period has begun in between."""
        return Moment(now=now, _starts=self._starts)

    def period_start(self, cap: Cap) -> int:
        """Return when the period of `cap` that `now` falls into began, in epoch seconds; 0 when it has none."""
        if cap.period is None or cap.period == "total":
            return 0
        key = (cap.time_zone, cap.period)
        known = self._starts.get(key)
        if known is None:
            known = self._starts[key] = period_start(cap.period, local_time(self.now, cap.time_zone))
        return known


def period_start(period: str, local: datetime) -> int:
    """Return the epoch second at which the hour, day, week (from Monday) or month around `local` began."""
    start = local.replace(minute=0, second=0, microsecond=0)
    if period != "hour":
        start = start.replace(hour=0, fold=0)
    if period == "week":
        start -= timedelta(days=start.weekday())
    elif period == "month":
        start = start.replace(day=1)
    return int(start.timestamp())


def concurrency_key(target_id: int) -> str:
    """Return the name of the counter of a target's calls in progress."""
    return f"target:{target_id}:concurrency"


def caps_of(target: Target) -> tuple[Cap, ...]:
    """Return every cap of a target itself, ordered by key: leases are taken in this order, so that no two calls
    deadlock."""
    own = Cap(
        key=concurrency_key(target.id),
        owner="target",
        kind=CONCURRENCY,
        period=None,
        time_zone="UTC",
        at_most=target.concurrency_cap,
    )
    return tuple(sorted((own, *target.caps), key=lambda cap: cap.key))


def all_caps(
    snapshot: Snapshot, campaign: Campaign, publisher_id: int | None, target: Target
) -> tuple[Cap, ...]:
    """Return every cap a call of the campaign and publisher to the target has to find room in, ordered by key."""
    own = _own_caps(snapshot, target)
    shared = campaign.caps + snapshot.publisher_caps.get(publisher_id or 0, ())
    return tuple(sorted(own + shared, key=lambda cap: cap.key)) if shared else own


def _own_caps(snapshot: Snapshot, target: Target) -> tuple[Cap, ...]:
    """Return caps_of, made once: every call asks twice for those of the target it goes to."""
    known = snapshot.own_caps.get(target.id)
    if known is None or known[0] is not target:
        known = snapshot.own_caps[target.id] = (target, caps_of(target))
    return known[1]


def claims_of(caps: Iterable[Cap], target: Target, moment: Moment, price_micros: int) -> tuple[Claim, ...]:
    """Return what an attempt at `target` claims of each cap that counts now, in the order of their keys."""
    return tuple(
        Claim(
            key=cap.key,
            kind=cap.kind,
            amount=_amount(cap, moment, price_micros),
            at_most=moment.now_ms - cap.at_most * 1000 if cap.kind == SPACING else cap.at_most,
            period_start=moment.period_start(cap),
        )
        for cap in caps
        if cap.range_name is None or counts_now(cap, target, moment)
    )


def counts_now(cap: Cap, target: Target, moment: Moment) -> bool:
    """Say whether a cap counts at this moment: one of a named range only while the range is open."""
    if cap.range_name is None:
        return True
    schedule = target.schedule
    if schedule is None:
        return False
    local = local_time(moment.now, schedule.time_zone)
    return schedule.is_range_open(cap.range_name, local.date(), minute_of_week(local))


def _amount(cap: Cap, moment: Moment, price_micros: int) -> int:
    if cap.kind == REVENUE:
        return price_micros
    return moment.now_ms if cap.kind == SPACING else cap.amount


def is_full(cap: Cap, used: int, moment: Moment, price_micros: int = 0) -> bool:
    """Say whether one more call at `price_micros` finds no room in a cap of which `used` is taken."""
    if cap.kind == SPACING:
        return used > moment.now_ms - cap.at_most * 1000
    if cap.kind == REVENUE:
        return used + max(price_micros, 1) > cap.at_most
    return used + cap.amount > cap.at_most


def code_of(cap: Cap) -> RejectionCode:
    if cap.kind == SPACING:
        return RejectionCode.TOO_SOON
    return RejectionCode.GROUP_AT_CAP if cap.owner == "group" else RejectionCode.AT_CAP


def describe_full(cap: Cap, used: int, moment: Moment) -> str:
    """Say for people why there is no room in a full cap."""
    of_whom = "" if cap.owner == "target" else f" of the {cap.owner}"
    if cap.kind == CONCURRENCY:
        return f"{used} of {cap.at_most} calls in progress{of_whom}"
    if cap.kind == SPACING:
        return f"{(moment.now_ms - used) / 1000:.1f} s since the last call{of_whom}, at least {cap.at_most} s"
    while_open = f" while {cap.range_name!r} is open" if cap.range_name else ""
    when = "ever" if cap.period == "total" else f"this {cap.period}"
    if cap.kind == ABROAD_SECONDS:
        return f"{used // 60} of {cap.at_most // 60} minutes abroad taken {when}{of_whom}"
    if cap.kind == ABROAD_MICROS:
        return f"${used / 1e6:.2f} of ${cap.at_most / 1e6:.2f} abroad taken {when}{of_whom}"
    if cap.kind == REVENUE:
        return f"${used / 1e6:.2f} of ${cap.at_most / 1e6:.2f} revenue {when}{of_whom}{while_open}"
    return f"{used} of {cap.at_most} {cap.kind} {when}{of_whom}{while_open}"


def used_of(cap: Cap, target: Target, counts: Counts) -> int:
    """Return what is taken of a cap."""
    if cap.key == concurrency_key(target.id):
        return counts.concurrency.get(target.id, counts.used.get(cap.key, 0))
    return counts.used.get(cap.key, 0)


def full_cap(
    target: Target,
    counts: Counts,
    caps: Iterable[Cap] | None = None,
    moment: Moment | None = None,
    price_micros: int = 0,
) -> tuple[RejectionCode, str] | None:
    """Return the first cap without room as a code and words for people; None when one more call finds room."""
    at = moment or Moment(now=_EPOCH)
    for cap in caps_of(target) if caps is None else caps:
        used = used_of(cap, target, counts)
        if is_full(cap, used, at, price_micros) and counts_now(cap, target, at):
            return code_of(cap), describe_full(cap, used, at)
    return None


def counts_from(used_by_key: Mapping[str, int]) -> Counts:
    """Read counters by key, as the database stores them, into Counts."""
    concurrency: dict[int, int] = {}
    others: dict[str, int] = {}
    for key, used in used_by_key.items():
        if not used:
            continue
        if key.startswith("target:") and key.endswith(":concurrency") and key.count(":") == 2:
            concurrency[int(key.split(":")[1])] = used
        else:
            others[key] = used
    return Counts(concurrency=concurrency, used=others)


def with_full(counts: Counts, target: Target, claim: Claim | None = None) -> Counts:
    """Return `counts` after losing the race for the last room in a counter: it is full now, whatever was read."""
    if claim is None or claim.key == concurrency_key(target.id):
        used = max(counts.concurrency.get(target.id, 0), target.concurrency_cap)
        return replace(counts, concurrency={**counts.concurrency, target.id: used})
    full = claim.amount if claim.kind == SPACING else claim.at_most
    return replace(counts, used={**counts.used, claim.key: max(counts.used.get(claim.key, 0), full)})


def highest_of(first: Counts, second: Counts) -> Counts:
    """Return the first reading with the second's counters where those are higher."""
    if not second.concurrency and not second.used:
        return first
    return replace(
        first,
        concurrency=_higher(first.concurrency, second.concurrency),
        used=_higher(first.used, second.used),
    )


def _higher(first: Mapping[Key, int], second: Mapping[Key, int]) -> Mapping[Key, int]:
    if not second:
        return first
    return {**first, **{key: max(used, first.get(key, 0)) for key, used in second.items()}}
