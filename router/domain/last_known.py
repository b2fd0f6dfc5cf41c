"""What was known last of callers, wallets and caps: what a call is decided on when the database does not answer.

Suppression is binding: a call is not sold while the buyers' lists are not known, or older than the limit. Wallets and
caps count as last read, with what was rung since without the database. Each decision says how old its facts were.
Pure: the agi process keeps it in memory, the survival script reads it from a file.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from struct import Struct

from router.domain.abroad import caps_abroad, destination_rung
from router.domain.caps import (
    CONCURRENCY,
    SPACING,
    Claim,
    Moment,
    all_caps,
    claims_of,
    counts_from,
    highest_of,
)
from router.domain.counts import Counts, EarlierCall, Facts, NotKnown
from router.domain.live_counts import LiveCounts
from router.domain.plan import plan_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from router.domain.decision import Offer, RouteRequest
    from router.domain.market import Campaign, Cap, Snapshot

    Buffer: TypeAlias = bytes | memoryview

SUPPRESSION, WALLETS, CAPS, EARLIER_CALLS, TURNS = "suppression", "wallets", "caps", "earlier_calls", "turns"

MAXIMUM_AGE_HOURS = 24
"""Suppression lists that were read longer ago do not count: nobody is sold until they are read again."""

CALLS_IN_PROGRESS_LAST_SECONDS = 120
"""So long the calls in progress of other nodes count as last read; after it only those of this node's Asterisk."""

RINGING_COUNTS_SECONDS = 30
"""So long a target rung without the database counts as busy, whatever Asterisk says; after it Asterisk knows."""

EARLIER_CALLS_MAXIMUM = 50
"""The newest calls of one caller that a decision looks at."""

DIGEST_BYTES = 8
SUPPRESSED_RECORD = Struct(">8sq")
"""Digest of the caller, buyer id."""
EARLIER_RECORD = Struct(">8s16sqqqqq")
"""Digest of the caller, call id, campaign id, buyer id, target id, start in epoch ms, 1 connected + 2 converted."""


def digest_of_caller(caller: str, key: bytes) -> bytes:
    """Return what stands for a number (E.164) in the tables: how its keyed index begins.

    In a list of a million, two share one in 1 of 10^13. Anyone who lacks the key finds no number by trying all.
    """
    return hmac.digest(key, caller.encode(), "sha256")[:DIGEST_BYTES]


class DigestTable:
    """Records of one length, in the order of the digests they begin with: searched where they are, never unpacked."""

    def __init__(self, records: Buffer, record: Struct) -> None:
        self.records = records
        self._record = record
        self._count = len(records) // record.size

    def __len__(self) -> int:
        return self._count

    def find(self, digest: bytes) -> Iterator[tuple[Any, ...]]:
        """Yield what follows the digest in each of its records, in their order."""
        records, size = self.records, self._record.size
        low = self.first(digest)
        while low < self._count and bytes(records[low * size : low * size + DIGEST_BYTES]) == digest:
            yield self._record.unpack(records[low * size : (low + 1) * size])[1:]
            low += 1

    def first(self, digest: bytes) -> int:
        """Return the place of the first record of the digest, or where one would go."""
        records, size = self.records, self._record.size
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            if bytes(records[middle * size : middle * size + DIGEST_BYTES]) < digest:
                low = middle + 1
            else:
                high = middle
        return low


@dataclass(frozen=True, kw_only=True, slots=True)
class Rung:
    """A target that was rung while the database did not answer: what it would have leased."""

    at_ms: int
    call_id: str
    attempt: int
    target_id: int
    buyer_id: int
    campaign_id: int
    caller: str | None
    claims: tuple[Claim, ...]
    hold_micros: int | None
    """What would have been held of the buyer's wallet; None when it has no limit."""

    def to_json(self) -> dict[str, Any]:
        claims = [[one.key, one.kind, one.amount, one.period_start] for one in self.claims]
        return {**{one.name: getattr(self, one.name) for one in fields(self)}, "claims": claims}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Rung:
        """Read what to_json wrote. Raises KeyError, TypeError or ValueError for anything else."""
        claims = tuple(
            Claim(key=key, kind=kind, amount=int(amount), at_most=0, period_start=int(period_start))
            for key, kind, amount, period_start in value["claims"]
        )
        return cls(**{**value, "claims": claims})


