"""Who would get a call: the router's own decision on the market as it stands, without taking or asking anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from uuid import uuid4
from zoneinfo import ZoneInfo

from router.domain.auction import AuctionResult, AuctionWanted
from router.domain.caller_facts import with_caller_state
from router.domain.counts import Counts
from router.domain.decide import decide
from router.domain.decision import LOAN_TYPE_TAG, STATE_TAG, Decision, RejectionCode, RouteRequest
from router.domain.market import Snapshot
from router.route_call import Router
from rules.money import format_dollars
from web.plans import words

TAGS_MAXIMUM = 30
REFUSED_MAXIMUM = 500


@dataclass(frozen=True, kw_only=True)
class CallerFacts:
    """What is known of an imagined call. None is not known; `at` None is now."""

    loan_type: str | None = None
    state: str | None = None
    zip_code: str | None = None
    caller: str | None = None
    """E.164."""
    publisher_id: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    day: date | None = None
    clock: time | None = None
    zone: ZoneInfo
    now: datetime

    @property
    def at(self) -> datetime:
        """The moment: the day and hour given, in the zone; what is left out is as it is now."""
        if self.day is None and self.clock is None:
            return self.now
        local = self.now.astimezone(self.zone)
        chosen = datetime.combine(self.day or local.date(), self.clock or local.time(), self.zone)
        return chosen.astimezone(UTC)


@dataclass(frozen=True, kw_only=True)
class Named:
    """A target with its buyer, and what is to be said of it."""

    target_id: int
    target: str
    buyer: str
    says: str = ""
    code: str = ""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Bidders who would be asked, and what may win."""

    stage: int
    deadline_ms: int
    least_bid_micros: int
    bidders: tuple[Named, ...]


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What would become of the call. `chosen` is who gets it if no bidder of `asked` bids enough."""

    sentence: str
    chosen: Named | None
    together: tuple[Named, ...]
    asked: tuple[Asked, ...]
    following: tuple[Named, ...]
    """Who could take it too, next best first."""
    refused: tuple[Named, ...]
    problem: str
    market_version: int
    decision: Decision


def request_of(
    facts: CallerFacts, snapshot: Snapshot, campaign_id: int, call_id: str | None = None
) -> RouteRequest:
    """Return the question such a call would put to the router."""
    told = {**facts.tags}
    for tag, value in ((LOAN_TYPE_TAG, facts.loan_type), (STATE_TAG, facts.state), ("zip", facts.zip_code)):
        if value:
            told[tag] = value
    return RouteRequest(
        call_id=call_id or str(uuid4()),
        campaign_id=campaign_id,
        caller=facts.caller,
        tags=with_caller_state(told, facts.caller, snapshot.area_codes, snapshot.zip_codes),
        now=facts.at,
        publisher_id=facts.publisher_id,
    )


async def dry_run(
    router: Router,
    snapshot: Snapshot,
    facts: CallerFacts,
    campaign_id: int,
    call_id: str | None = None,
) -> DryRun:
    """Decide as for a live call with what is in use now. Nothing is leased, nobody is asked."""
    request = request_of(facts, snapshot, campaign_id, call_id)
    counts = await router.in_use(snapshot, request)
    return tell(snapshot, facts, *decide_dry(snapshot, request, counts))


def decide_dry(
    snapshot: Snapshot, request: RouteRequest, counts: Counts
) -> tuple[Decision, tuple[AuctionWanted, ...]]:
    """Return the decision if no bidder bids, and whom it would ask on the way."""
    silent: dict[int, AuctionResult] = {}
    asked: list[AuctionWanted] = []
    while isinstance(decision := decide(snapshot, request, counts, silent), AuctionWanted):
        asked.append(decision)
        silent[decision.stage_id] = AuctionResult(stage_id=decision.stage_id, bids=())
    return decision, tuple(asked)


def tell(
    snapshot: Snapshot, facts: CallerFacts, decision: Decision, asked: tuple[AuctionWanted, ...]
) -> DryRun:
    """Return a trial decision with names and words."""
    names = _Names(snapshot)
    bidders = {offer.target_id for one in asked for offer in one.offers}
    rejections = {one.target_id: one for one in decision.rejections}
    waiting = (RejectionCode.LOWER_RANK, RejectionCode.LOWER_BID)
    refused = [
        names.of(one.target_id, words.reason(one.code, one.detail), one.code)
        for one in rejections.values()
        if one.target_id not in bidders and one.code not in waiting
    ]
    chosen = None if decision.chosen is None else names.of(decision.chosen.target_id, decision.why)
    auctions = tuple(_asked(snapshot, decision.request.campaign_id, one, names) for one in asked)
    return DryRun(
        sentence=_sentence(facts, decision, chosen, auctions),
        chosen=chosen,
        together=tuple(names.of(offer.target_id) for offer in decision.together),
        asked=auctions,
        following=tuple(names.of(target_id) for target_id in decision.order[1:]),
        refused=tuple(refused[:REFUSED_MAXIMUM]),
        problem=decision.problem,
        market_version=decision.snapshot_version,
        decision=decision,
    )


class _Names:
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def of(self, target_id: int, says: str = "", code: str = "") -> Named:
        target = self._snapshot.targets[target_id]
        buyer = self._snapshot.buyers.get(target.buyer_id)
        return Named(
            target_id=target_id,
            target=target.name,
            buyer="" if buyer is None else buyer.name,
            says=says,
            code=code,
        )


def _asked(snapshot: Snapshot, campaign_id: int, wanted: AuctionWanted, names: _Names) -> Asked:
    stages = snapshot.campaigns[campaign_id].stages
    return Asked(
        stage=next((stage.position for stage in stages if stage.id == wanted.stage_id), 0),
        deadline_ms=wanted.deadline_ms,
        least_bid_micros=wanted.least_bid_micros,
        bidders=tuple(names.of(offer.target_id) for offer in wanted.offers),
    )


def _sentence(facts: CallerFacts, decision: Decision, chosen: Named | None, asked: tuple[Asked, ...]) -> str:
    begins = f"{words.caller_words(decision.request)} on {words.moment_words(facts.at, facts.zone)} would"
    to = "nobody" if chosen is None else f"{chosen.target} of {chosen.buyer}"
    if not asked:
        return f"{begins} go to {to}."
    first = asked[0]
    count = sum(len(one.bidders) for one in asked)
    who = f"{count} {'bidder' if count == 1 else 'bidders'}"
    least = f" of {format_dollars(first.least_bid_micros)} or more" if first.least_bid_micros else ""
    return f"{begins} be put to {who}: the best bid{least} gets it; with none it goes to {to}."
