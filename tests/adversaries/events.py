"""What happened in a play of the suite, as the parties saw it: what the accountant is given. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class BidMade:
    """What a bidder answered for a call."""

    buyer: str
    bid_micros: int
    minimum_ms: int
    dial: str | None = None
    """Where it wants the call."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """The house asked a bidder: what a call is worth (ping), or to take it (post)."""

    buyer: str
    is_post: bool
    shows_caller: bool
    answer: BidMade | None
    """Of a ping."""
    takes: bool = True
    """Of a post."""


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What the house bid a publisher for a call of `caller`."""

    publisher: str
    reservation_id: UUID
    caller: str
    payout_micros: int
    minimum_ms: int
    buyer: str
    """Whose room and money wait for the call."""
    bids: Mapping[str, BidMade]
    """The bids that the house had for it, by buyer."""


@dataclass(kw_only=True)
class CallSeen:
    """One call: who sent it, what was known, who was rung, and how long the telephones say it lasted."""

    call_id: UUID
    number: int
    """Which call of the play it is, from 1."""
    publisher: str
    caller: str
    """E.164; empty when the caller withheld the number."""
    facts: Mapping[str, str]
    """What the publisher's ping and the caller said; what the caller said goes first."""
    rung: tuple[str, ...] = ()
    """Buyers whose telephones rang, together."""
    places: tuple[str, ...] = ()
    """Where each of them rang: what Asterisk was to dial."""
    claimed: Promise | None = None
    """The promise that the house says the call came on."""
    bids: Mapping[str, BidMade] = field(default_factory=dict)
    """The bids by which buyers were rung, by buyer."""
    outbid: Mapping[str, BidMade] = field(default_factory=dict)
    """The other bids for this call."""
    late: tuple[str, ...] = ()
    """Bidders whose answers the house says it did not have when the time for bids was over, which it was."""
    posted: tuple[str, ...] = ()
    """Bidders that it was handed over to; who does not ring then would not take it, or not at a place that is rung."""
    refused_by: tuple[str, ...] = ()
    """Bidders that would not take it when it was handed over."""
    answered_by: str | None = None
    connected_ms: int = 0
    """By the buyer's own watch."""
    carrier_ms: int = 0
    """From the answer of the caller's leg to its end, by the carrier's own watch."""
    carrier_rate_micros: int = 0
    """What the carrier took for a minute when the call came in."""
    over: bool = False
    fell_back: bool = False
    """The house decided without its database."""

    def keeps_busy(self, buyer: str) -> bool:
        """Whether a telephone of this buyer rings or is in use for the call."""
        if self.over or buyer not in self.rung:
            return False
        return self.answered_by in (None, buyer)


@dataclass(frozen=True, kw_only=True)
class Cash:
    """Money that really changed hands, once: positive to the house, negative from it."""

    party: str
    """A buyer or a publisher, by name."""
    amount_micros: int
    reference: str
    taken_back: bool = False
    """By the payer's bank or payment provider, whatever the balance was."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What the house had seen of a bidder when it counted last."""

    lasted_ms: tuple[int, ...] = ()
    """How long its newest answered calls were."""
    won: int = 0
    won_afresh: int = 0
    """Without calls of callers who had called before."""
    refused: int = 0
    paid: int = 0
    """How many of its wins it paid for."""


@dataclass(kw_only=True)
class Happened:
    """Everything of one play."""

    calls: dict[UUID, CallSeen] = field(default_factory=dict)
    promises: list[Promise] = field(default_factory=list)
    cash: dict[str, Cash] = field(default_factory=dict)
    """By reference."""
    credits: dict[UUID, int] = field(default_factory=dict)
    """What the house ruled to give back to the buyer, by call, in micros."""
    credited_before: dict[UUID, int] = field(default_factory=dict)
    """How many calls there were when a call was credited last."""
    claw_backs: dict[UUID, int] = field(default_factory=dict)
    """What its publisher gives back for it."""
    disputes: dict[UUID, list[str]] = field(default_factory=dict)
    """By call: open, accepted or refused, in the order in which its disputes were opened."""
    sales: dict[UUID, dict[str, int]] = field(default_factory=dict)
    """The newest amount that a buyer reported under each id and the house took, by call."""
    judged: dict[str, Judged] = field(default_factory=dict)
    """By bidder."""
    paying_in_advance: set[str] = field(default_factory=set)
    """Buyers whom an admin has pay in advance though their contract is by invoice: their funds bound their bids."""
    waiting: list[Promise] = field(default_factory=list)
    """The promises on which no call had come when the newest call was routed."""
    reserved: set[UUID] = field(default_factory=set)
    """The reservations that were judged against what the buyer had when they were made."""
