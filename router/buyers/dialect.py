"""What a ping-post dialect is: four pure functions between our words and a buyer's, and a check of its settings.

A dialect never opens a socket: it makes requests as data and reads answers as data. ping_client.py carries them,
router/auction.py owns the clock. Each dialect is a folder with `dialect.py` and `cases/`; registry.py lists them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from router.domain.bidder_record import DEFAULT_LEAST_PAID_PERCENT, DEFAULT_MOST_REFUSED_PERCENT, Allowed
from router.domain.worth import DEFAULT_HIGHEST_BID_MICROS, DEFAULT_LONGEST_MINIMUM_SECONDS, Ceilings

JSON_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}

_ENCODER = json.JSONEncoder(separators=(",", ":"), sort_keys=True)


def as_json(value: object) -> bytes:
    """Spell a value in one way only, without spaces."""
    return _ENCODER.encode(value).encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Where and how one target is asked for a bid."""

    target_id: int
    dialect: str
    url: str
    secret: str = field(default="", repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    expose_caller: bool = False
    """The buyer's contract lets it see the caller's number before it has bought the call."""
    budget_per_minute: int | None = None
    cost_micros: int = 0
    """What one ping costs us."""
    enabled: bool = True
    highest_bid_micros: int = DEFAULT_HIGHEST_BID_MICROS
    longest_minimum_seconds: int = DEFAULT_LONGEST_MINIMUM_SECONDS
    """Ceilings of its bids; a stage may have lower ones."""
    most_refused_percent: int = DEFAULT_MOST_REFUSED_PERCENT
    least_paid_percent: int = DEFAULT_LEAST_PAID_PERCENT
    """When it rests for refusing, or not paying for, what it wins (router.domain.bidder_record.Allowed)."""

    @property
    def ceilings(self) -> Ceilings:
        return Ceilings(
            highest_bid_micros=self.highest_bid_micros, longest_minimum_seconds=self.longest_minimum_seconds
        )

    @property
    def allowed(self) -> Allowed:
        return Allowed(
            most_refused_percent=self.most_refused_percent, least_paid_percent=self.least_paid_percent
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What one bidder may know of the call."""

    ping_id: str
    """Of this question alone: the same call has another for each bidder. The post has the ping's."""
    campaign: str
    caller: str | None
    """E.164; None unless the contract shows it. After the sale always given, unless the caller withheld it
    or the bidder refuses as a habit."""
    caller_hash: str | None
    """HMAC-SHA256 of the number under the bidder's own secret, for its duplicate check; None without one."""
    state: str | None
    answers: Mapping[str, str]
    hops: tuple[str, ...]
    """Every house this call came through, ours last."""
    deadline_ms: int
    now: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpRequest:
    """One request as data."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpAnswer:
    """One whole answer as data; the body is bounded by the client."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Offered:
    """A bid, or at the post: the call is taken."""

    bid_micros: int = 0
    minimum_connected_ms: int | None = None
    expires_at: datetime | None = None
    dial: str | None = None
    reference: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """The buyer does not want the call: its good right."""

    detail: str


class Unreadable(ValueError):
    """An answer that cannot be right. The message is for people and says where."""


Problem = str
"""What is wrong with a dialect's settings, with its place, e.g. `settings.bid.amount: …`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    """One way of asking. Every function is pure; the readers raise Unreadable for what cannot be right."""

    name: str
    make_ping: Callable[[Endpoint, Question], HttpRequest]
    read_bid: Callable[[Endpoint, Question, HttpAnswer], Offered | Refused]
    make_post: Callable[[Endpoint, Question, str], HttpRequest | None]
    """Takes the bid's reference. None: there is no post here, winning is enough."""
    read_post: Callable[[Endpoint, Question, HttpAnswer], Offered | Refused]
    problems: Callable[[Endpoint], list[Problem]]
    """What cannot be right about the settings or the secret; empty when all is well."""
