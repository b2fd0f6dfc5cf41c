"""The decision: who gets this call. Pure: the same snapshot, request and counts give the same answer, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from router.domain.abroad import not_dialled
from router.domain.counts import Counts
from router.domain.decision import (
    WANT_OF_ROOM,
    Decision,
    Offer,
    Rejection,
    RejectionCode,
    Rejections,
    Reserved,
    RouteRequest,
    WrittenLater,
)
from router.domain.distribution import METHODS, NO_HISTORY, NO_TURN, PING_POST, Contest
from router.domain.eligibility import Situation, judge, situation_of
from router.domain.market import Campaign, Entry, Snapshot
from router.domain.plan import Plan, PlannedStage, bits_of, plan_of
from router.domain.verdicts import Verdicts, judge_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

    from router.domain.auction import AuctionResult, AuctionWanted, Bid

NO_AUCTIONS: Mapping[int, AuctionResult] = {}
NOWHERE = 1_000_000
"""A bit no target has."""


def decide(
    snapshot: Snapshot,
    request: RouteRequest,
    counts: Counts,
    auctions: Mapping[int, AuctionResult] = NO_AUCTIONS,
) -> Decision | AuctionWanted:
    """Choose the target to ring now. Every target of the campaign's plan is chosen or rejected, exactly once.

    Stages are asked in order: one who may take the call in an earlier stage always goes before those of a later
    one. A target that stands in several stages counts where it stands first. When it comes to a ping_post stage of
    which `auctions` holds no result, and nobody before it can take the call, the answer is whom to ask.
    """
    campaign = snapshot.campaigns.get(request.campaign_id)
    if campaign is None:
        return Decision(
            chosen=None,
            order=(),
            rejections=(),
            problem=f"campaign {request.campaign_id} is not in the snapshot",
            request=request,
            counts=Counts(),
            snapshot_version=snapshot.version,
            snapshot_digest=snapshot.digest,
        )
    return _Deciding(snapshot, campaign, request, counts, auctions).decide()


def decide_unasked(snapshot: Snapshot, request: RouteRequest, counts: Counts) -> Decision:
    """Decide without asking anybody for bids: nobody in a ping_post stage has made one."""
    from router.domain.auction import AuctionResult, AuctionWanted  # noqa: PLC0415 (few markets need it)

    silent: dict[int, AuctionResult] = {}
    while isinstance(decision := decide(snapshot, request, counts, silent), AuctionWanted):
        silent[decision.stage_id] = AuctionResult(stage_id=decision.stage_id, bids=())
    return decision


@dataclass(kw_only=True, slots=True)
class _Place:
    """A target that may take the call, and where it stands. Not frozen: that takes three times as long."""

    stage: PlannedStage
    entry: Entry
    bid: Bid | None = None
    promised: Reserved | None = None


class _Deciding:
    """One decision on its way."""

    def __init__(
        self,
        snapshot: Snapshot,
        campaign: Campaign,
        request: RouteRequest,
        counts: Counts,
        auctions: Mapping[int, AuctionResult],
    ) -> None:
        self._snapshot = snapshot
        self._campaign = campaign
        self._request = request
        self._counts = counts
        self._auctions = auctions
        self._plan: Plan = plan_of(snapshot, campaign)
        self._situation: Situation = situation_of(snapshot, campaign, request, counts)
        self._verdicts: Verdicts = judge_all(self._plan, self._situation)
        self._price = partial(_price, snapshot, campaign.id, request.priced_at)
        """What the buyer's terms ask for the call, by target id; nought when only a bid will say."""
        self._stages_left = iter(self._plan.stages)
        self._ranked: list[_Place] = []
        self._behind: Iterator[_Place] = iter(())
        """Those after them in the stage reached last, ranked when somebody looks. Holds nothing that holds it."""
        self._count_behind = 0
        self._at_a_loss: list[_Place] = []
        """Those who could take the call, but pay less than what is promised for it."""
        self._own: dict[int, Rejection] = {}
        """Rejections that are not eligibility's: of bids and of stages."""

    def decide(self) -> Decision | AuctionWanted:
        """Go by the stages until somebody may have the call. What comes after it is ranked when somebody looks."""
        self._put_reserved_first()
        chosen = self._first_offer()
        while chosen is None and (stage := next(self._stages_left, None)) is not None:
            wanted = self._rank_stage(stage)
            if wanted is not None:
                return wanted
            chosen = self._first_offer()
        if chosen is None and self._campaign.sells_at_loss:
            self._ranked = self._at_a_loss
            for place in self._ranked:
                del self._own[place.entry.target_id]
            chosen = self._first_offer()
        return self._answer(chosen)

    def _rank_stage(self, stage: PlannedStage) -> AuctionWanted | None:
        willing = self._willing(stage)
        if not willing:
            return None
        if stage.stage.method != PING_POST or self._ranked:
            self._rank(stage, willing)
            return None
        result = self._auctions.get(stage.stage.id)
        if result is None:
            return self._wanted(stage, willing)
        self._rank_bids(stage, willing, result)
        return None

    def _rank_all(self) -> Sequence[_Place]:
        """Return everybody who could have taken the call, the chosen first, once there is one."""
        self._rank_behind()
        for stage in self._stages_left:
            self._rank_stage(stage)
            self._rank_behind()
        return self._ranked

    def _rank_behind(self, most: int | None = None) -> None:
        """Rank those who come next: all of them, or `most`."""
        before = len(self._ranked)
        self._ranked.extend(islice(self._behind, most))
        self._count_behind -= len(self._ranked) - before

    def _first_offer(self) -> Offer | None:
        """Return the offer to who is first now; whom eligibility finds against after all is taken out."""
        while self._ranked or self._count_behind:
            if not self._ranked:
                self._rank_behind(1)
            offer = self._offer(self._ranked[0])
            if offer is not None:
                return offer
            self._ranked.pop(0)
        return None

    def _put_reserved_first(self) -> None:
        """A target that was promised this call has it before all others, if it may take it at all."""
        reserved = self._request.reserved
        bit = None if reserved is None else self._plan.bits.get(reserved.target_id)
        if bit is None or not self._verdicts.eligible >> bit & 1:
            return
        stage = next(one for one in self._plan.stages if bit in one.entries)
        self._ranked.append(_Place(stage=stage, entry=stage.entries[bit], promised=reserved))
        self._verdicts.eligible ^= 1 << bit

    def _willing(self, stage: PlannedStage) -> list[Entry]:
        """Return the entries of a stage whose targets may take the call."""
        eligible = self._verdicts.eligible & stage.targets
        most = stage.stage.attempts
        if eligible and most is not None:
            bits = self._plan.bits
            used = sum(1 for target in self._request.tried if stage.targets >> bits.get(target, NOWHERE) & 1)
            if used >= most:
                detail = f"{used} of {most} attempts of stage {stage.stage.position} used"
                for bit in bits_of(eligible):
                    self._reject(self._plan.targets[bit].id, RejectionCode.STAGE_ATTEMPTS_USED, detail)
                return []
        return [stage.entries[bit] for bit in bits_of(eligible)]

    def _reject(self, target_id: int, code: RejectionCode, detail: str) -> None:
        self._own[target_id] = Rejection(target_id=target_id, code=code, detail=detail)

    def _rank(self, stage: PlannedStage, willing: Sequence[Entry]) -> None:
        if self._request.promised_payout_micros is not None:
            dear = [entry for entry in willing if self._pays_too_little(stage, entry)]
            self._at_a_loss.extend(self._places(stage, dear))
            willing = [entry for entry in willing if entry.target_id not in self._own]
        self._behind, self._count_behind = iter(self._places(stage, willing)), len(willing)

    def _places(self, stage: PlannedStage, entries: Sequence[Entry]) -> Iterable[_Place]:
        ranked = METHODS[stage.stage.method](entries, self._contest(stage)) if entries else ()
        return (_Place(stage=stage, entry=entry) for entry in self._again_first(ranked))

    def _pays_too_little(self, stage: PlannedStage, entry: Entry, bid_micros: int | None = None) -> bool:
        """Refuse who pays less than the publisher was promised, and our margin. A call that costs nobody is no loss."""
        promised, target = self._request.promised_payout_micros, self._snapshot.targets[entry.target_id]
        pays = self._price(target.id) if bid_micros is None else bid_micros
        if promised is None or pays >= promised + stage.stage.margin_micros:
            return False
        if self._situation.goes_for_nothing(target):
            return False
        self._reject(target.id, RejectionCode.BELOW_PAYOUT, _loss(pays, promised, stage.stage.margin_micros))
        return True

    def _again_first(self, ranked: Iterable[Entry]) -> Iterable[Entry]:
        """Put the target that had this caller before in front, where the campaign's policy says so."""
        again = self._situation.target_to_have_it_again
        if again is None:
            return ranked
        return sorted(ranked, key=lambda entry: entry.target_id != again)

    def _contest(self, stage: PlannedStage) -> Contest:
        return Contest(
            call_id=self._request.call_id,
            turn=self._counts.turns.get(stage.stage.id, NO_TURN),
            history=self._counts.history,
            price=self._price,
        )

    def _wanted(self, stage: PlannedStage, willing: Sequence[Entry]) -> AuctionWanted:
        from router.domain.bids import wanted_of  # noqa: PLC0415 (few markets need it)

        there = tuple(filter(None, (self._offer(_Place(stage=stage, entry=entry)) for entry in willing)))
        return wanted_of(self._snapshot, self._request, stage.stage, there, self._payout())

    def _payout(self) -> int:
        """Return what the publisher earns: what its ping was promised, else by its terms."""
        request = self._request
        if request.promised_payout_micros is not None:
            return request.promised_payout_micros
        return self._snapshot.payout_micros(request.publisher_id, self._campaign.id, request.priced_at)

    def _rank_bids(self, stage: PlannedStage, willing: Sequence[Entry], result: AuctionResult) -> None:
        from router.domain.auction import ranked  # noqa: PLC0415 (few markets need it)
        from router.domain.bids import rejection_of  # noqa: PLC0415

        bids = {bid.target_id: bid for bid in result.bids}
        known = self._counts.history
        last = {entry.target_id: known.get(entry.target_id, NO_HISTORY).last_offered_ms for entry in willing}
        standing: dict[int, Bid] = {}
        for entry in willing:
            refusal = rejection_of(entry.target_id, bids.get(entry.target_id), self._request.now)
            if refusal is None:
                standing[entry.target_id] = bids[entry.target_id]
            else:
                self._own[entry.target_id] = refusal
        entries = {entry.target_id: entry for entry in willing}
        for bid in ranked(standing.values(), self._request.call_id, last):
            entry = entries[bid.target_id]
            too_little = self._pays_too_little(stage, entry, bid.bid_micros)
            (self._at_a_loss if too_little else self._ranked).append(
                _Place(stage=stage, entry=entry, bid=bid)
            )

    def _offer(self, place: _Place) -> Offer | None:
        """Return what `place` is offered; None when eligibility finds against it after all, which has the last word."""
        target = self._snapshot.targets[place.entry.target_id]
        verdict = judge(target, self._situation)
        if isinstance(verdict, Rejection):
            self._own[target.id] = verdict
            return None
        bid, ring_timeout_seconds = place.promised or place.bid, place.stage.stage.ring_timeout_seconds
        dial = None if bid is None else bid.dial
        if (refusal := not_dialled(target, dial, self._snapshot.dialling, self._counts)) is not None:
            self._own[target.id] = refusal
            return None
        if bid is None and not ring_timeout_seconds:
            return verdict
        # Spelled out: dataclasses.replace takes many times as long.
        return Offer(
            target_id=verdict.target_id,
            buyer_id=verdict.buyer_id,
            licences=verdict.licences,
            billed=verdict.billed,
            ring_timeout_seconds=ring_timeout_seconds or verdict.ring_timeout_seconds,
            press_to_accept=verdict.press_to_accept,
            whisper_text=verdict.whisper_text,
            recovery_seconds=verdict.recovery_seconds,
            bid_micros=None if bid is None else bid.bid_micros,
            minimum_connected_ms=None if bid is None else bid.minimum_connected_ms,
            dial=dial,
        )

    def _answer(self, chosen: Offer | None) -> Decision:
        winner = None if chosen is None else self._ranked[0]
        count = len(self._plan.targets) - (chosen is not None)
        return Decision(
            chosen=chosen,
            order=() if winner is None else WrittenLater(self._write_order),
            rejections=Rejections(count, self._write_rejections, want_of_room=self._somebody_had_no_room()),
            problem=""
            if self._plan.targets
            else f"the plan of campaign {self._campaign.name!r} has no targets",
            request=self._request,
            counts=self._counts_of_the_plan(),
            snapshot_version=self._snapshot.version,
            snapshot_digest=self._snapshot.digest,
            why="" if winner is None else self._why(winner),
            stage_id=None if winner is None else winner.stage.stage.id,
            together=() if winner is None else self._together(winner),
            auctions=tuple(self._auctions.values()),
        )

    def _write_order(self) -> tuple[int, ...]:
        return tuple(place.entry.target_id for place in self._rank_all())

    def _counts_of_the_plan(self) -> Counts:
        """Return the counts without what is nought or somebody else's."""
        if self._counts.full is not None and self._counts.full.plan is self._plan:
            return self._counts  # they were gathered for this plan
        bits, seen = self._plan.bits, self._counts.concurrency
        if seen.keys() <= bits.keys() and 0 not in seen.values():
            return self._counts
        concurrency = {target: used for target, used in seen.items() if used and target in bits}
        return replace(self._counts, concurrency=concurrency)

    def _somebody_had_no_room(self) -> bool:
        return any(code in WANT_OF_ROOM for code, _ in self._verdicts.refused) or any(
            one.code in WANT_OF_ROOM for one in self._own.values()
        )

    def _together(self, winner: _Place) -> tuple[Offer, ...]:
        most = winner.stage.stage.simultaneous
        if most == 1:
            return ()
        self._rank_behind()
        others = [place for place in self._ranked[1:] if place.stage is winner.stage]
        return tuple(offer for offer in map(self._offer, others[: most - 1]) if offer is not None)

    def _why(self, winner: _Place) -> str:
        stage = winner.stage.stage
        if winner.promised is not None:
            return f"stage {stage.position}: promised to a publisher's ping"
        count = self._count_behind + sum(place.stage is winner.stage for place in self._ranked)
        at_a_loss = ""
        if self._ranked is self._at_a_loss:
            pays = self._price(winner.entry.target_id) if winner.bid is None else winner.bid.bid_micros
            at_a_loss = f", at a loss: {_loss(pays or 0, self._payout(), stage.margin_micros)}"
        return f"stage {stage.position}, {stage.method}: first of {count}{at_a_loss}"

    def _write_rejections(self) -> tuple[Rejection, ...]:
        ranks = {place.entry.target_id: rank for rank, place in enumerate(self._rank_all(), 1)}
        bidders = {
            place.entry.target_id
            for place in self._ranked
            if place.bid is not None or place.promised is not None
        }
        return tuple(
            self._write_rejection(bit, ranks, bidders)
            for bit, target in enumerate(self._plan.targets)
            if ranks.get(target.id) != 1
        )

    def _write_rejection(self, bit: int, ranks: Mapping[int, int], bidders: set[int]) -> Rejection:
        target = self._plan.targets[bit]
        own = self._own.get(target.id)
        if own is not None:
            return own
        rank = ranks.get(target.id)
        if rank is not None:
            code = RejectionCode.LOWER_BID if target.id in bidders else RejectionCode.LOWER_RANK
            detail = f"rank {rank} of {len(ranks)}"
            if (bid := self._ranked[rank - 1].bid) is not None:
                from router.domain.bids import bid_words  # noqa: PLC0415 (few markets need it)

                detail += bid_words(bid)
            return Rejection(target_id=target.id, code=code, detail=detail)
        verdict = judge(target, self._situation)
        if isinstance(verdict, Offer):  # the sets were wrong about it; nobody is passed over without a reason
            detail = self._verdicts.code_of(bit)
            return Rejection(target_id=target.id, code=detail, detail="")
        return verdict


def _price(snapshot: Snapshot, campaign_id: int, at: datetime, target_id: int) -> int:
    return snapshot.price_micros(snapshot.targets[target_id].buyer_id, campaign_id, at) or 0


def _loss(pays_micros: int, promised_micros: int, margin_micros: int) -> str:
    from rules.money import format_dollars  # noqa: PLC0415 (few calls need it)

    promised = f"promised {format_dollars(promised_micros)} to the publisher"
    margin = f", and {format_dollars(margin_micros)} are ours" if margin_micros else ""
    return f"pays {format_dollars(pays_micros)}, {promised}{margin}"
