"""What the router is asked and what it answers: values that can be stored and made again byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from router.domain.counts import Counts, spell_instant
from router.domain.market import Licence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from router.domain.auction import AuctionResult

DECISION_FORMAT = 2

LOAN_TYPE_TAG = "loan_type"
STATE_TAG = "state"
STATE_CANDIDATES_TAG = "state_candidates"
"""States the caller may live in, joined by '-': those of the area code when nobody told, or those that were told when
they disagree."""
STATE_SOURCE_TAG = "state_source"
DISAGREE = "disagree"
"""What `state_source` says of a caller whose state and ZIP code, as they were told, name different states."""


class RejectionCode(StrEnum):
    """Why a target did not get the call. Stored; never renamed."""

    DISABLED = "disabled"
    ALREADY_TRIED = "already_tried"
    ATTEMPTS_USED = "attempts_used"
    STAGE_ATTEMPTS_USED = "stage_attempts_used"
    BLOCKED_CALLER = "blocked_caller"
    NOT_KNOWN = "not_known"
    """What binds is not known, because the database does not answer: nobody is sold the call."""
    SUPPRESSED = "suppressed"
    DUPLICATE = "duplicate"
    SOLD_ELSEWHERE = "sold_elsewhere"
    """The campaign is exclusive, and another buyer has this caller."""
    LOAN_TYPE = "loan_type"
    FILTERS = "filters"
    UNLICENSED = "unlicensed"
    OFFICER_UNLICENSED = "officer_unlicensed"
    CLOSED = "closed"
    AT_CAP = "at_cap"
    GROUP_AT_CAP = "group_at_cap"
    TOO_SOON = "too_soon"
    WALLET = "wallet"
    BELOW_PAYOUT = "below_payout"
    """Pays less than what the publisher was promised, and the stage's margin."""
    LOWER_RANK = "lower_rank"
    """Could have taken the call; another was preferred."""

    # Of a ping_post stage; each but NO_BID and LOWER_BID is an auction.BidOutcome of the same meaning.
    NO_ENDPOINT = "no_endpoint"
    NO_BID = "no_bid"
    BELOW_FLOOR = "below_floor"
    LATE_BID = "late_bid"
    INVALID_BID = "invalid_bid"
    EXPIRED_BID = "expired_bid"
    UNREACHABLE = "unreachable"
    RESTED = "rested"
    PING_BUDGET = "ping_budget"
    HOP_LOOP = "hop_loop"
    POST_REFUSED = "post_refused"
    LOWER_BID = "lower_bid"


