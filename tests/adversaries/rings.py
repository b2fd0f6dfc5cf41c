"""Says who may be rung, and what reservations may hold, from contracts and events alone. Shares no code with the house.

Asked at the moment of a ring or a ping.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator

from tests.adversaries.bidders import bid_problems, question_problems
from tests.adversaries.contracts import (
    AREA_CODES,
    LISTED_SECONDS,
    LONGEST_ABROAD_SECONDS,
    OPEN_MOST,
    ROOM_SHARE_PERCENT,
    SOUTH,
    SUPPRESSED,
    ZIP_CODES,
    BuyerContract,
)
from tests.adversaries.dues import CONTRACTS, due_of
from tests.adversaries.events import CallSeen, Happened, Promise, Question
from tests.adversaries.places import is_listed, is_rung


def ring_problems(happened: Happened, call: CallSeen, questions: Iterable[Question]) -> Iterator[str]:
    """Judge who rings for `call`, the newest call, and who was asked for it."""
    for name in call.rung:
        yield from _buyer_problems(happened, call, CONTRACTS[name])
    for place in call.places:
        if not is_rung(place):
            yield f"{place} was rung: {call}"
    yield from _abroad_problems(happened)
    yield from question_problems(happened, questions)
    yield from bid_problems(happened, call)


def states_of(call: CallSeen) -> frozenset[str]:
    """The states that the facts name. A buyer needs a licence in each: nobody knows which one is true."""
    named = {call.facts.get("state", ""), ZIP_CODES.get(call.facts.get("zip", ""), "")} - {""}
    if named:
        return frozenset(named)
    return frozenset({AREA_CODES[call.caller[2:5]]}) if call.caller[2:5] in AREA_CODES else frozenset()


def may_take(contract: BuyerContract, call: CallSeen) -> bool:
    """Whether the buyer has the licences for a call, and does not suppress its caller."""
    licensed = bool(states_of(call)) and states_of(call) <= set(contract.states)
    return licensed and (contract.bids or call.caller != SUPPRESSED)


def _buyer_problems(happened: Happened, call: CallSeen, contract: BuyerContract) -> Iterator[str]:
    name = contract.name
    if not may_take(contract, call):
        yield f"{name} was rung for {sorted(states_of(call)) or 'nowhere'}, or a caller it suppresses: {call}"
    at_once = [one for one in happened.calls.values() if one.keeps_busy(name)]
    if len(at_once) > contract.cap:
        yield f"{name} has {len(at_once)} calls at once and takes {contract.cap}"
    if contract.deposit_micros is not None:
        yield from _funds_problem(happened, contract, at_once)


def _funds_problem(
    happened: Happened, contract: BuyerContract, at_once: Collection[CallSeen]
) -> Iterator[str]:
    deposited = sum(one.amount_micros for one in happened.cash.values() if one.party == contract.name)
    spent = sum(
        due_of(one) for one in happened.calls.values() if one.over and one.answered_by == contract.name
    )
    spent -= sum(
        happened.credits.get(one.call_id, 0)
        for one in happened.calls.values()
        if one.answered_by == contract.name
    )
    dearest = max(rule.price_micros for rule in contract.rules)
    needs = spent + dearest * len(at_once) - _unpaid_duplicates(happened, contract.name)
    if needs > deposited:
        yield f"{contract.name} was rung with {deposited} paid in, {needs} spent or at risk"


def _unpaid_duplicates(happened: Happened, buyer: str) -> int:
    """What calls would cost that may not be billed because another call of their caller was, whoever answered that."""
    by_caller: dict[str, list[CallSeen]] = defaultdict(list)
    for one in happened.calls.values():
        if one.caller and (due_of(one) if one.over else one.rung):
            by_caller[one.caller].append(one)
    return sum(_unpaid_of_caller(calls, buyer) for calls in by_caller.values())


def _unpaid_of_caller(calls: Collection[CallSeen], buyer: str) -> int:
    dearest = max(rule.price_micros for rule in CONTRACTS[buyer].rules)
    own = [
        due_of(one) if one.over else dearest
        for one in calls
        if one.answered_by == buyer or one.keeps_busy(buyer)
    ]
    if not own:
        return 0
    return sum(own) - (max(own) if len(own) == len(calls) else 0)


def _abroad_problems(happened: Happened) -> Iterator[str]:
    """For each buyer: what is rung at listed numbers takes an hour until it is over, then what was talked."""
    seconds: Counter[str] = Counter()
    for call in happened.calls.values():
        for name, place in zip(call.rung, call.places, strict=True):
            if is_listed(place):
                talked = -(-call.connected_ms // 1000) if call.answered_by == name else 0
                seconds[name] += talked if call.over else LONGEST_ABROAD_SECONDS
    for name, used in seconds.items():
        if used > LISTED_SECONDS:
            yield f"{name} has {used} s of talk abroad, of {LISTED_SECONDS} a day"


def reservation_problems(happened: Happened, waiting: Collection[Promise]) -> Iterator[str]:
    """Judge what South's reservations hold on which no call has come.

    Money is looked at when a reservation is made: a buyer that takes some back later puts nobody in the wrong.
    """
    new = {one.buyer for one in waiting if one.reservation_id not in happened.reserved}
    happened.reserved.update(one.reservation_id for one in waiting)
    if len(waiting) > OPEN_MOST:
        yield f"{len(waiting)} reservations wait for their calls, of at most {OPEN_MOST}"
    for name, count in Counter(one.buyer for one in waiting).items():
        contract = CONTRACTS[name]
        if count > max(1, contract.cap * ROOM_SHARE_PERCENT // 100):
            yield f"{count} reservations hold room of {name}, which takes {contract.cap} calls"
        paid_in = sum(one.amount_micros for one in happened.cash.values() if one.party == name)
        held = count * max(rule.price_micros for rule in contract.rules)
        by_deposit = contract.deposit_micros is not None and name in new
        if by_deposit and count > 1 and held * 100 > paid_in * ROOM_SHARE_PERCENT:
            yield f"reservations hold {held} of the {paid_in} of {name}"


def kept_out_problems(happened: Happened, call: CallSeen, waiting: Collection[Promise]) -> Iterator[str]:
    """A call of another publisher goes before a reservation on which nobody has called."""
    if call.rung or call.publisher == SOUTH.name or call.fell_back:
        return
    for promise in waiting:
        contract = CONTRACTS[promise.buyer]
        busy = sum(one.keeps_busy(contract.name) for one in happened.calls.values())
        by_invoice = contract.deposit_micros is None and not contract.bids
        if by_invoice and may_take(contract, call) and busy < contract.cap:
            yield f"nobody was rung, while {promise} keeps room of {contract.name} free: {call}"
