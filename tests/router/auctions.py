"""Auctions for tests: one bidder a target, at the paths of bidders.py, with the loopback allowed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from router.auction import Auction, AuctionParts, Clock, now_in_utc
from router.bidder_records import BidderRecords
from router.buyers.addresses import AddressRules
from router.buyers.connections import Resolve
from router.buyers.dialect import Endpoint
from router.buyers.ping_client import PingClient
from router.domain.auction import AuctionResult, AuctionWanted, Bid, BidOutcome
from router.domain.decision import Offer
from router.ping_endpoints import CurrentBidders, bidders_of
from router.ping_gate import PingGate
from router.ping_log import MakeRow, PingLog
from store.session import open_engine
from tests.router.bidders import SECRET

LOOPBACK = AddressRules(allowed=(ip_network("127.0.0.1/32"),), plain_http=True)
NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"


def an_endpoint(target_id: int, url: str, **changes: Any) -> Endpoint:
    return Endpoint(
        **{"target_id": target_id, "dialect": "tollbridge", "url": url, "secret": SECRET, **changes}
    )


def endpoints_at(urls: Sequence[str]) -> list[Endpoint]:
    """Targets 1, 2, … at these URLs."""
    return [an_endpoint(target_id, url) for target_id, url in enumerate(urls, 1)]


def an_offer(target_id: int) -> Offer:
    return Offer(target_id=target_id, buyer_id=target_id, ring_timeout_seconds=20, licences=())


def wanted_from(targets: Sequence[int], **changes: Any) -> AuctionWanted:
    asked = {"stage_id": 7, "deadline_ms": 300, "floor_micros": 0, **changes}
    return AuctionWanted(offers=tuple(an_offer(target) for target in targets), **asked)


class Rows(PingLog):
    """A log that keeps the rows at hand instead of sending them to PostgreSQL."""

    def __init__(self) -> None:
        self.given: list[MakeRow] = []

    def add(self, row: MakeRow) -> None:
        self.given.append(row)


@dataclass
class AuctionForTests:
    auction: Auction
    gate: PingGate
    bidders: CurrentBidders
    records: BidderRecords
    client: PingClient
    given: list[MakeRow] = field(default_factory=list)

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """What was stored, in order."""
        return [make() for make in self.given]


@asynccontextmanager
async def auction_between(
    endpoints: Sequence[Endpoint],
    *,
    rules: AddressRules = LOOPBACK,
    resolve: Resolve | None = None,
    engine: AsyncEngine | None = None,
    clock: Clock = now_in_utc,
) -> AsyncIterator[AuctionForTests]:
    """An auction house with these bidders; PostgreSQL only when an engine is given."""
    async with AsyncExitStack() as stack:
        nowhere = open_engine(NO_DATABASE, application_name="test")
        stack.push_async_callback(nowhere.dispose)
        client = await stack.enter_async_context(PingClient(rules, resolve))
        log: PingLog
        log = Rows() if engine is None else await stack.enter_async_context(PingLog(engine))
        bidders = CurrentBidders(engine or nowhere, rules)
        bidders.current = bidders_of(endpoints, rules)
        gate = PingGate(engine or nowhere)
        records = BidderRecords(engine or nowhere)
        parts = AuctionParts(
            bidders=bidders,
            records=records,
            client=client,
            gate=gate,
            log=log,
            own_hop="house-a",
            clock=clock,
        )
        auction = Auction(parts)
        stack.push_async_callback(auction.close)
        given = log.given if isinstance(log, Rows) else []
        yield AuctionForTests(
            auction=auction, gate=gate, bidders=bidders, records=records, client=client, given=given
        )


def bid_of(result: AuctionResult, target_id: int) -> Bid:
    return next(bid for bid in result.bids if bid.target_id == target_id)


def outcomes(result: AuctionResult) -> list[BidOutcome]:
    return [bid.outcome for bid in result.bids]


def without_times(bid: Bid) -> Bid:
    return replace(bid, arrived_us=None)
