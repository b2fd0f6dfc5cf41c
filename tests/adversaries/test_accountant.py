"""The accountant itself, by worked examples: what it must find, and what is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.adversaries.accountant import Books, book_problems, entitled_of
from tests.adversaries.bidders import judged, refuses_as_a_habit
from tests.adversaries.contracts import (
    DESK,
    DOLLAR,
    GREEDY_BIDDER,
    HONEST_BIDDER,
    NARROW,
    NORTH,
    PLAIN,
    SOUTH,
    SUPPRESSED,
    VETERANS,
)
from tests.adversaries.dues import due_of
from tests.adversaries.events import BidMade, CallSeen, Cash, Happened, Promise
from tests.adversaries.rings import kept_out_problems, reservation_problems, ring_problems

OHIO = {"loan_type": "refinance", "state": "OH"}


def a_call(buyer: str = PLAIN.name, **changes: Any) -> CallSeen:
    """A minute and a half with a caller from Ohio, over; 98 s of the carrier's at 0.6 cents a minute."""
    said = {
        "call_id": uuid4(),
        "number": 1,
        "publisher": NORTH.name,
        "caller": "+16145550123",
        "facts": OHIO,
        "rung": (buyer,),
        "places": (DESK,),
        "answered_by": buyer,
        "connected_ms": 90_000,
        "carrier_ms": 97_994,
        "carrier_rate_micros": 6_000,
        "over": True,
    }
    return CallSeen(**{**said, **changes})


def happened(*calls: CallSeen, **more: Any) -> Happened:
    paid_in = Cash(party=PLAIN.name, amount_micros=400 * DOLLAR, reference="deposit")
    return Happened(calls={one.call_id: one for one in calls}, cash={"deposit": paid_in}, **more)


def books(call: CallSeen, **changes: Any) -> Books:
    """What the house books of `a_call`: $45 of the wallet, $30 for North, 90 cents for the platform."""
    said = {
        "charged": {call.call_id: {PLAIN.name: 45 * DOLLAR}},
        "paid_out": {call.call_id: 30 * DOLLAR},
        "owed": {PLAIN.name: -355 * DOLLAR, NORTH.name: -30 * DOLLAR},
        "cash": 400 * DOLLAR,
        "carrier_cost": 10_200,
        "fees": 900_000,
    }
    return Books(**{**said, **changes})


CALL = a_call()


def test_books_that_are_right() -> None:
    assert book_problems(happened(CALL), books(CALL)) == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"charged": {}, "paid_out": {}, "owed": {PLAIN.name: -400 * DOLLAR}, "fees": 0}, "0 calls of"),
        ({"charged": {CALL.call_id: {PLAIN.name: 80 * DOLLAR}}}, "was charged 80000000, not 45000000"),
        ({"charged": {CALL.call_id: {VETERANS.name: 45 * DOLLAR}}}, "a call they did not have"),
        ({"paid_out": {CALL.call_id: 64 * DOLLAR}}, "got 64000000 for a call that brought 45000000"),
        ({"owed": {PLAIN.name: -400 * DOLLAR, NORTH.name: -30 * DOLLAR}}, "Plain Lending owes -400000000"),
        ({"owed": {PLAIN.name: -355 * DOLLAR}}, "North Ads is owed 0, must be 30000000"),
        ({"cash": 445 * DOLLAR}, "the house books 445000000 of cash"),
        ({"carrier_cost": 18_000}, "the carrier gets 18000, must be 10200"),
        ({"fees": 0}, "the platform gets 0, must be 900000"),
        ({"disputed": {PLAIN.name: 45 * DOLLAR}}, "Plain Lending disputes 0"),
        ({"unsealed": 1}, "1 transactions are not sealed"),
    ],
)
def test_books_that_are_wrong(changes: Mapping[str, Any], found: str) -> None:
    problems = book_problems(happened(CALL), books(CALL, **changes))
    assert any(found in problem for problem in problems), problems


