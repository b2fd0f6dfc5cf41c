"""Says what each party may have at most, from contracts and events alone. Shares no code with the house.

`ring_problems` judges who was rung at the moment of the ring; `book_problems` judges the books when calls are over.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from tests.adversaries.contracts import (
    AREA_CODES,
    BUYERS,
    PUBLISHERS,
    SHARE_OF_SOUTH,
    SUPPRESSED,
    ZIP_CODES,
    BuyerContract,
)
from tests.adversaries.events import CallSeen, Happened

CONTRACTS = {one.name: one for one in BUYERS}
PAYOUTS = {one.name: one.payout_micros for one in PUBLISHERS}


@dataclass(frozen=True, kw_only=True)
class Books:
    """What the house's ledger says. Micros; charges and payouts by call are those of the call's settlement."""

    charged: Mapping[UUID, Mapping[str, int]]
    """By call and buyer."""
    paid_out: Mapping[UUID, int]
    """By call."""
    owed: Mapping[str, int] = field(default_factory=dict)
    """By party: what a buyer owes (receivable and wallet) or, below zero, what it or a publisher is owed."""
    cash: int = 0
    findings: tuple[str, ...] = ()
    """What `ledger verify` found."""


# --- who may be rung -----------------------------------------------------------------------------------------


def states_of(call: CallSeen) -> frozenset[str]:
    """The states that the facts name. A buyer needs a licence in each: nobody knows which one is true."""
    named = {call.facts.get("state", ""), ZIP_CODES.get(call.facts.get("zip", ""), "")} - {""}
    if named:
        return frozenset(named)
    return frozenset({AREA_CODES[call.caller[2:5]]}) if call.caller[2:5] in AREA_CODES else frozenset()


def ring_problems(happened: Happened, call: CallSeen) -> Iterator[str]:
    """Judge who rings for `call`, the newest call."""
    for name in call.rung:
        contract = CONTRACTS[name]
        unlicensed = states_of(call) - frozenset(contract.states)
        if unlicensed or not states_of(call):
            yield f"{name} was rung without a licence for {sorted(unlicensed) or 'nowhere'}: {call}"
        if call.caller == SUPPRESSED and not contract.bids:
            yield f"{name} was rung for a caller in its suppression list: {call}"
        at_once = [one for one in happened.calls.values() if not one.over and name in one.rung]
        if len(at_once) > contract.cap:
            yield f"{name} has {len(at_once)} calls at once and takes {contract.cap}"
        if contract.deposit_micros is not None:
            yield from _funds_problem(happened, contract, at_once)


def _funds_problem(happened: Happened, contract: BuyerContract, at_once: Iterable[CallSeen]) -> Iterator[str]:
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
    needs = spent + dearest * sum(1 for _ in at_once)
    duplicates = _unpaid_duplicates(happened, contract.name)
    if needs - duplicates > deposited:
        yield f"{contract.name} was rung with {deposited} deposited, {needs - duplicates} spent or at risk"


def _unpaid_duplicates(happened: Happened, buyer: str) -> int:
    """What calls cost that are not billed because an earlier call of the caller was."""
    dues: dict[str, list[int]] = defaultdict(list)
    for one in happened.calls.values():
        if one.over and one.caller and one.answered_by == buyer:
            dues[one.caller].append(due_of(one))
    return sum(sum(each) - max(each) for each in dues.values())


# --- what is owed --------------------------------------------------------------------------------------------


def due_of(call: CallSeen) -> int:
    """What the buyer that answered owes for the call, if nobody paid for this caller before."""
    if call.answered_by is None:
        return 0
    bid = call.bids.get(call.answered_by)
    if bid is not None:
        return bid.bid_micros if call.connected_ms >= bid.minimum_ms else 0
    return CONTRACTS[call.answered_by].price_micros(call.connected_ms, call.facts)


def entitled_of(call: CallSeen, charged_micros: int) -> int:
    """What the publisher earns for a call that its buyer paid so much for.

    A promise holds for the call that came on it, from the minimum on that the publisher heard; when the buyer pays less
    than was expected, its share of what the buyer pays. All others earn by the terms.
    """
    promise = call.claimed
    if promise is None or call.connected_ms < promise.minimum_ms:
        return min(PAYOUTS[call.publisher], charged_micros)
    return min(promise.payout_micros, charged_micros * SHARE_OF_SOUTH // 100)


def book_problems(happened: Happened, books: Books) -> list[str]:
    """Judge the books of a play whose calls are all over and settled."""
    return [
        *_call_problems(happened, books),
        *_caller_problems(happened, books),
        *_sale_problems(happened),
        *_balance_problems(happened, books),
        *books.findings,
    ]


def _call_problems(happened: Happened, books: Books) -> Iterator[str]:
    for call_id, call in happened.calls.items():
        charged = dict(books.charged.get(call_id, {}))
        amount = charged.pop(call.answered_by or "", 0)
        if any(charged.values()):
            yield f"{charged} were charged for a call they did not have: {call}"
        if amount not in (0, due_of(call)):
            yield f"{call.answered_by} was charged {amount}, not {due_of(call)}: {call}"
        paid_out = books.paid_out.get(call_id, 0)
        if paid_out > max(amount, 0):
            yield f"{call.publisher} got {paid_out} for a call that brought {amount}: {call}"
        if amount and paid_out != entitled_of(call, amount):
            yield f"{call.publisher} got {paid_out}, not {entitled_of(call, amount)}: {call}"


def _caller_problems(happened: Happened, books: Books) -> Iterator[str]:
    """Of the calls of one caller one is paid for, if any is due; those of withheld callers each.

    A call that was given back whole counts no more: the next one of its caller is paid for again.
    """
    by_caller: dict[str, list[CallSeen]] = defaultdict(list)
    for call in happened.calls.values():
        by_caller[call.caller or str(call.call_id)].append(call)
    for caller, calls in by_caller.items():
        charges = {one.call_id: sum(books.charged.get(one.call_id, {}).values()) for one in calls}
        paid = [one for one, amount in charges.items() if amount]
        kept = [one for one in paid if happened.credits.get(one, 0) < charges[one]]
        if len(kept) > 1 or (not paid and any(due_of(one) for one in calls)):
            yield f"{len(kept)} calls of {caller} were paid for: {calls}"


def _sale_problems(happened: Happened) -> Iterator[str]:
    for call_id, sales in happened.sales.items():
        standing = [one for one in sales.values() if one]
        if len(standing) > 1:
            yield f"{len(standing)} sales of one call: {happened.calls[call_id]}"


def _balance_problems(happened: Happened, books: Books) -> Iterator[str]:
    """Each party's balance is its calls, sales, credits and cash, and nothing else."""
    cash: Counter[str] = Counter()
    for one in happened.cash.values():
        cash[one.party] += one.amount_micros
    if books.cash != sum(cash.values()):
        yield f"the house books {books.cash} of cash, and {sum(cash.values())} changed hands"
    for name, contract in CONTRACTS.items():
        own = {call.call_id for call in happened.calls.values() if call.answered_by == name}
        charged = sum(books.charged.get(call_id, {}).get(name, 0) for call_id in own)
        sold = sum(sum(happened.sales.get(call_id, {}).values()) for call_id in own)
        back = sum(happened.credits.get(call_id, 0) for call_id in own)
        for call_id in own:
            most = books.charged.get(call_id, {}).get(name, 0)
            if happened.credits.get(call_id, 0) > most:
                yield f"{name} was credited {happened.credits[call_id]} for a call that cost {most}"
        right = charged + sold - back - cash[name]
        if books.owed.get(name, 0) != right:
            yield f"{name} owes {books.owed.get(name, 0)}, must be {right}"
        if contract.deposit_micros is not None and right > 0 and not sold:
            yield f"{name} pays in advance and owes {right}"
    for one in PUBLISHERS:
        calls = [call for call in happened.calls.values() if call.publisher == one.name]
        earned = sum(books.paid_out.get(call.call_id, 0) for call in calls)
        sales = sum(
            min(one.sale_micros or 0, amount)
            for call in calls
            for amount in happened.sales.get(call.call_id, {}).values()
        )
        back = sum(happened.claw_backs.get(call.call_id, 0) for call in calls)
        right = earned + sales - back + cash[one.name]
        if -books.owed.get(one.name, 0) != right:
            yield f"{one.name} is owed {-books.owed.get(one.name, 0)}, must be {right}"
