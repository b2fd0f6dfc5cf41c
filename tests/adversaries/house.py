"""The house as its parties meet it: pings, calls, hang-ups and books, on the real code and a real database.

Asterisk alone is played: what it would write of a call is written to the node's files, and the real worker reads them.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from agi.offered import decided_body
from billing.expected_yield import expected_yield
from billing.invoice import Invoice
from billing.pay_invoice import pay_invoice
from billing.payments import Direction, Payment
from billing.post_once import Posted
from billing.record_payment import record_payment
from router.auction import Auction
from router.auction_house import open_auctions
from router.buyers.addresses import AddressRules
from router.domain.caller_facts import told_of_caller, with_caller_state
from router.domain.decision import RouteRequest
from router.domain.hops import hops_of
from router.domain.inbound_bid import InboundBid, NoBid, PublisherKey
from router.endpoint_admin import set_endpoint
from router.inbound_arrival import claim_reservation
from router.inbound_bids import InboundBids
from router.route_call import Routed, Router
from router.snapshot import CurrentSnapshot
from store.call_id import call_id_of
from store.session import open_engine
from tests.adversaries.bidding import SECRET, BidderMachine, bidder_machine
from tests.adversaries.contracts import BUYERS, PUBLISHERS, SHARE_OF_SOUTH, SOUTH
from tests.adversaries.events import BidMade, CallSeen, Cash, Happened, Promise
from tests.adversaries.market import Ids, write_market
from tests.asterisk_files import CallStory, NodeFiles, cel_lines
from tests.router.markets import PATIENT_SECONDS
from tests.sealing import sealer_at
from tollbridge.worker import Worker, WorkerConfig
from web.rtb.dialects import DIALECTS
from web.rtb.publisher_keys import KeyMade, KeyWanted, add_key, digest_of
from web.rtb.queries import key_of_digest
from web.rtb.shapes import PingProblem

_CASH = "SELECT coalesce(sum(amount_micros), 0)::bigint FROM ledger_postings WHERE account = 'cash'"
LOOPBACK = AddressRules(allowed=(ip_network("127.0.0.1/32"),), plain_http=True)
NODE = "a"


@dataclass(kw_only=True)
class OpenCall:
    """A call that is ringing or under way."""

    seen: CallSeen
    story: CallStory


class House:
    """One play's house. Use `open_house`."""

    def __init__(
        self,
        engine: AsyncEngine,
        ids: Ids,
        key: PublisherKey,
        snapshot: CurrentSnapshot,
        auction: Auction,
        machine: BidderMachine,
        folder: Path,
    ) -> None:
        self.engine, self.ids, self.key, self.snapshot, self.machine = engine, ids, key, snapshot, machine
        self.folder = folder
        self.happened = Happened()
        self.open: dict[UUID, OpenCall] = {}
        self.routed: list[Routed] = []
        self.problems: list[str] = []
        """What the accountant found wrong at the moment it happened."""
        self.disputes: dict[int, UUID] = {}
        """Open disputes, and their calls."""
        self.invoices: list[tuple[int, str]] = []
        """Issued invoices that nobody paid, and whose they are."""
        self.serial = itertools.count(1)
        self._files = NodeFiles(folder)
        self.router = Router(engine, snapshot, auction, database_seconds=PATIENT_SECONDS)
        pinged = Router(engine, snapshot, auction, hands_over=False, database_seconds=PATIENT_SECONDS)
        self._inbound = InboundBids(engine, snapshot, pinged, network_name="here", yields=expected_yield)
        self.stalled = Router(engine, snapshot, auction, database_seconds=0)
        """Decides as the agi process does while the database does not answer."""
        self.sealer = sealer_at(folder / "roots")
        config = WorkerConfig(
            node=NODE,
            database_url="",
            cel_file=self._files.cel,
            journal_dir=self._files.journal,
            recordings_dir=folder / "recordings",
            alive_file=folder / "alive",
            sealer=self.sealer,
        )
        self.worker = Worker(engine, config)

    async def ping(
        self, caller: str, told: Mapping[str, str], *, least: str | None = None
    ) -> InboundBid | NoBid:
        """Ask as South's machine does, in our own dialect."""
        asked: dict[str, Any] = {
            "version": 1,
            "kind": "ping",
            "ping_id": "p",
            "caller": caller,
            "answers": dict(told),
        }
        if least is not None:
            asked["least_bid"] = least
        ping = DIALECTS["tollbridge"].read_ping(asked)
        if isinstance(ping, PingProblem):
            return NoBid(ping_id=UUID(int=0), reason=ping.reason, detail=ping.detail)
        bid = await self._inbound.ping(self.key, ping, holds_room=True, now=datetime.now(UTC))
        if isinstance(bid, InboundBid) and not bid.repeated:
            self.happened.promises.append(
                Promise(
                    publisher=SOUTH.name,
                    reservation_id=bid.reservation_id,
                    caller=bid.caller,
                    payout_micros=bid.payout_micros,
                    minimum_ms=bid.minimum_connected_ms,
                )
            )
        return bid

    async def call(
        self,
        publisher: str,
        caller: str,
        said: Mapping[str, str],
        told: Mapping[str, str] | None = None,
        *,
        router: Router | None = None,
        claims: bool = True,
    ) -> CallSeen:
        """A caller dials the publisher's number and answers the questions; return who rings.

        `told` is what a ping of this caller said before; `claims` False: the look-up of its reservation is missed.
        """
        number = next(one.number for one in PUBLISHERS if one.name == publisher)
        story = CallStory(
            serial=next(self.serial),
            node=NODE,
            start_ms=time.time_ns() // 1_000_000,
            caller=caller,
            dialled=number,
        )
        call_id = call_id_of(story.linkedid)
        claim = None
        if claims and caller:
            claim = await claim_reservation(
                self.engine,
                call_id,
                number_id=self.ids.numbers[publisher],
                caller=caller,
                now=datetime.now(UTC),
            )
        tags = told_of_caller({} if claim is None else claim.tags, dict(said))
        market = self.snapshot.current
        tags = with_caller_state(tags, caller, market.area_codes, market.zip_codes)
        request = RouteRequest(
            call_id=str(call_id),
            campaign_id=self.ids.campaign,
            publisher_id=self.ids.publishers[publisher],
            dialled=number,
            caller=caller or None,
            tags=tags,
            now=datetime.now(UTC),
            hops=hops_of(tags) if claim is None else claim.hops,
            reserved=None if claim is None else claim.reserved,
            promised_payout_micros=None if claim is None else claim.payout_micros,
        )
        self._write_start(story, publisher, tags)
        routed = await (router or self.router).route_call(request, attempt=1)
        self.routed.append(routed)
        self._write_decided(story, routed)
        seen = self._seen(call_id, publisher, caller, {**(told or {}), **said}, routed, claim)
        story = replace(story, target_id=routed.ringing[0].target_id if routed.ringing else 0)
        self.happened.calls[call_id] = seen
        self.open[call_id] = OpenCall(seen=seen, story=story)
        await self.worker.read_and_settle()
        return seen

    def _seen(
        self,
        call_id: UUID,
        publisher: str,
        caller: str,
        facts: Mapping[str, str],
        routed: Routed,
        claim: Any,
    ) -> CallSeen:
        names = {target_id: name for name, target_id in self.ids.targets.items()}
        promise = None
        if claim is not None:
            promise = next(
                one for one in self.happened.promises if one.reservation_id == claim.reservation_id
            )
        rung = tuple(names[offer.target_id] for offer in routed.ringing)
        bids = {
            names[offer.target_id]: BidMade(
                buyer=names[offer.target_id],
                bid_micros=self.machine.moods[names[offer.target_id]].bid_micros,
                minimum_ms=self.machine.moods[names[offer.target_id]].minimum_ms,
            )
            for offer in routed.ringing
            if names[offer.target_id] in self.machine.moods and offer.bid_micros is not None
        }
        return CallSeen(
            call_id=call_id,
            publisher=publisher,
            caller=caller,
            facts=facts,
            rung=rung,
            claimed=promise,
            bids=bids,
            fell_back=bool(routed.problem),
        )

    def _write_start(self, story: CallStory, publisher: str, tags: Mapping[str, str]) -> None:
        self._files.write_cel(*cel_lines(story)[:3])
        matched = {
            "kind": "call_matched",
            "tracking_number_id": self.ids.numbers[publisher],
            "campaign_id": self.ids.campaign,
            "publisher_id": self.ids.publishers[publisher],
            "flow_name": "direct",
            "flow_version": 1,
        }
        self._journal(story, matched)
        self._journal(story, {"kind": "tagged", "tags": dict(tags)})

    def _write_decided(self, story: CallStory, routed: Routed) -> None:
        body = decided_body(routed.decision, attempt=1, decided_by="router", duration_us=routed.duration_us)
        self._journal(story, {"kind": "decided", **body, "decision": routed.to_json()})

    def _journal(self, story: CallStory, body: Mapping[str, Any]) -> None:
        line = {**body, "linkedid": story.linkedid, "at_ms": story.start_ms + 20}
        self._files.write_journal(json.dumps(line) + "\n")

    async def hang_up(self, call_id: UUID, *, connected_ms: int | None, clock_step_ms: int = 0) -> None:
        """End a call: its first buyer talked for so long by its own watch, or did not answer (None).

        The wall clock of the switch steps by `clock_step_ms` while they talk.
        """
        call = self.open.pop(call_id)
        if not call.seen.rung:
            connected_ms = None
        story = replace(call.story, connected_ms=connected_ms, **self._stepped(clock_step_ms))
        lines = cel_lines(story)[3:]
        if not call.seen.rung:
            lines = [
                line for line in lines if f"target-{story.target_id}-" not in line and '"DIALEND"' not in line
            ]
        self._files.write_cel(*lines)
        call.seen.answered_by = call.seen.rung[0] if connected_ms is not None else None
        call.seen.connected_ms = connected_ms or 0
        call.seen.over = True

    def _stepped(self, clock_step_ms: int) -> dict[str, int]:
        return {"clock_step_ms": clock_step_ms} if clock_step_ms else {}

    async def takes_payment(self, buyer: str, amount_micros: int, reference: str) -> bool:
        """A buyer's payment arrives and is recorded as a top-up; say whether the house took it."""
        payment = Payment(
            direction=Direction.TOP_UP,
            party_id=self.ids.buyers[buyer],
            amount_micros=amount_micros,
            key=reference,
        )
        return await self.records(payment, buyer)

    async def records(self, payment: Payment, party: str) -> bool:
        """Record money that comes in or goes out. It changes hands once for each reference."""
        async with self.engine.begin() as connection:
            done = isinstance(await record_payment(connection, payment), Posted)
        sign = 1 if payment.direction is Direction.TOP_UP else -1
        if done:
            cash = Cash(party=party, amount_micros=sign * payment.amount_micros, reference=payment.key)
            self.happened.cash.setdefault(payment.key, cash)
        return done

    def note_credit(self, call_id: UUID, credit_micros: int, claw_back_micros: int) -> None:
        """The house gave something back."""
        credits, claw_backs = self.happened.credits, self.happened.claw_backs
        credits[call_id] = credits.get(call_id, 0) + credit_micros
        claw_backs[call_id] = claw_backs.get(call_id, 0) + claw_back_micros

    async def pays_invoice(self, invoice_id: int, buyer: str, reference: str) -> None:
        """The wire of an invoice arrives: so much changes hands as its lines left due, once."""
        async with self.engine.begin() as connection:
            before = await connection.scalar(text(_CASH))
            paid = await pay_invoice(connection, invoice_id, datetime.now(UTC), key=reference)
            amount = await connection.scalar(text(_CASH)) - before
        if isinstance(paid, Invoice) and amount:
            cash = Cash(party=buyer, amount_micros=amount, reference=reference)
            self.happened.cash.setdefault(reference, cash)

    async def switches_how_it_pays(self, buyer: str) -> None:
        """An admin lets a buyer pay in advance, or by invoice again."""
        await self.change(
            "UPDATE buyers SET prepaid = NOT prepaid, credit_limit_micros = CASE WHEN prepaid THEN NULL"
            " ELSE 1000000000 END WHERE id = :id",
            id=self.ids.buyers[buyer],
        )

    async def hears_what_is_known(self) -> None:
        """Read what calls without the database go by, as a running process does each second."""
        await self.stalled.keep_last_known(self.folder / "market.json", self._files.journal, 24)
        await self.stalled._database.last_known.refresh(self.snapshot.current, all_of_it=True)

    async def settle(self) -> None:
        """Let the worker do all it has to do."""
        for _ in range(20):
            before = self.worker._cel.stored + self.worker._journal.stored
            await self.worker.read_and_settle()
            if self.worker._cel.stored + self.worker._journal.stored == before:
                break
        await self.worker.seal()
        await self.worker.fold()

    async def rows(self, sql: str, **values: Any) -> Sequence[Any]:
        async with self.engine.connect() as connection:
            return (await connection.execute(text(sql), values)).all()

    async def change(self, sql: str, **values: Any) -> None:
        """What an admin does on a page: change the market, and have it live."""
        async with self.engine.begin() as connection:
            await connection.execute(text(sql), values)
        await self.snapshot.refresh()