def price_of(snapshot: Snapshot, request: RouteRequest, offer: Offer) -> int:
    """Return what the buyer pays if the call meets its terms, in micros: its bid, or what its terms ask."""
    if not offer.billed:
        return 0
    if offer.bid_micros is not None:
        return offer.bid_micros
    return snapshot.price_micros(offer.buyer_id, request.campaign_id, request.priced_at) or 0


def _hold_of(snapshot: Snapshot, request: RouteRequest, offer: Offer) -> int:
    """Return what the database would have held: the most that bid and terms can ask."""
    highest = snapshot.highest_micros(offer.buyer_id, request.campaign_id, request.priced_at)
    return max(price_of(snapshot, request, offer), highest)


def claims_for(snapshot: Snapshot, request: RouteRequest, offer: Offer, moment: Moment) -> tuple[Claim, ...]:
    """Return the room that an attempt at the offer's target takes."""
    target, campaign = snapshot.targets[offer.target_id], snapshot.campaigns[request.campaign_id]
    caps = all_caps(snapshot, campaign, request.publisher_id, target)
    destination = destination_rung(target, offer.dial, snapshot.dialling)
    if destination is not None:
        abroad = caps_abroad(destination, target, offer.dial)
        caps = tuple(sorted((*caps, *abroad), key=lambda cap: cap.key))
    return claims_of(caps, target, moment, price_of(snapshot, request, offer))


def has_limit(snapshot: Snapshot, offer: Offer) -> bool:
    """Say whether something is held of the buyer's wallet for this offer."""
    buyer = snapshot.buyers.get(offer.buyer_id)
    return offer.billed and buyer is not None and buyer.credit_limit_micros is not None


def rung_of(
    snapshot: Snapshot, request: RouteRequest, ringing: Sequence[Offer], attempt: int, now_ms: int
) -> list[Rung]:
    """Return what those who are rung from `attempt` on would have leased."""
    moment = Moment(now=request.now)
    return [
        Rung(
            at_ms=now_ms,
            call_id=request.call_id,
            attempt=number,
            target_id=offer.target_id,
            buyer_id=offer.buyer_id,
            campaign_id=request.campaign_id,
            caller=request.caller,
            claims=claims_for(snapshot, request, offer, moment),
            hold_micros=_hold_of(snapshot, request, offer) if has_limit(snapshot, offer) else None,
        )
        for number, offer in enumerate(ringing, attempt)
    ]


