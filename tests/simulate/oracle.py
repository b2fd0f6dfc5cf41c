"""What a call must come to, in a few lines that share nothing with billing.

A caller's calls of one cluster all go to one buyer within the campaign's window: the first of them to qualify is paid
for, whichever is settled first, so what they come to together does not depend on the order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

HOUR_MS = 3_600_000


@dataclass(frozen=True, kw_only=True)
class Terms:
    """From when on what is paid, and from how many milliseconds on."""

    live_ms: int
    minimum_ms: int
    price: int
    payout: int


@dataclass(frozen=True, kw_only=True)
class Happened:
    """One call as it was. `connected_ms` is None when the buyer was busy; the clock may step while they talk."""

    start_ms: int
    connected_ms: int | None
    state: str
    known_number: bool = True
    clock_step_ms: int = 0

    @property
    def told_ms(self) -> int | None:
        """What Asterisk's clock says of the talk, which is what is billed; never below nothing."""
        return None if self.connected_ms is None else max(0, self.connected_ms + self.clock_step_ms)

    @property
    def end_ms(self) -> int:
        return self.start_ms + 8_000 + (self.connected_ms or 0) + self.clock_step_ms


@dataclass
class Sums:
    """What must stand in the books in the end."""

    calls: int = 0
    converted: int = 0
    accounts: Counter[str] = field(default_factory=Counter)
    revenue_by_state: Counter[str] = field(default_factory=Counter)

    def add(self, other: Sums) -> None:
        self.calls += other.calls
        self.converted += other.converted
        self.accounts.update(other.accounts)
        self.revenue_by_state.update(other.revenue_by_state)

    def move(self, to: str, from_: str, amount: int) -> None:
        self.accounts.update({to: amount, from_: -amount})


def terms_at(edits: Sequence[Terms], moment_ms: int) -> Terms:
    return [one for one in edits if one.live_ms <= moment_ms][-1]


def carrier_cost(call: Happened) -> int:
    """Six seconds begun are 600 millionths, from the answer (10 ms after the start) to the end (5 ms after it)."""
    seconds = -(-max(0, call.end_ms + 5 - call.start_ms - 10) // 1000)
    return 600 * max(1, -(-seconds // 6))


def settle_cluster(
    sums: Sums, cluster: Sequence[Happened], edits: Sequence[Terms], buyer: str, publisher: str
) -> int | None:
    """Add what the calls of one caller to one buyer come to; return the price when one of them is paid for."""
    for call in cluster:
        sums.calls += 1
        sums.move("carrier_cost", "carrier:Carrier:payable", carrier_cost(call))
    terms = terms_at(edits, cluster[0].start_ms)
    paid = [one for one in cluster if one.known_number and (one.told_ms or -1) >= terms.minimum_ms]
    if not paid:
        return None
    sums.converted += 1
    sums.move(buyer, "revenue", terms.price)
    sums.move("payout", publisher, terms.payout)
    sums.revenue_by_state[paid[0].state] += terms.price
    return terms.price


def credit(sums: Sums, state: str, price: int, payout: int, share: int, buyer: str, publisher: str) -> None:
    """A dispute that is decided: `share` of the price, and the same part of the payout, half a cent upwards."""
    cent = 10_000
    back = (2 * payout * share + price * cent) // (2 * price * cent) * cent
    sums.move("revenue", buyer, share)
    sums.move(publisher, "payout", back)
    sums.revenue_by_state[state] -= share
    # What was given back whole counts as converted no more.
    sums.converted -= share == price
