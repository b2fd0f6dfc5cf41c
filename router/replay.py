"""Makes a stored decision again, to show that it was what it says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from router.domain.auction import AuctionResult, AuctionWanted
from router.domain.counts import Counts
from router.domain.decide import decide
from router.domain.decision import DECISION_FORMAT, Decision, Reserved, RouteRequest, canonical_bytes
from router.domain.market import Snapshot
from router.domain.what_if import Rule, without_rules
from router.errors import DecisionUnreadable, SnapshotDiffers

NOT_DECIDED = ("phases_us",)
"""What a stored decision holds beside what was decided: how long it took."""


def replay(decision: Mapping[str, Any], snapshot: Snapshot) -> Decision:
    """Decide again on the inputs stored in `decision` (Decision.to_json, also after a way through JSONB).

    The answer's `to_bytes()` equals that of the stored one. Raises SnapshotDiffers when `snapshot` is not the one it
    was made on, DecisionUnreadable when the inputs cannot be read.
    """
    given = _given(decision, snapshot)
    again = decide(snapshot, given.request, given.counts, given.auctions)
    if isinstance(again, AuctionWanted):
        raise DecisionUnreadable(f"the bids of stage {again.stage_id} are missing")
    return again


@dataclass(frozen=True, kw_only=True)
class Supposed:
    """What a decision would have been. `unasked` are stages whose bidders nobody asked then: they are silent here."""

    decision: Decision
    unasked: tuple[int, ...]


def suppose(
    decision: Mapping[str, Any], snapshot: Snapshot, target_id: int, rules: Collection[Rule]
) -> Supposed:
    """Decide again as if `rules` had not held for one target, all else being as it was.

    Raises what `replay` raises, and KeyError when the market had no such target.
    """
    given = _given(decision, snapshot)
    changed, counts = without_rules(snapshot, given.counts, target_id, rules, given.request.tags)
    auctions, unasked = dict(given.auctions), list[int]()
    while isinstance(again := decide(changed, given.request, counts, auctions), AuctionWanted):
        unasked.append(again.stage_id)
        auctions[again.stage_id] = AuctionResult(stage_id=again.stage_id, bids=())
    return Supposed(decision=again, unasked=tuple(unasked))


@dataclass(frozen=True, kw_only=True)
class _Given:
    request: RouteRequest
    counts: Counts
    auctions: Mapping[int, AuctionResult]


def _given(decision: Mapping[str, Any], snapshot: Snapshot) -> _Given:
    """Return what a stored decision was made on, `snapshot` beside."""
    try:
        if decision["format"] != DECISION_FORMAT:
            raise DecisionUnreadable(f"format {decision['format']}, this is {DECISION_FORMAT}")
        inputs = decision["inputs"]
        if isinstance(inputs["caller"], Mapping):
            raise DecisionUnreadable("its caller's number is not there any more")
        digest = inputs["snapshot_digest"]
        request, counts = _request(inputs), Counts.from_json(inputs["counts"])
        auctions = {one["stage_id"]: AuctionResult.from_json(one) for one in inputs["auctions"]}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DecisionUnreadable(f"{type(error).__name__}: {error}") from error
    if digest != snapshot.digest:
        raise SnapshotDiffers(f"made on snapshot {digest}, given {snapshot.digest}")
    return _Given(request=request, counts=counts, auctions=auctions)


def stored_bytes(decision: Mapping[str, Any]) -> bytes:
    """Return the one spelling of a stored decision: equal to the replay's `to_bytes()`."""
    return canonical_bytes({name: value for name, value in decision.items() if name not in NOT_DECIDED})


def _request(inputs: Mapping[str, Any]) -> RouteRequest:
    reserved, started_at = inputs["reserved"], inputs.get("started_at")
    return RouteRequest(
        call_id=inputs["call_id"],
        campaign_id=inputs["campaign_id"],
        publisher_id=inputs["publisher_id"],
        caller=inputs["caller"],
        dialled=inputs["dialled"],
        score=inputs["score"],
        hops=tuple(inputs["hops"]),
        tags=dict(inputs["tags"]),
        tried=tuple(inputs["tried"]),
        now=datetime.fromisoformat(inputs["now"]),
        started_at=None if started_at is None else datetime.fromisoformat(started_at),
        reserved=None if reserved is None else Reserved(**reserved),
        promised_payout_micros=inputs.get("promised_payout_micros"),
    )