@asynccontextmanager
async def open_house(database_url: str, folder: Path) -> AsyncIterator[House]:
    """Open a house on a fresh, migrated database, with its market, endpoints and deposits."""
    async with AsyncExitStack() as stack:
        engine = open_engine(database_url, application_name="house", pool_size=12)
        stack.push_async_callback(engine.dispose)
        ids = await write_market(engine)
        bidders = tuple(one.name for one in BUYERS if one.bids)
        machine = await stack.enter_async_context(bidder_machine(bidders))
        for name in bidders:
            said = {"dialect": "tollbridge", "url": machine.url(name), "secret": SECRET}
            await set_endpoint(engine, ids.targets[name], said, LOOPBACK)
        key = await _key(engine)
        snapshot = CurrentSnapshot(engine, folder / "market.json")
        await snapshot.load()
        auction = await stack.enter_async_context(open_auctions(engine, own_hop="here", rules=LOOPBACK))
        house = House(engine, ids, key, snapshot, auction, machine, folder)
        for contract in BUYERS:
            if contract.deposit_micros is not None:
                await house.takes_payment(
                    contract.name, contract.deposit_micros, f"deposit of {contract.name}"
                )
        yield house


async def _key(engine: AsyncEngine) -> PublisherKey:
    made = await add_key(
        engine,
        KeyWanted(
            publisher=SOUTH.name,
            campaign="Mortgage",
            dialect="tollbridge",
            rate_per_minute=100_000,
            share_percent=SHARE_OF_SOUTH,
        ),
    )
    assert isinstance(made, KeyMade), made
    async with engine.connect() as connection:
        key = await key_of_digest(connection, digest_of(made.key))
    assert key is not None
    return key