@dataclass(kw_only=True, slots=True)
class LastKnown:
    """The newest reading of each kind of fact, and when it was made (epoch ms). None: never read."""

    caller_key: bytes = b""
    """By which callers are indexed, in the tables as in the database."""
    suppressed: DigestTable | None = None
    suppressed_ms: int | None = None
    earlier: DigestTable | None = None
    earlier_ms: int | None = None
    owed_micros: Mapping[int, int] | None = None
    """What buyers owe, and what is held for calls under way, by buyer id."""
    owed_ms: int | None = None
    live: LiveCounts = field(default_factory=LiveCounts)
    counted_ms: int | None = None
    recent: Iterable[tuple[RouteRequest, Sequence[Offer]]] = ()
    """Calls of this process since the earlier calls were read, and who rang."""
    rung: Sequence[Rung] = ()
    leased: Sequence[Rung] = ()
    """What this process has leased since counters and wallets were read; its callers are among `recent`."""
    rung_is_full: bool = False
    """What is rung now can no longer be noted: whoever has a limit is not rung."""
    maximum_age_ms: int = MAXIMUM_AGE_HOURS * 3_600_000

    def counts(
        self, snapshot: Snapshot, request: RouteRequest, legs: Mapping[int, int], now_ms: int
    ) -> Counts:
        """Return what a decision on `request` goes by. `legs` are Asterisk's calls in progress by target id."""
        campaign = snapshot.campaigns.get(request.campaign_id)
        if campaign is None:
            return Counts()
        # What this call rang before is over.
        rung = [one for one in (*self.rung, *self.leased) if one.call_id != request.call_id]
        facts = Facts(
            suppressed_buyers=self._suppressing(request.caller),
            earlier_calls=self._earlier_calls(request),
            wallet_micros=self._wallets(snapshot, campaign, rung),
        )
        counts = self.live.counts(snapshot, campaign, request.publisher_id, request.now, {}, facts)
        shared = (*campaign.caps, *snapshot.publisher_caps.get(request.publisher_id or 0, ()))
        caps = {
            cap.key: cap for cap in (*(one.cap for one in plan_of(snapshot, campaign).caps.values()), *shared)
        }
        if self.counted_ms is None or now_ms - self.counted_ms > CALLS_IN_PROGRESS_LAST_SECONDS * 1000:
            counts = _without_calls_in_progress(counts, caps)
        counts = self._with_rung(counts, rung, caps, self.live.moment(request.now), now_ms)
        if self.rung_is_full:
            counts = _without_room(counts, caps, self.live.moment(request.now))
        ages = self._ages(now_ms)
        return replace(
            highest_of(counts, _of_legs(snapshot, legs)),
            not_known=tuple(NotKnown(what=what, age_ms=age) for what, age in ages.items()),
            not_sold=self._why_not_sold(request.caller, ages[SUPPRESSION]),
        )

    def _ages(self, now_ms: int) -> dict[str, int | None]:
        read = {
            SUPPRESSION: self.suppressed_ms,
            WALLETS: self.owed_ms,
            CAPS: self.counted_ms,
            EARLIER_CALLS: self.earlier_ms,
            TURNS: None,
        }
        return {what: None if at is None else max(now_ms - at, 0) for what, at in read.items()}

    def _why_not_sold(self, caller: str | None, age_ms: int | None) -> str:
        """A caller without a number is on no list."""
        if caller is None:
            return ""
        if age_ms is None:
            return "the database does not answer, and the buyers' lists of suppressed callers are not known"
        if age_ms <= self.maximum_age_ms:
            return ""
        hours, most = age_ms // 3_600_000, self.maximum_age_ms // 3_600_000
        return f"the buyers' lists of suppressed callers are {hours} h old, and count for {most} h"

    def _suppressing(self, caller: str | None) -> frozenset[int]:
        if caller is None or self.suppressed is None:
            return frozenset()
        return frozenset(
            buyer for (buyer,) in self.suppressed.find(digest_of_caller(caller, self.caller_key))
        )

    def _earlier_calls(self, request: RouteRequest) -> tuple[EarlierCall, ...]:
        caller = request.caller
        if caller is None:
            return ()
        stored = () if self.earlier is None else self.earlier.find(digest_of_caller(caller, self.caller_key))
        found = [_earlier_call(*one) for one in stored]
        found += [
            _call_now(asked.call_id, asked.campaign_id, offer.buyer_id, offer.target_id, asked.now)
            for asked, ringing in self.recent
            if asked.caller == caller
            for offer in ringing
        ]
        found += [
            _call_now(
                one.call_id,
                one.campaign_id,
                one.buyer_id,
                one.target_id,
                datetime.fromtimestamp(one.at_ms / 1000, UTC),
            )
            for one in self.rung
            if one.caller == caller
        ]
        others = [call for call in found if call.call_id != request.call_id]
        return tuple(sorted(others, key=lambda call: call.started_at, reverse=True)[:EARLIER_CALLS_MAXIMUM])

    def _wallets(self, snapshot: Snapshot, campaign: Campaign, rung: Sequence[Rung]) -> dict[int, int]:
        """Return what limited buyers have left; nothing when their wallets were never read."""
        owed, left = self.owed_micros, dict[int, int]()
        for buyer_id in plan_of(snapshot, campaign).by_buyer:
            limit = snapshot.buyers[buyer_id].credit_limit_micros
            if limit is not None:
                left[buyer_id] = 0 if owed is None else limit - owed.get(buyer_id, 0)
        for one in rung:
            if one.hold_micros is not None and one.buyer_id in left:
                left[one.buyer_id] -= one.hold_micros
        return left

    def _with_rung(
        self,
        counts: Counts,
        rung: Sequence[Rung],
        caps: Mapping[str, Cap],
        moment: Moment,
        now_ms: int,
    ) -> Counts:
        """Count what was rung without the database: of caps with a period in theirs, of calls at once for a while."""
        used, ringing = dict(counts.used), dict[str, int]()
        for one in rung:
            is_recent = now_ms - one.at_ms < RINGING_COUNTS_SECONDS * 1000
            for claim in one.claims:
                cap, before = caps.get(claim.key), used.get(claim.key, 0)
                if claim.kind == CONCURRENCY:
                    ringing[claim.key] = ringing.get(claim.key, 0) + claim.amount * is_recent
                elif cap is not None and claim.kind == SPACING:
                    used[claim.key] = max(before, claim.amount)
                elif cap is not None and claim.period_start == moment.period_start(cap):
                    used[claim.key] = before + claim.amount
        more = counts_from(ringing)
        return replace(
            counts,
            concurrency=_sum_of(counts.concurrency, more.concurrency),
            used=_sum_of(used, more.used),
        )


