"""The house as its parties meet it: pings, calls, hang-ups and books, on the real code and a real database.

Asterisk alone is played: what it would write of a call is written to the node's files, and the real worker reads them.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from agi.call import InboundCall, caller_of
from agi.inbound_call import progress_of
from agi.offered import decided_body, dial_text, ring_variables
from billing.expected_yield import expected_yield
from ivr_flows.nodes.node import Session
from router.auction import Auction
from router.domain.auction import BidOutcome
from router.domain.counts import Counts
from router.domain.decision import Offer, RouteRequest
from router.domain.hops import hops_of
from router.domain.inbound_bid import InboundBid, NoBid, PublisherKey
from router.domain.ping_limits import PingRecord
from router.inbound_arrival import Claim, claim_reservation, expire_reservations
from router.inbound_bids import InboundBids
from router.ping_judgement import judge_pings
from router.reservations import expire_leases
from router.route_call import Routed, Router
from router.snapshot import CurrentSnapshot
from router.wallet_holds import expire_holds
from store.call_id import call_id_of, started_at_of
from store.tables import audit_log
from tests.adversaries.bidders import judged
from tests.adversaries.bidding import BidderMachine, bids_in
from tests.adversaries.cash_desk import CashDesk
from tests.adversaries.contracts import BIDS_WITHIN_MS, CARRIER_RATE_MICROS, PUBLISHERS, SOUTH
from tests.adversaries.events import CallSeen, Happened, Promise, Question
from tests.adversaries.market import Ids
from tests.adversaries.telephone import Line
from tests.asterisk_files import NodeFiles
from tests.router.markets import PATIENT_SECONDS
from tests.sealing import sealer_at
from tollbridge.worker import Worker, WorkerConfig
from web.rtb.dialects import DIALECTS
from web.rtb.shapes import PingProblem

NODE, NEVER = "a", float("inf")
ASTERISK_SAYS_SECONDS = 15.0
"""So long after a telephone rang Asterisk has said so, however slow it is; the router counts it by itself for 30 s."""
_NOTE = {"actor": "ada@example.com", "via": "page", "action": "change", "kind": "market", "ref": "1"}


@dataclass(kw_only=True)
class OpenCall:
    """A call that is ringing or under way."""

    seen: CallSeen
    line: Line


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
        self.auction, self.folder = auction, folder
        self.happened = Happened()
        self.open: dict[UUID, OpenCall] = {}
        self.routed: list[Routed] = []
        self.problems: list[str] = []
        """What the accountant found wrong at the moment it happened."""
        self.cash = CashDesk(engine, ids, self.happened)
        self.carrier_rate_micros = CARRIER_RATE_MICROS
        self.serial = itertools.count(1)
        self.files = NodeFiles(folder)
        self.router = Router(engine, snapshot, auction, database_seconds=PATIENT_SECONDS)
        pinged = Router(engine, snapshot, auction, hands_over=False, database_seconds=PATIENT_SECONDS)
        self.inbound = InboundBids(engine, snapshot, pinged, network_name="here", yields=expected_yield)
        self.stalled = Router(engine, snapshot, auction, database_seconds=0)
        """Decides as the agi process does while the database does not answer."""
        self.sealer = sealer_at(folder / "roots")
        config = WorkerConfig(
            node=NODE,
            database_url="",
            cel_file=self.files.cel,
            journal_dir=self.files.journal,
            recordings_dir=folder / "recordings",
            snapshot_file=folder / "market.json",
            alive_file=folder / "alive",
            sealer=self.sealer,
        )
        self.worker = Worker(engine, config)
        self.worker._next_sweep = NEVER  # a play goes by its moves, not by how long they take

    async def ping(
        self, caller: str, told: Mapping[str, str], *, dialect: str = "tollbridge"
    ) -> InboundBid | NoBid:
        """Ask as South's machine does, in this dialect; `caller` and `told` as it spells them.

        A bid that holds no room yet is confirmed at once.
        """
        asked, now = len(self.machine.asked), datetime.now(UTC)
        ping = DIALECTS[dialect].read_ping(_fields_of(dialect, caller, told))
        if isinstance(ping, PingProblem):
            return NoBid(ping_id=UUID(int=0), reason=ping.reason, detail=ping.detail)
        holds_room = DIALECTS[dialect].holds_room
        bid = await self.inbound.ping(
            replace(self.key, dialect=dialect), ping, holds_room=holds_room, now=now
        )
        if isinstance(bid, InboundBid) and not bid.repeated:
            await self._note_promise(bid, self.machine.asked_since(asked))
        if isinstance(bid, InboundBid) and not bid.confirmed:
            confirmed = await self.inbound.confirm(self.key, bid.reservation_id, now)
            return confirmed if isinstance(confirmed, NoBid) else bid
        return bid

    async def _note_promise(self, bid: InboundBid, questions: list[Question]) -> None:
        ((target_id,),) = await self.rows(
            "SELECT target_id FROM rtb_reservations WHERE id = :id", id=bid.reservation_id
        )
        promise = Promise(
            publisher=SOUTH.name,
            reservation_id=bid.reservation_id,
            caller=bid.caller,
            payout_micros=bid.payout_micros,
            minimum_ms=bid.minimum_connected_ms,
            buyer=self.ids.buyer_of_target(target_id),
            bids=bids_in(questions),
        )
        self.happened.promises.append(promise)

    async def call(
        self,
        publisher: str,
        caller: str,
        said: Mapping[str, str],
        told: Mapping[str, str] | None = None,
        *,
        spelled: str | None = None,
        router: Router | None = None,
        claims: bool = True,
    ) -> CallSeen:
        """A caller dials the publisher's number and answers the questions; return who rings.

        `told` is what a ping of this caller said before, `spelled` what the carrier writes for the caller; `claims`
        False: the look-up of its reservation is missed.
        """
        line = Line(
            serial=next(self.serial),
            node=NODE,
            start_ms=time.time_ns() // 1_000_000,
            caller=caller if spelled is None else spelled,
            dialled=next(one.number for one in PUBLISHERS if one.name == publisher),
        )
        call_id, heard = call_id_of(line.linkedid), caller_of(line.caller)
        if (heard or "") != caller:
            self.problems.append(f"{line.caller!r} is {caller or 'nobody'!r}, and was read as {heard!r}")
        claim = await self._claim(call_id, publisher, heard) if claims and heard else None
        inbound = InboundCall(linkedid=line.linkedid, dialled=line.dialled, caller=heard)
        progress, _ = progress_of(Session(node="route", tags=said), claim, inbound, self.snapshot.current)
        request = RouteRequest(
            call_id=str(call_id),
            campaign_id=self.ids.campaign,
            publisher_id=self.ids.publishers[publisher],
            dialled=line.dialled,
            caller=heard or None,
            tags=progress.tags,
            now=datetime.now(UTC),
            started_at=started_at_of(line.linkedid),
            hops=hops_of(progress.tags) if claim is None else claim.hops,
            reserved=None if claim is None else claim.reserved,
            promised_payout_micros=None if claim is None else claim.payout_micros,
        )
        self._write_start(line, publisher, progress.tags)
        self.happened.waiting = await self.waiting_promises()
        asked, began = len(self.machine.asked), time.monotonic()
        # What rang a moment ago Asterisk has perhaps not said yet: that is the router's to know.
        legs = Counts(concurrency=self.legs_in_use(rung_before_seconds=ASTERISK_SAYS_SECONDS))
        routed = await (router or self.router).route_call(request, attempt=1, fallback_counts=legs)
        took_ms = (time.monotonic() - began) * 1000
        self.routed.append(routed)
        line.targets = tuple(offer.target_id for offer in routed.ringing)
        self._write_decided(line, routed)
        seen = self._seen(call_id, publisher, caller, routed, claim, self.machine.asked_since(asked))
        seen.facts = {**(told or {}), **said}
        seen.late = self._late(routed) if took_ms >= BIDS_WITHIN_MS else ()
        self.happened.calls[call_id] = seen
        self.open[call_id] = OpenCall(seen=seen, line=line)
        await self.worker.read_and_settle()
        return seen

    async def _claim(self, call_id: UUID, publisher: str, caller: str) -> Claim | None:
        number_id, now = self.ids.numbers[publisher], datetime.now(UTC)
        return await claim_reservation(self.engine, call_id, number_id=number_id, caller=caller, now=now)

    def _seen(
        self,
        call_id: UUID,
        publisher: str,
        caller: str,
        routed: Routed,
        claim: Claim | None,
        questions: list[Question],
    ) -> CallSeen:
        promise = None
        if claim is not None:
            promise = next(
                one for one in self.happened.promises if one.reservation_id == claim.reservation_id
            )
        rung = tuple(self.ids.buyer_of_target(offer.target_id) for offer in routed.ringing)
        made = {**(promise.bids if promise else {}), **bids_in(questions)}
        offers = zip(rung, routed.ringing, strict=True)
        bids = {
            buyer: made[buyer] for buyer, offer in offers if offer.bid_micros is not None and buyer in made
        }
        return CallSeen(
            call_id=call_id,
            number=len(self.happened.calls) + 1,
            publisher=publisher,
            caller=caller,
            facts={},
            rung=rung,
            places=tuple(map(self._place, routed.ringing)),
            claimed=promise,
            bids=bids,
            outbid={buyer: bid for buyer, bid in bids_in(questions).items() if buyer not in bids},
            posted=tuple(one.buyer for one in questions if one.is_post),
            refused_by=tuple(one.buyer for one in questions if one.is_post and not one.takes),
            carrier_rate_micros=self.carrier_rate_micros,
            fell_back=bool(routed.problem),
        )

    def _late(self, routed: Routed) -> tuple[str, ...]:
        """Return whose answers came after the auction was over, as the decision says."""
        bids = (bid for result in routed.decision.auctions for bid in result.bids)
        return tuple(
            self.ids.buyer_of_target(bid.target_id) for bid in bids if bid.outcome is BidOutcome.LATE
        )

    def _place(self, offer: Offer) -> str:
        """Return what Dial rings: the target's own address, unless its bid named another."""
        market = self.snapshot.current
        own = market.targets[offer.target_id].sip_uri
        dialled = dial_text(offer, own, market.dialling)
        return own if dialled == f"PJSIP/target-{offer.target_id}" else dialled

    def _write_start(self, line: Line, publisher: str, tags: Mapping[str, str]) -> None:
        self.files.write_cel(*line.begins())
        matched = {
            "kind": "call_matched",
            "tracking_number_id": self.ids.numbers[publisher],
            "campaign_id": self.ids.campaign,
            "publisher_id": self.ids.publishers[publisher],
            "flow_name": "direct",
            "flow_version": 1,
        }
        self._journal(line, matched)
        self._journal(line, {"kind": "tagged", "tags": dict(tags)})

    def _write_decided(self, line: Line, routed: Routed) -> None:
        # What the dialplan is told: tags that are too long would be noticed here, with room taken.
        market, request = self.snapshot.current, routed.decision.request
        ring_variables(market, routed.ringing, lambda prompt: False, tags=request.tags, tried=request.tried)
        body = decided_body(routed.decision, attempt=1, decided_by="router", duration_us=routed.duration_us)
        self._journal(line, {"kind": "decided", **body, "decision": routed.to_json()})
        self.files.write_cel(*line.rings())

    def _journal(self, line: Line, body: Mapping[str, Any]) -> None:
        said = {**body, "linkedid": line.linkedid, "at_ms": line.start_ms + 20}
        self.files.write_journal(json.dumps(said) + "\n")

    def answer(self, call_id: UUID, place: int) -> None:
        """The buyer at this place of those who ring answers; the others stop ringing."""
        call = self.open[call_id]
        self.files.write_cel(*call.line.answers(place))
        call.seen.answered_by = call.seen.rung[place]

    def hang_up(self, call_id: UUID, connected_ms: int) -> None:
        """End a call, so long after it was answered by the buyer's own watch."""
        call = self.open.pop(call_id)
        answered = call.seen.answered_by is not None
        call.seen.connected_ms = connected_ms if answered else 0
        self.files.write_cel(*call.line.ends(call.seen.connected_ms))
        call.seen.carrier_ms = call.line.carrier_ms(call.seen.connected_ms)
        call.seen.over = True

    async def sweeps(self, later: timedelta) -> None:
        """Do what the worker's sweep does when so much time is over and no news came."""
        now = datetime.now(UTC) + later
        async with self.engine.begin() as connection:
            await expire_reservations(connection, now)
            await expire_leases(connection, now)
            await expire_holds(connection, now)

    def legs_in_use(self, *, rung_before_seconds: float = 0) -> Counter[int]:
        """How many telephones ring or are in use for so long, by target, as Asterisk itself knows."""
        latest_ms = time.time_ns() / 1_000_000 - rung_before_seconds * 1000
        calls = [one.seen for one in self.open.values() if one.line.start_ms <= latest_ms]
        return Counter(
            self.ids.targets[buyer] for one in calls for buyer in one.rung if one.keeps_busy(buyer)
        )

    async def counts_bidders(self) -> None:
        """Count what bidders' wins came to, as the worker does each minute; all processes hear of it."""
        await self.auction._parts.log.flush()
        await self.worker.count_bidders()
        await self.auction._parts.records.refresh()
        self.happened.judged = judged(self.happened)

    async def counts_pings(self, at: datetime) -> None:
        """Count pings and calls, as the worker does each minute, at this moment; South's next ping goes by it."""
        async with self.engine.begin() as connection:
            await judge_pings(connection, at)
        ((warned_at,),) = await self.rows("SELECT warned_at FROM rtb_keys WHERE id = :id", id=self.key.id)
        self.key = replace(self.key, record=PingRecord(warned_at=warned_at))

    async def hears_what_is_known(self) -> None:
        """Read what calls without the database go by, as a running process does each second."""
        await self.stalled.keep_last_known(self.folder / "market.json", self.files.journal, 24)
        keeper = self.stalled._database.last_known
        await keeper._shared.read_since(time.monotonic())
        await keeper.refresh(self.snapshot.current, all_of_it=True)

    def looks_for_what_rang(self) -> None:
        """Read what rang without the database from the files, as a running process does each second."""
        self.stalled._database.last_known._look_for_rung()

    async def settle(self) -> None:
        """Let the worker read, settle and sweep, until there is nothing more to do."""
        self.worker._next_sweep = 0.0
        for _ in range(20):
            before = self.worker._cel.stored + self.worker._journal.stored
            await self.worker.read_and_settle()
            if self.worker._cel.stored + self.worker._journal.stored == before:
                break
        self.worker._next_sweep = NEVER

    async def seals(self) -> None:
        """Let the worker chain and sum up what was posted."""
        await self.worker.seal()
        await self.worker.fold()

    async def rows(self, sql: str, **values: Any) -> Sequence[Any]:
        async with self.engine.connect() as connection:
            return (await connection.execute(text(sql), values)).all()

    async def waiting_promises(self) -> list[Promise]:
        """Return the promises on which no call has come, and which the house has not ended."""
        rows = await self.rows("SELECT id FROM rtb_reservations WHERE state IN ('open', 'confirmed')")
        waiting = {row.id for row in rows}
        return [one for one in self.happened.promises if one.reservation_id in waiting]

    async def change(self, sql: str, **values: Any) -> None:
        """What an admin does on a page: change the market with a note of it, and have it live."""
        async with self.engine.begin() as connection:
            await connection.execute(text(sql), values)
            await connection.execute(insert(audit_log), {**_NOTE, "after": {"changed": sql}})
        await self.snapshot.refresh()


def _fields_of(dialect: str, caller: str, told: Mapping[str, str]) -> dict[str, Any]:
    """Return a ping as it is spelled in a dialect."""
    if dialect == "tollbridge":
        return {"version": 1, "kind": "ping", "ping_id": "p", "caller": caller, "answers": dict(told)}
    return {**told, ("CID" if dialect == "ringba" else "caller_number"): caller}