WANT_OF_ROOM = frozenset(
    {RejectionCode.AT_CAP, RejectionCode.GROUP_AT_CAP, RejectionCode.TOO_SOON, RejectionCode.WALLET}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reserved:
    """The target that a publisher's ping was promised for this call. It goes first, if it may take the call at all."""

    target_id: int
    bid_micros: int | None = None
    """What it bid in the ping's auction; None: there was none, and its terms hold."""
    minimum_connected_ms: int | None = None
    """What the bid pays for; None: its terms hold."""
    dial: str | None = None
    stage_id: int | None = None
    """The ping_post stage it bid in: it is handed the call now that it has come. None: it did not bid."""
    reference: str = ""
    """The buyer's own name for that bid."""
    asked_as: str = ""
    """The ping it bid on: a buyer finds its ping's id again in the post. Empty: it did not bid."""

    def to_json(self) -> dict[str, Any]:
        told = {
            "target_id": self.target_id,
            "bid_micros": self.bid_micros,
            "minimum_connected_ms": self.minimum_connected_ms,
            "dial": self.dial,
            "stage_id": self.stage_id,
            "reference": self.reference,
        }
        # Decisions that were stored before there was such a thing stay as they are.
        return {**told, "asked_as": self.asked_as} if self.asked_as else told


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteRequest:
    """One question to the router: who gets this call now?"""

    call_id: str
    campaign_id: int
    caller: str | None
    """E.164; None when withheld."""
    tags: Mapping[str, str]
    """loan_type, state, state_candidates, and whatever else the flow found out."""
    tried: tuple[int, ...] = ()
    """Targets offered this call before, in order."""
    now: datetime
    started_at: datetime | None = None
    """When the call began, where that is known; None of a ping, whose call is yet to come."""
    publisher_id: int | None = None
    dialled: str = ""
    """The tracking number, E.164."""
    score: float | None = None
    hops: tuple[str, ...] = ()
    """Houses that sold this call before us, where they said so."""
    reserved: Reserved | None = None
    promised_payout_micros: int | None = None
    """What the publisher's ping was promised for this call, whoever takes it; None when nothing was."""

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise ValueError("RouteRequest.now needs a time zone")
        if self.started_at is not None and self.started_at.tzinfo is None:
            raise ValueError("RouteRequest.started_at needs a time zone")

    @property
    def priced_at(self) -> datetime:
        """The moment whose terms hold for the call: its start, as on the bill. Later changes are for later calls."""
        return self.started_at or self.now


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejection:
    """Why one target does not get the call."""

    target_id: int
    code: RejectionCode
    detail: str
    """For people; may be empty where the code says all."""

    def to_json(self) -> dict[str, Any]:
        return {"target_id": self.target_id, "code": self.code.value, "detail": self.detail}


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """The target to ring now."""

    target_id: int
    buyer_id: int
    ring_timeout_seconds: int
    licences: tuple[Licence, ...]
    """The licences that allow it: one, or one for each state and product the caller may mean."""
    bid_micros: int | None = None
    """What the buyer offered for this very call; None: its terms hold."""
    minimum_connected_ms: int | None = None
    """What the bid pays for; None: the buyer's terms hold."""
    dial: str | None = None
    """Where the bid wants the call: E.164, or sip:user@host; None: the target's own address."""
    press_to_accept: bool = False
    whisper_text: str | None = None
    recovery_seconds: int | None = None
    """The buyer who hangs up earlier than this loses the call to the next."""
    billed: bool = True
    """False: a duplicate that is routed all the same and pays nothing."""

    @property
    def licence(self) -> str:
        """The first licence for people, e.g. `NMLS 123456 OH refinance`."""
        first = self.licences[0]
        return f"NMLS {first.nmls_id} {first.state} {first.product}"

    def to_json(self) -> dict[str, Any]:
        return {
            "target_id": self.target_id,
            "buyer_id": self.buyer_id,
            "ring_timeout_seconds": self.ring_timeout_seconds,
            "licences": [
                {"nmls_id": licence.nmls_id, "state": licence.state, "product": licence.product}
                for licence in self.licences
            ],
            "bid_micros": self.bid_micros,
            "minimum_connected_ms": self.minimum_connected_ms,
            "dial": self.dial,
            "press_to_accept": self.press_to_accept,
            "whisper_text": self.whisper_text,
            "recovery_seconds": self.recovery_seconds,
            "billed": self.billed,
        }


class WrittenLater(Sequence["Any"]):
    """What is known when the decision is made, and written out when somebody looks.

    A call needs to know who is rung; spelling three hundred reasons takes longer than finding that out.
    """

    def __init__(self, write: Callable[[], tuple[Any, ...]]) -> None:
        self._write = write
        self._written: tuple[Any, ...] | None = None

    @property
    def written(self) -> tuple[Any, ...]:
        if self._written is None:
            self._written = self._write()
        return self._written

    def __len__(self) -> int:
        return len(self.written)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.written)

    def __getitem__(self, index: Any) -> Any:
        return self.written[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self.written == tuple(other)

    def __hash__(self) -> int:
        return hash(self.written)

    def __repr__(self) -> str:
        return repr(self.written)


class Rejections(WrittenLater):
    """Why each target but the chosen was passed over."""

    def __init__(
        self, count: int, write: Callable[[], tuple[Rejection, ...]], *, want_of_room: bool = True
    ) -> None:
        """`want_of_room` says whether somebody may have been passed over because of a counter."""
        super().__init__(write)
        self.want_of_room = want_of_room
        self._count = count

    def __len__(self) -> int:
        return self._count


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """Who gets the call, why each other target of the plan does not, and all that was known: enough to decide again."""

    chosen: Offer | None
    order: Sequence[int]
    """Every target that could have taken the call, best first."""
    rejections: Sequence[Rejection]
    """One for each target of the plan but the chosen, in the plan's order."""
    problem: str
    """Why there was nothing to choose from, e.g. an unknown campaign; empty otherwise."""
    request: RouteRequest
    counts: Counts
    """Of the plan only, and only what is not nought."""
    snapshot_version: int
    snapshot_digest: str
    why: str = ""
    """How the chosen was found, for people."""
    stage_id: int | None = None
    """The stage the chosen stands in."""
    together: tuple[Offer, ...] = ()
    """The others of that stage that ring at the same time as `chosen`; the first to answer wins. Normally none."""
    auctions: tuple[AuctionResult, ...] = ()
    """What bidders answered, in the plan's order."""

    @property
    def hangs_on_counters(self) -> bool:
        """Whether nobody was found and that may be because of what is in use."""
        return self.chosen is None and getattr(self.rejections, "want_of_room", True)

    def to_json(self) -> dict[str, Any]:
        """Return the decision as plain JSON values, inputs included (replay.replay reads them)."""
        request = self.request
        promised, started_at = request.promised_payout_micros, request.started_at
        return {
            "format": DECISION_FORMAT,
            "chosen": None if self.chosen is None else self.chosen.to_json(),
            "together": [offer.to_json() for offer in self.together],
            "why": self.why,
            "stage_id": self.stage_id,
            "order": list(self.order),
            "rejections": [rejection.to_json() for rejection in self.rejections],
            "problem": self.problem,
            "inputs": {
                "snapshot_version": self.snapshot_version,
                "snapshot_digest": self.snapshot_digest,
                "call_id": request.call_id,
                "campaign_id": request.campaign_id,
                "publisher_id": request.publisher_id,
                "caller": request.caller,
                "dialled": request.dialled,
                "score": request.score,
                "hops": list(request.hops),
                "reserved": None if request.reserved is None else request.reserved.to_json(),
                # Decisions that were stored before there was such a thing stay as they are.
                **({} if promised is None else {"promised_payout_micros": promised}),
                "tags": dict(request.tags),
                "tried": list(request.tried),
                "now": spell_instant(request.now),
                **({} if started_at is None else {"started_at": spell_instant(started_at)}),
                # Ties are broken by a hash of it and the target: the one seed there is.
                "seed": request.call_id,
                "counts": self.counts.to_json(),
                "auctions": [result.to_json() for result in self.auctions],
            },
        }

    def to_bytes(self) -> bytes:
        """Return the one spelling of this decision: what a replay has to give again."""
        return canonical_bytes(self.to_json())


def canonical_bytes(value: object) -> bytes:
    """Spell JSON values in one way only: sorted keys, no spaces, ASCII. Equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