def test_a_veteran_costs_more_from_two_minutes_on_and_a_bid_costs_what_was_bid() -> None:
    veteran = {**OHIO, "veteran": "yes"}
    assert due_of(a_call(VETERANS.name, facts=veteran, connected_ms=120_000)) == 80 * DOLLAR
    assert due_of(a_call(VETERANS.name, facts=veteran, connected_ms=119_999)) == 45 * DOLLAR
    assert due_of(a_call(VETERANS.name, connected_ms=130_000)) == 45 * DOLLAR
    assert due_of(a_call(VETERANS.name, connected_ms=59_999)) == 0
    bid = BidMade(buyer=HONEST_BIDDER.name, bid_micros=52_000_000, minimum_ms=90_000)
    assert due_of(a_call(HONEST_BIDDER.name, bids={HONEST_BIDDER.name: bid})) == 52_000_000
    assert due_of(a_call(HONEST_BIDDER.name, bids={HONEST_BIDDER.name: bid}, connected_ms=89_999)) == 0


def a_promise(**changes: Any) -> Promise:
    said = {
        "publisher": SOUTH.name,
        "reservation_id": UUID(int=1),
        "caller": "+16145550123",
        "payout_micros": 64 * DOLLAR,
        "minimum_ms": 120_000,
        "buyer": VETERANS.name,
        "bids": {},
    }
    return Promise(**{**said, **changes})


def test_a_promise_is_paid_out_of_what_the_call_brings() -> None:
    call = a_call(VETERANS.name, publisher=SOUTH.name, claimed=a_promise(), connected_ms=130_000)
    assert entitled_of(call, 80 * DOLLAR) == 64 * DOLLAR
    assert entitled_of(call, 45 * DOLLAR) == 36 * DOLLAR
    assert entitled_of(replace(call, connected_ms=90_000), 45 * DOLLAR) == 30 * DOLLAR
    assert entitled_of(replace(call, claimed=None), 80 * DOLLAR) == 30 * DOLLAR


def ringing(buyer: str, **changes: Any) -> CallSeen:
    return a_call(buyer, **{"answered_by": None, "over": False, **changes})


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (ringing(PLAIN.name, facts={"zip": "10001"}), "rung for ['NY']"),
        (ringing(PLAIN.name, facts={"state": "OH", "zip": "10001"}), "rung for ['NY', 'OH']"),
        (ringing(PLAIN.name, facts={}, caller=""), "rung for nowhere"),
        (ringing(PLAIN.name, caller=SUPPRESSED), "a caller it suppresses"),
        (
            ringing(PLAIN.name, places=("PJSIP/+18765550123@target-4-out",)),
            "PJSIP/+18765550123@target-4-out was rung",
        ),
        (ringing(PLAIN.name, places=("sip:9005550123@198.51.100.7",)), "was rung"),
        (ringing(NARROW.name), "One Desk was rung with 0 paid in"),
        (
            ringing(
                GREEDY_BIDDER.name,
                bids={
                    GREEDY_BIDDER.name: BidMade(
                        buyer=GREEDY_BIDDER.name, bid_micros=90 * DOLLAR, minimum_ms=600_000
                    )
                },
                outbid={
                    HONEST_BIDDER.name: BidMade(
                        buyer=HONEST_BIDDER.name, bid_micros=45 * DOLLAR, minimum_ms=60_000
                    )
                },
            ),
            "Greedy Bids won by",
        ),
    ],
)
def test_who_may_not_be_rung(call: CallSeen, found: str) -> None:
    assert any(found in problem for problem in ring_problems(happened(call), call, ()))


def a_worse_bid_won(**changes: Any) -> CallSeen:
    greedy, honest = (
        BidMade(buyer=GREEDY_BIDDER.name, bid_micros=90 * DOLLAR, minimum_ms=600_000),
        BidMade(buyer=HONEST_BIDDER.name, bid_micros=45 * DOLLAR, minimum_ms=60_000),
    )
    bids, outbid = {greedy.buyer: greedy}, {honest.buyer: honest}
    return ringing(greedy.buyer, number=9, bids=bids, outbid=outbid, **changes)


