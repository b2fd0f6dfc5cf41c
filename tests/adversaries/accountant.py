"""Says what each party may have at most, from contracts and events alone. Shares no code with the house.

Judges the books when all calls of a play are over. `rings.py` says who may be rung.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from tests.adversaries.contracts import (
    CARRIER_INCREMENT_SECONDS,
    DISPUTES_FLOOR,
    DISPUTES_PERCENT,
    FEE_PPM,
    PUBLISHERS,
    SHARE_OF_SOUTH,
    PublisherContract,
)
from tests.adversaries.dues import CONTRACTS, due_of
from tests.adversaries.events import CallSeen, Happened

CENT = 10_000
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
    disputed: Mapping[str, int] = field(default_factory=dict)
    """By buyer: what of its charges is disputed and not decided."""
    carrier_cost: int = 0
    fees: int = 0
    """Of the platform."""
    fractions: tuple[str, ...] = ()
    """Postings of buyers and publishers that are not in whole cents."""
    untold: tuple[str, ...] = ()
    """Accounts whose balance, as the house tells it, is not what was posted."""
    unsealed: int = 0
    """Transactions that are in no sealed batch."""
    findings: tuple[str, ...] = ()
    """What `ledger verify` found."""


def entitled_of(call: CallSeen, charged_micros: int) -> int:
    """What the publisher earns for a call that its buyer paid so much for.

    A promise holds for the call that came on it, from the minimum on that the publisher heard; when the buyer pays less
    than was expected, its share of what the buyer pays. All others earn by the terms.
    """
    promise = call.claimed
    if promise is None or call.connected_ms < promise.minimum_ms:
        return min(PAYOUTS[call.publisher], charged_micros)
    share = charged_micros * SHARE_OF_SOUTH // 100
    return min(promise.payout_micros, share - share % CENT)


def book_problems(happened: Happened, books: Books) -> list[str]:
    """Judge the books of a play whose calls are all over and settled."""
    return [
        *_call_problems(happened, books),
        *_caller_problems(happened, books),
        *_sale_problems(happened),
        *_dispute_problems(happened, books),
        *_balance_problems(happened, books),
        *_cost_problems(happened, books),
        *books.fractions,
        *books.untold,
        *([f"{books.unsealed} transactions are not sealed"] if books.unsealed else ()),
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
        credited = max((happened.credited_before.get(one, 0) for one in paid), default=0)
        later = [one for one in calls if one.number > credited and due_of(one) and not charges[one.call_id]]
        if later and not kept:
            yield f"{later} is not paid for, and all before of {caller} was given back"


def _sale_problems(happened: Happened) -> Iterator[str]:
    for call_id, sales in happened.sales.items():
        standing = [one for one in sales.values() if one]
        if len(standing) > 1:
            yield f"{len(standing)} sales of one call: {happened.calls[call_id]}"


def _dispute_problems(happened: Happened, books: Books) -> Iterator[str]:
    """Each call is disputed once, each buyer disputes so much, and what is open is on its account."""
    for name in CONTRACTS:
        own = [one for one in happened.calls.values() if one.answered_by == name]
        states = [state for one in own for state in happened.disputes.get(one.call_id, ())]
        paid = sum(any(books.charged.get(one.call_id, {}).values()) for one in own)
        most = max(paid * DISPUTES_PERCENT // 100, DISPUTES_FLOOR)
        counted = sum(state != "accepted" for state in states)
        if counted > most:
            yield f"{name} has {counted} disputes open or refused, and may have {most}"
        exposed = sum(
            books.charged.get(one.call_id, {}).get(name, 0)
            for one in own
            if "open" in happened.disputes.get(one.call_id, ())
        )
        if books.disputed.get(name, 0) != exposed:
            yield f"{name} disputes {exposed}, and its account says {books.disputed.get(name, 0)}"
    for call_id, states in happened.disputes.items():
        if len(states) > 1:
            yield f"a call was disputed again: {states} {happened.calls[call_id]}"


def _balance_problems(happened: Happened, books: Books) -> Iterator[str]:
    """Each party's balance is its calls, sales, credits and cash, and nothing else."""
    cash: Counter[str] = Counter()
    for one in happened.cash.values():
        cash[one.party] += one.amount_micros
    if books.cash != sum(cash.values()):
        yield f"the house books {books.cash} of cash, and {sum(cash.values())} changed hands"
    for name in CONTRACTS:
        yield from _buyer_balance_problems(happened, books, name, cash[name])
    for contract in PUBLISHERS:
        yield from _publisher_balance_problems(happened, books, contract, cash[contract.name])


def _buyer_balance_problems(happened: Happened, books: Books, name: str, paid_in: int) -> Iterator[str]:
    own = [one.call_id for one in happened.calls.values() if one.answered_by == name]
    charges = {call_id: books.charged.get(call_id, {}).get(name, 0) for call_id in own}
    for call_id, charge in charges.items():
        if happened.credits.get(call_id, 0) > charge:
            yield f"{name} was credited {happened.credits[call_id]} for a call that cost {charge}"
    sold = sum(sum(happened.sales.get(call_id, {}).values()) for call_id in own)
    back = sum(happened.credits.get(call_id, 0) for call_id in own)
    right = sum(charges.values()) + sold - back - paid_in
    if books.owed.get(name, 0) != right:
        yield f"{name} owes {books.owed.get(name, 0)}, must be {right}"
    taken_back = any(one.party == name and one.taken_back for one in happened.cash.values())
    if CONTRACTS[name].deposit_micros is not None and right > 0 and not (sold or taken_back):
        yield f"{name} pays in advance and owes {right}"


def _publisher_balance_problems(
    happened: Happened, books: Books, contract: PublisherContract, paid: int
) -> Iterator[str]:
    calls = [call for call in happened.calls.values() if call.publisher == contract.name]
    earned = sum(books.paid_out.get(call.call_id, 0) for call in calls)
    sales = sum(
        min(contract.sale_micros or 0, amount)
        for call in calls
        for amount in happened.sales.get(call.call_id, {}).values()
    )
    back = sum(happened.claw_backs.get(call.call_id, 0) for call in calls)
    right = earned + sales - back + paid
    if -books.owed.get(contract.name, 0) != right:
        yield f"{contract.name} is owed {-books.owed.get(contract.name, 0)}, must be {right}"


def _cost_problems(happened: Happened, books: Books) -> Iterator[str]:
    """The carrier takes what its rate was when a call came; the platform its share of what buyers keep paying."""
    carrier = sum(_carrier_cost(one) for one in happened.calls.values())
    if books.carrier_cost != carrier:
        yield f"the carrier gets {books.carrier_cost}, must be {carrier}"
    fees = sum(
        _half_up(max(sum(charges.values()) - happened.credits.get(call_id, 0), 0) * FEE_PPM, 1_000_000)
        for call_id, charges in books.charged.items()
    )
    if books.fees != fees:
        yield f"the platform gets {books.fees}, must be {fees}"


def _carrier_cost(call: CallSeen) -> int:
    increments = max(-(-call.carrier_ms // (CARRIER_INCREMENT_SECONDS * 1000)), 1)
    return _half_up(call.carrier_rate_micros * increments * CARRIER_INCREMENT_SECONDS, 60)


def _half_up(amount: int, by: int) -> int:
    return (2 * amount + by) // (2 * by)
