"""What the parties of the suite's market agreed on. Plain values; nothing of the house's own code.

The accountant judges by these, and `house.py` writes the same into the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DOLLAR = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Pays `price_micros` for a call connected at least `minimum_ms`, if every fact of `when` is so."""

    price_micros: int
    minimum_ms: int
    when: Mapping[str, str] = field(default_factory=dict)

    def pays(self, connected_ms: int, facts: Mapping[str, str]) -> bool:
        return connected_ms >= self.minimum_ms and all(
            facts.get(name) == at for name, at in self.when.items()
        )


@dataclass(frozen=True, kw_only=True)
class BuyerContract:
    """One buyer with one target. The first rule that pays is what a call costs it."""

    name: str
    states: tuple[str, ...]
    rules: tuple[Rule, ...]
    cap: int
    """Calls at once."""
    deposit_micros: int | None = None
    """Paid in advance, with no credit; None: pays by invoice."""
    bids: bool = False
    """Whether it is asked for bids in an auction; its rules hold when it wins none."""
    sale_micros: int | None = None
    """Paid on top of a call that becomes a sale, unless another amount is reported; at most one sale a call."""

    def price_micros(self, connected_ms: int, facts: Mapping[str, str]) -> int:
        return next((rule.price_micros for rule in self.rules if rule.pays(connected_ms, facts)), 0)


@dataclass(frozen=True, kw_only=True)
class PublisherContract:
    """One publisher with one number; earns `payout_micros` for each call that its buyer pays for."""

    name: str
    number: str
    payout_micros: int
    sale_micros: int | None = None
    """Earned on top of a call that becomes a sale, and never more than the sale brings."""


PLAIN = BuyerContract(
    name="Plain Lending",
    states=("OH", "CA"),
    rules=(Rule(price_micros=45 * DOLLAR, minimum_ms=60_000),),
    cap=16,
    deposit_micros=400 * DOLLAR,
)
VETERANS = BuyerContract(
    name="Veterans First",
    states=("OH",),
    rules=(
        Rule(price_micros=80 * DOLLAR, minimum_ms=120_000, when={"veteran": "yes"}),
        Rule(price_micros=45 * DOLLAR, minimum_ms=60_000),
    ),
    cap=2,
    sale_micros=200 * DOLLAR,
)
NARROW = BuyerContract(
    name="One Desk",
    states=("OH", "NY"),
    rules=(Rule(price_micros=45 * DOLLAR, minimum_ms=60_000),),
    cap=1,
    deposit_micros=45 * DOLLAR,
)
HONEST_BIDDER = BuyerContract(
    name="Honest Bids",
    states=("OH",),
    rules=(Rule(price_micros=30 * DOLLAR, minimum_ms=60_000),),
    cap=5,
    bids=True,
)
GREEDY_BIDDER = BuyerContract(
    name="Greedy Bids",
    states=("OH",),
    rules=(Rule(price_micros=30 * DOLLAR, minimum_ms=60_000),),
    cap=5,
    bids=True,
)
FARAWAY_BIDDER = BuyerContract(
    name="Faraway Bids",
    states=("OH",),
    rules=(Rule(price_micros=30 * DOLLAR, minimum_ms=60_000),),
    cap=5,
    bids=True,
)
BUYERS = (HONEST_BIDDER, GREEDY_BIDDER, FARAWAY_BIDDER, VETERANS, NARROW, PLAIN)
"""In the order in which they are rung."""

NORTH = PublisherContract(
    name="North Ads", number="+18005550101", payout_micros=30 * DOLLAR, sale_micros=100 * DOLLAR
)
SOUTH = PublisherContract(name="South Ads", number="+18005550102", payout_micros=30 * DOLLAR)
PUBLISHERS = (NORTH, SOUTH)
SHARE_OF_SOUTH = 80
"""Per cent of the revenue that the house bids for a call that South pings; North has no key."""
OPEN_MOST = 4
"""Reservations of South on which no call has come, at once."""
ROOM_SHARE_PERCENT = 25
"""Of one buyer's calls at once and money, that reservations of South may hold; one is always allowed."""
PINGS_UNJUDGED, PINGS_PER_CALL = 100, 50
"""Above so many pings, and so many for each call, one reservation may be open a day after South was warned."""
RING_TOGETHER = 2
"""Buyers that are not asked for bids ring so many at once."""

FEE_PPM = 20_000
"""Millionths of what a buyer pays for a call, that the platform takes."""
CARRIER_INCREMENT_SECONDS = 6
CARRIER_RATE_MICROS = 6_000
"""What the carrier takes for a minute, until it takes something else."""

BIDS_WITHIN_MS = 500
"""Bids that come later do not count."""
HIGHEST_BID_MICROS, LONGEST_MINIMUM_MS = 1_000 * DOLLAR, 600_000
"""Bids above are refused."""
MOST_REFUSED_PERCENT, LEAST_PAID_PERCENT = 60, 25
"""Of 20 wins: who refuses more, or does not take the call, or pays less of what its bids were worth, rests."""

HOME_AREAS = ("212", "415", "614", "800")
"""Whose numbers may be rung, of those that parties name."""
LISTED_ABROAD, LISTED_SECONDS = "+1242", 7_200
"""Numbers abroad that may be rung for so long a day, for one target; each call takes an hour until it is over."""
LONGEST_ABROAD_SECONDS = 3_600
DESK = "sip:desk@127.0.0.1:5080"
"""Where every buyer's own telephone is."""

DISPUTES_PERCENT, DISPUTES_FLOOR = 20, 3
"""Of its paid calls, a buyer may have so many disputes open or refused; so many always."""

AREA_CODES = {"212": "NY", "614": "OH", "415": "CA"}
ZIP_CODES = {"43215": "OH", "94105": "CA", "10001": "NY"}

SUPPRESSED = "+16145559999"
"""In the books of every buyer that is not asked for bids: none of them may be rung for this caller."""