def test_a_bid_that_comes_late_or_from_who_has_no_room_or_funds_is_not_compared() -> None:
    won, late = a_worse_bid_won(), a_worse_bid_won(late=(HONEST_BIDDER.name,))
    assert list(ring_problems(happened(won), won, ()))
    assert not list(ring_problems(happened(late), late, ()))
    others = [a_call(HONEST_BIDDER.name, number=n, caller=f"+1614555000{n}", over=False) for n in range(1, 6)]
    promised = [a_promise(buyer=HONEST_BIDDER.name)]
    assert list(ring_problems(happened(*others[:4], won), won, ()))
    assert not list(ring_problems(happened(*others, won), won, ()))
    assert not list(ring_problems(happened(*others[:4], won, waiting=promised), won, ()))
    assert not list(ring_problems(happened(won, paying_in_advance={HONEST_BIDDER.name}), won, ()))


def test_four_refused_of_ten_are_a_habit_and_a_duplicate_is_none_of_the_ten() -> None:
    name = GREEDY_BIDDER.name
    bid = {name: BidMade(buyer=name, bid_micros=40 * DOLLAR, minimum_ms=60_000)}
    numbers = [f"+1614555000{n}" for n in range(10)]
    refused = [
        a_call(number=n, caller=caller, posted=(name,), refused_by=(name,))
        for n, caller in enumerate(numbers[:4])
    ]
    taken = [
        a_call(name, number=n, caller=caller, posted=(name,), bids=bid)
        for n, caller in enumerate(numbers[4:], 4)
    ]
    assert refuses_as_a_habit(judged(happened(*refused, *taken))[name])
    again = replace(taken[-1], call_id=uuid4(), caller=numbers[4])
    assert not refuses_as_a_habit(judged(happened(*refused, *taken[:-1], again))[name])


def test_who_may_be_rung() -> None:
    call = ringing(PLAIN.name)
    assert list(ring_problems(happened(call), call, ())) == []


def test_a_desk_for_one_call_has_one_while_another_rings_beside_it() -> None:
    talking = a_call(NARROW.name, rung=(NARROW.name, PLAIN.name), places=(DESK, DESK), over=False)
    assert talking.keeps_busy(NARROW.name) and not talking.keeps_busy(PLAIN.name)
    second = ringing(NARROW.name, caller="+16145550124", number=2)
    problems = list(ring_problems(happened(talking, second), second, ()))
    assert "One Desk has 2 calls at once and takes 1" in problems


def test_what_reservations_may_hold() -> None:
    one, two, three = (a_promise(reservation_id=UUID(int=n), buyer=PLAIN.name) for n in range(3))
    assert list(reservation_problems(happened(), [one, two])) == []
    assert list(reservation_problems(happened(), [one, two, three])) == [
        "reservations hold 135000000 of the 400000000 of Plain Lending"
    ]
    desk = a_promise(buyer=VETERANS.name)
    assert list(reservation_problems(happened(), [one, desk])) == []
    assert list(reservation_problems(happened(), [desk, desk])) == [
        "2 reservations hold room of Veterans First, which takes 2 calls"
    ]
    assert "5 reservations wait" in next(reservation_problems(happened(), [one] * 5))


def test_money_that_a_buyer_takes_back_later_is_no_fault_of_a_reservation() -> None:
    one, two, three = (a_promise(reservation_id=UUID(int=n), buyer=PLAIN.name) for n in range(3))
    before = happened()
    assert list(reservation_problems(before, [one, two])) == []
    before.cash["back"] = Cash(party=PLAIN.name, amount_micros=-45_000_000, reference="back")
    assert list(reservation_problems(before, [one, two])) == []
    assert list(reservation_problems(before, [one, two, three])) == [
        "reservations hold 135000000 of the 355000000 of Plain Lending"
    ]


def test_a_call_that_nobody_answers_while_a_reservation_waits() -> None:
    refused = ringing(PLAIN.name, rung=(), places=())
    assert "keeps room of Veterans First free" in next(
        kept_out_problems(happened(refused), refused, [a_promise()])
    )
    assert not list(
        kept_out_problems(happened(refused), replace(refused, publisher=SOUTH.name), [a_promise()])
    )
