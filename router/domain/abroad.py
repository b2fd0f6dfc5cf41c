"""Ceilings on what is rung abroad: minutes and dollars a day, of each target and of each trunk. Pure.

A call that rings a listed destination (rules.dialling) takes room for the longest talk in four counters, as caps are
taken, and its settlement counts what was talked. A counter is shared by all destinations; each destination says how
far it may be filled. Where nobody can count, nobody abroad is rung.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from router.domain.caps import ABROAD_MICROS, ABROAD_SECONDS, Moment, describe_full, is_full
from router.domain.counts import Counts
from router.domain.decision import Rejection, RejectionCode
from router.domain.market import Cap, Snapshot, Target
from rules.dialling import LONGEST_TALK_SECONDS, Destination, DiallingRules, number_in_sip_uri
from rules.money import divide_half_up
from rules.telephone import known_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from router.domain.auction import Bid

OUTWARD = "outward"
"""The trunk over which numbers that bids and flows name are rung; a target dialled over its own goes by its id."""
TIME_ZONE = "America/New_York"
"""Of the day that the ceilings are for."""
NOT_COUNTED = 2**62
"""What a counter is taken to hold while the database does not answer."""


def destination_rung(target: Target, dial: str | None, rules: DiallingRules) -> Destination | None:
    """Return the listed destination that is rung, at `dial` or at the target's own address; None when it is at home."""
    if dial is None:
        return target.abroad
    if not rules.destinations:
        return None
    user = number_in_sip_uri(dial) if dial.startswith("sip:") else dial
    number = None if user is None else known_number(user)
    return None if number is None else rules.destination_of(number)


def caps_abroad(destination: Destination, target: Target, dial: str | None) -> tuple[Cap, ...]:
    """Return the ceilings that an attempt there has to find room in, ordered by key."""
    trunk = OUTWARD if dial is not None or target.outbound_trunk_id is None else str(target.outbound_trunk_id)
    caps = [
        *caps_of(destination, "target", str(target.id)),
        *caps_of(destination, "trunk", trunk),
    ]
    return tuple(sorted(caps, key=lambda cap: cap.key))


def post_problem(target: Target, bid: Bid, dial: str | None, rules: DiallingRules) -> str | None:
    """Return why the place that a post names is not rung; None when it is. Room was taken by what the bid named."""
    if dial is None or dial == bid.dial:
        return None
    from router.domain.dial import dial_problem  # noqa: PLC0415 (the survival script asks nobody)

    abroad = destination_rung(target, dial, rules) is not None
    return dial_problem(dial, rules) or (f"{dial} is abroad, which the bid has to name" if abroad else None)


def full_abroad(caps: Iterable[Cap], counts: Counts) -> str | None:
    """Return why nothing more is rung there today, for people; None when one more call finds room."""
    for cap in caps:
        used = counts.used.get(cap.key, 0)
        if used >= NOT_COUNTED:
            return "the minutes abroad cannot be counted now"
        if is_full(cap, used, _NO_MOMENT):
            return describe_full(cap, used, _NO_MOMENT)
    return None


def not_dialled(target: Target, dial: str | None, rules: DiallingRules, counts: Counts) -> Rejection | None:
    """Return why nobody is rung there: it is a number that is not rung, or a ceiling is reached."""
    if dial is None and target.abroad is None:
        return None
    from router.domain.dial import dial_problem  # noqa: PLC0415 (the survival script has no bids)

    problem = None if dial is None else dial_problem(dial, rules)
    if problem is not None:
        return Rejection(target_id=target.id, code=RejectionCode.INVALID_BID, detail=f"dial: {problem}")
    destination = destination_rung(target, dial, rules)
    full = None if destination is None else full_abroad(caps_abroad(destination, target, dial), counts)
    return Rejection(target_id=target.id, code=RejectionCode.AT_CAP, detail=full) if full else None


def nothing_abroad(snapshot: Snapshot, counts: Counts) -> Counts:
    """Return `counts` for a decision that leases nothing: what cannot be counted is not rung."""
    if not snapshot.dialling.destinations:
        return counts
    trunks = {OUTWARD, *(str(one.outbound_trunk_id) for one in snapshot.targets.values() if one.abroad)}
    closed = {key_of("trunk", trunk, ABROAD_SECONDS): NOT_COUNTED for trunk in sorted(trunks)}
    return replace(counts, used={**counts.used, **closed})


def key_of(owner: str, owner_id: str, kind: str) -> str:
    """Return the name of a counter, such as target:12:abroad_seconds:day."""
    return f"{owner}:{owner_id}:{kind}:day"


def caps_of(destination: Destination, owner: str, owner_id: str) -> tuple[Cap, ...]:
    """Return the ceilings of one target or trunk, ordered by key."""
    of_target = owner == "target"
    minutes = destination.target_minutes_per_day if of_target else destination.trunk_minutes_per_day
    micros = destination.target_micros_per_day if of_target else destination.trunk_micros_per_day
    cost = divide_half_up(destination.cost_per_minute_micros * LONGEST_TALK_SECONDS, 60)
    kinds = ((ABROAD_MICROS, micros, cost), (ABROAD_SECONDS, minutes * 60, LONGEST_TALK_SECONDS))
    return tuple(
        Cap(
            key=key_of(owner, owner_id, kind),
            owner=owner,
            kind=kind,
            period="day",
            time_zone=TIME_ZONE,
            at_most=at_most,
            amount=amount,
        )
        for kind, at_most, amount in kinds
    )


_NO_MOMENT = Moment(now=datetime(1970, 1, 1, tzinfo=UTC))
