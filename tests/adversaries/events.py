"""What happened in a play of the suite, as the parties saw it: what the accountant is given. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What the house bid a publisher for a call of `caller`."""

    publisher: str
    reservation_id: UUID
    caller: str
    payout_micros: int
    minimum_ms: int


@dataclass(frozen=True, kw_only=True)
class BidMade:
    """What a bidder answered for a call."""

    buyer: str
    bid_micros: int
    minimum_ms: int


@dataclass(kw_only=True)
class CallSeen:
    """One call: who sent it, what was known, who was rung, and how long the telephones say it lasted."""

    call_id: UUID
    publisher: str
    caller: str
    """E.164; empty when the caller withheld the number."""
    facts: Mapping[str, str]
    """What the publisher's ping and the caller said; what the caller said goes first."""
    rung: tuple[str, ...] = ()
    """Buyers whose telephones rang."""
    claimed: Promise | None = None
    """The promise that the house says the call came on."""
    bids: Mapping[str, BidMade] = field(default_factory=dict)
    """The bids that the house had for this call, by buyer."""
    answered_by: str | None = None
    connected_ms: int = 0
    """By the buyer's own watch."""
    over: bool = False
    fell_back: bool = False
    """The house decided without its database."""


@dataclass(frozen=True, kw_only=True)
class Cash:
    """Money that really changed hands, once: positive to the house, negative from it."""

    party: str
    """A buyer or a publisher, by name."""
    amount_micros: int
    reference: str


@dataclass(kw_only=True)
class Happened:
    """Everything of one play."""

    calls: dict[UUID, CallSeen] = field(default_factory=dict)
    promises: list[Promise] = field(default_factory=list)
    cash: dict[str, Cash] = field(default_factory=dict)
    """By reference."""
    credits: dict[UUID, int] = field(default_factory=dict)
    """What the house ruled to give back to the buyer, by call, in micros."""
    claw_backs: dict[UUID, int] = field(default_factory=dict)
    """What its publisher gives back for it."""
    sales: dict[UUID, dict[str, int]] = field(default_factory=dict)
    """The newest amount that a buyer reported under each id and the house took, by call."""
