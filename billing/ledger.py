"""Double entry: accounts, postings, and the transaction a settled call makes. Pure.

An amount above zero is owed to us or spent by us (receivable, payout, cost); below zero it is earned or owed by us
(revenue, payable). The amounts of one transaction sum to zero; the database refuses any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

SETTLEMENT = "settlement"
REVENUE = "revenue"
PAYOUT = "payout"
CARRIER_COST = "carrier_cost"
PING_COST = "ping_cost"
PLATFORM_FEE = "platform_fee"
PLATFORM_PAYABLE = "platform:payable"
CASH = "cash"
"""What came in and went out: positive is ours."""
DISPUTED = "disputed"
"""Stands against the buyers' accounts of exposure: what they were billed and dispute, until it is decided."""

NOTHING: Mapping[str, int] = {}


@dataclass(frozen=True, kw_only=True)
class Posting:
    """One account's share of a transaction, in millionths of a dollar; never zero."""

    account: str
    amount_micros: int


class Unbalanced(ValueError):
    """Postings that do not sum to zero."""


def buyer_receivable(buyer_id: int) -> str:
    return f"buyer:{buyer_id}:receivable"


def buyer_wallet(buyer_id: int) -> str:
    """What a buyer paid in advance: below zero, because we owe it in calls."""
    return f"buyer:{buyer_id}:wallet"


def buyer_disputed(buyer_id: int) -> str:
    """What a buyer disputes and nobody has decided yet. It is owed all the same."""
    return f"buyer:{buyer_id}:disputed"


def buyer_account(buyer_id: int, *, prepaid: bool) -> str:
    """What a buyer's calls are charged to."""
    return buyer_wallet(buyer_id) if prepaid else buyer_receivable(buyer_id)


def publisher_payable(publisher_id: int) -> str:
    return f"publisher:{publisher_id}:payable"


def carrier_payable(carrier_name: str) -> str:
    return f"carrier:{carrier_name}:payable"


def bidder_payable(target_id: int) -> str:
    """What we owe for being allowed to ask the bidder behind a target."""
    return f"bidder:{target_id}:payable"


def moved(*, to: str, from_: str, amount_micros: int) -> tuple[Posting, ...]:
    """Return the two postings that move an amount; none when there is nothing to move."""
    if amount_micros == 0:
        return ()
    return (
        Posting(account=to, amount_micros=amount_micros),
        Posting(account=from_, amount_micros=-amount_micros),
    )


def settlement_postings(
    *,
    buyer_id: int | None,
    publisher_id: int | None,
    carrier_name: str | None,
    price_micros: int,
    payout_micros: int,
    carrier_cost_micros: int,
    outbound_costs: Mapping[str, int] = NOTHING,
    platform_fee_micros: int = 0,
    prepaid: bool = False,
) -> tuple[Posting, ...]:
    """Return the postings of one settled call; zero amounts make none.

    `carrier_cost_micros` is the inbound leg's; `outbound_costs` are those of the legs we dialled, by carrier.
    Raises ValueError when an amount is negative or nobody is there to owe it.
    """
    _owed("price", price_micros, buyer_id)
    _owed("payout", payout_micros, publisher_id)
    _owed("carrier cost", carrier_cost_micros, carrier_name)
    buyer = buyer_account(buyer_id or 0, prepaid=prepaid)
    return balanced(
        (
            *moved(to=buyer, from_=REVENUE, amount_micros=price_micros),
            *moved(to=PAYOUT, from_=publisher_payable(publisher_id or 0), amount_micros=payout_micros),
            *_carrier_postings({**outbound_costs}, carrier_name, carrier_cost_micros),
            *moved(to=PLATFORM_FEE, from_=PLATFORM_PAYABLE, amount_micros=platform_fee_micros),
        )
    )


def _carrier_postings(
    costs: dict[str, int], inbound_name: str | None, inbound_micros: int
) -> Iterator[Posting]:
    """Yield the cost once, and what each carrier is owed of it."""
    if inbound_micros:
        costs[inbound_name or ""] = costs.get(inbound_name or "", 0) + inbound_micros
    total = sum(costs.values())
    if total:
        yield Posting(account=CARRIER_COST, amount_micros=total)
    for name, cost in sorted(costs.items()):
        if cost:
            yield Posting(account=carrier_payable(name), amount_micros=-cost)


def ping_cost_postings(cost_micros_by_target: Mapping[int, int]) -> tuple[Posting, ...]:
    """Return the postings of what pings cost, by target; each above zero."""
    total = sum(cost_micros_by_target.values())
    owed = (
        Posting(account=bidder_payable(target_id), amount_micros=-cost)
        for target_id, cost in sorted(cost_micros_by_target.items())
    )
    return balanced((Posting(account=PING_COST, amount_micros=total), *owed))


def balanced(postings: Sequence[Posting]) -> tuple[Posting, ...]:
    """Return the postings. Raises Unbalanced when they do not sum to zero."""
    difference = sum(posting.amount_micros for posting in postings)
    if difference:
        raise Unbalanced(f"postings are out of balance by {difference} micros")
    return tuple(postings)


def _owed(what: str, amount_micros: int, party: object) -> None:
    if amount_micros < 0:
        raise ValueError(f"a negative {what}: {amount_micros} micros")
    if amount_micros and party is None:
        raise ValueError(f"a {what} of {amount_micros} micros that nobody owes")
