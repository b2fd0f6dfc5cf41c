"""Hands a call to everybody who bid for it and is to ring beside the winner: nobody rings who was not told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from router.domain.auction import AuctionResult, AuctionWanted, Bid, PostAnswer
from router.domain.decision import Decision, Offer, RouteRequest
from router.routing import Routing


class Bidding(Protocol):
    """Who asks bidders: router.auction.Auction."""

    async def run(self, wanted: AuctionWanted, request: RouteRequest) -> AuctionResult: ...

    async def post(self, bid: Bid, request: RouteRequest, *, stage_id: int = 0) -> PostAnswer: ...


async def post_to_those_beside(
    bidding: Bidding, routing: Routing, decision: Decision, ringing: Sequence[Offer]
) -> tuple[bool, ...]:
    """Post to all of `ringing` but its first, at once. Returns who of `ringing` may be rung.

    Who made no bid is rung without a post, as in every other stage.
    """
    beside = [replace(decision, chosen=offer) for offer in ringing[1:]]
    bids = [routing.winning_bid(one) for one in beside]
    asked = [(one, bid) for one, bid in zip(beside, bids, strict=True) if bid is not None]
    if not asked:
        return (True,) * len(ringing)
    with routing.timed("post"):
        answers = await asyncio.gather(
            *(bidding.post(bid, routing.request, stage_id=one.stage_id or 0) for one, bid in asked)
        )
    refused = set()
    for (one, bid), said in zip(asked, answers, strict=True):
        answer = routing.judge_post(bid, said)
        routing.note_post(one, answer)
        if not answer.accepted:
            refused.add(bid.target_id)
    return tuple(offer.target_id not in refused for offer in ringing)
