"""What a bidder may do: which bid wins, what it may win and not pay for, and when it hears who calls.

By what docs/ping-post.md tells bidders. Shares no code with the house.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.adversaries.contracts import (
    BUYERS,
    HIGHEST_BID_MICROS,
    LEAST_PAID_PERCENT,
    LONGEST_MINIMUM_MS,
    MOST_REFUSED_PERCENT,
    PUBLISHERS,
)
from tests.adversaries.dues import CONTRACTS, due_of
from tests.adversaries.events import BidMade, CallSeen, Happened, Judged, Question
from tests.adversaries.places import is_listed, is_rung

WINS_JUDGED, WINS_HIDDEN, WINS_COUNTED = 20, 10, 100
CALLS_COUNTED, CALLS_ASSUMED = 200, 20
ASSUMED_LASTING = {30_000: 14, 60_000: 10, 90_000: 8, 120_000: 6.5, 300_000: 2, 600_000: 0.4}
"""Of CALLS_ASSUMED, by length. Bids with other minimums are not compared."""
NEARLY = 0.9
"""Worths are rounded, and what is near to each other may go either way."""
LEAST_WORTHWHILE_MICROS = max(one.payout_micros for one in PUBLISHERS)
"""A lower bid does not bear what the publisher gets."""


def judged(happened: Happened) -> dict[str, Judged]:
    """Return what can be known of each bidder now. Calls that nobody pays for twice are no fault of its, and no win.

    Nor is what another took that rang beside it: more is stated, but this is certain.
    """
    return {one.name: _judged(happened, one.name) for one in BUYERS if one.bids}


def _judged(happened: Happened, name: str) -> Judged:
    calls = sorted(happened.calls.values(), key=lambda one: one.number)
    lasted = [
        one.connected_ms
        for one in calls
        if one.over and (one.answered_by == name or (one.answered_by is None and name in one.bids))
    ]
    wins = [one for one in calls if name in one.posted][-WINS_COUNTED:]
    unanswered = [one for one in wins if name in one.bids and one.over and one.answered_by is None]
    refused = sum(name in one.refused_by for one in wins) + len(unanswered)
    taken = [one for one in wins if name in one.bids and one.over and one.answered_by == name]
    first_calls = {one.caller: one.number for one in reversed(calls)}
    fresh = [one for one in taken if not one.caller or first_calls[one.caller] == one.number]
    paid = sum(due_of(one) > 0 for one in taken)
    return Judged(
        lasted_ms=tuple(lasted[-CALLS_COUNTED:]),
        won=refused + len(taken),
        won_afresh=refused + len(fresh),
        refused=refused,
        paid=paid,
    )


def must_rest(record: Judged) -> bool:
    """Whether a bidder has refused too much, or paid for nothing at all. More is stated; this is certain."""
    if record.won_afresh < WINS_JUDGED:
        return False
    return record.refused * 100 > record.won * MOST_REFUSED_PERCENT or (
        record.paid == 0 and LEAST_PAID_PERCENT > 0
    )


def refuses_as_a_habit(record: Judged) -> bool:
    return record.won_afresh >= WINS_HIDDEN and record.refused * 200 > record.won * MOST_REFUSED_PERCENT


def question_problems(happened: Happened, questions: Iterable[Question]) -> Iterator[str]:
    """Judge whom the house asked, and what it showed."""
    for one in questions:
        record = happened.judged.get(one.buyer, Judged())
        if not one.is_post and must_rest(record):
            yield f"{one.buyer} was asked for a bid and must rest: {record}"
        if one.shows_caller and refuses_as_a_habit(record):
            yield f"{one.buyer} was shown who calls and refuses as a habit: {record}"


def bid_problems(happened: Happened, call: CallSeen) -> Iterator[str]:
    """Judge which bid won a call that came on no promise."""
    for name, bid in call.bids.items():
        if not _within_ceilings(bid):
            yield f"{name} won by {bid}, which is above the ceilings: {call}"
        worth = _worth(happened, bid)
        for other in call.outbid.values():
            better = _worth(happened, other)
            standing = _stands(happened, other) and other.buyer not in {*call.posted, *call.late}
            if standing and worth is not None and better is not None and worth < better * NEARLY:
                yield f"{name} won by {bid}, worth {worth}, from {other}, worth {better}: {call}"


def _within_ceilings(bid: BidMade) -> bool:
    return bid.bid_micros <= HIGHEST_BID_MICROS and bid.minimum_ms <= LONGEST_MINIMUM_MS


def _stands(happened: Happened, bid: BidMade) -> bool:
    rests = must_rest(happened.judged.get(bid.buyer, Judged()))
    return (
        _within_ceilings(bid)
        and bid.bid_micros >= LEAST_WORTHWHILE_MICROS
        and not rests
        and (bid.dial is None or (is_rung(bid.dial) and not is_listed(bid.dial)))
        and _has_room(happened, bid.buyer)
        and bid.buyer not in happened.paying_in_advance
    )


def _has_room(happened: Happened, name: str) -> bool:
    """Whether one call more fits beside those it has, and beside those that pings hold room for."""
    busy = sum(one.keeps_busy(name) for one in happened.calls.values())
    return busy + sum(one.buyer == name for one in happened.waiting) < CONTRACTS[name].cap


def _worth(happened: Happened, bid: BidMade) -> float | None:
    if bid.minimum_ms not in ASSUMED_LASTING:
        return None
    lasted = happened.judged.get(bid.buyer, Judged()).lasted_ms
    long_enough = sum(one >= bid.minimum_ms for one in lasted) + ASSUMED_LASTING[bid.minimum_ms]
    return bid.bid_micros * long_enough / (len(lasted) + CALLS_ASSUMED)