def _without_room(counts: Counts, caps: Mapping[str, Cap], moment: Moment) -> Counts:
    """Return wallets as empty and caps as full, but for calls in progress: Asterisk counts those."""
    full = {
        cap.key: max(moment.now_ms if cap.kind == SPACING else cap.at_most, counts.used.get(cap.key, 0))
        for cap in caps.values()
        if cap.kind != CONCURRENCY
    }
    wallets = {buyer_id: min(left, 0) for buyer_id, left in counts.facts.wallet_micros.items()}
    facts = replace(counts.facts, wallet_micros=wallets)
    return replace(counts, used={**counts.used, **full}, facts=facts)


def _without_calls_in_progress(counts: Counts, caps: Mapping[str, Cap]) -> Counts:
    used = {
        key: amount for key, amount in counts.used.items() if key not in caps or caps[key].kind != CONCURRENCY
    }
    return replace(counts, concurrency={}, used=used)


def _of_legs(snapshot: Snapshot, legs: Mapping[int, int]) -> Counts:
    """Return what Asterisk's calls in progress use of the targets' caps, their buyers' and groups' included."""
    used = dict[str, int]()
    for target_id, count in legs.items():
        target = snapshot.targets.get(target_id)
        for cap in () if target is None else target.caps:
            if cap.kind == CONCURRENCY:
                used[cap.key] = used.get(cap.key, 0) + count
    return Counts(concurrency=legs, used=used)


def _sum_of(first: Mapping[Any, int], second: Mapping[Any, int]) -> Mapping[Any, int]:
    return {**first, **{key: first.get(key, 0) + amount for key, amount in second.items()}}


def _earlier_call(
    call_id: bytes, campaign_id: int, buyer_id: int, target_id: int, started_ms: int, flags: int
) -> EarlierCall:
    spelled = call_id.hex()
    return EarlierCall(
        call_id="-".join((spelled[:8], spelled[8:12], spelled[12:16], spelled[16:20], spelled[20:])),
        campaign_id=campaign_id,
        buyer_id=buyer_id,
        target_id=target_id,
        started_at=datetime.fromtimestamp(started_ms / 1000, UTC),
        connected=bool(flags & 1),
        converted=bool(flags & 2),
    )


def _call_now(
    call_id: str, campaign_id: int, buyer_id: int, target_id: int, started_at: datetime
) -> EarlierCall:
    """Whether somebody talked is not known yet."""
    return EarlierCall(
        call_id=call_id,
        campaign_id=campaign_id,
        buyer_id=buyer_id,
        target_id=target_id,
        started_at=started_at,
        connected=False,
        converted=False,
    )
