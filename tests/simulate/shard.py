"""One node of a simulation: writes what its Asterisk would, lets the real worker settle it, and kills the worker."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import random
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import LRUCache

from billing.adjustments import Adjustment, adjustment_postings
from billing.dispute_calls import DisputeOpened, decide_dispute, open_dispute
from billing.disputes import Reason
from billing.post_once import post_once
from billing.terms_document import Party
from store.call_id import call_id_of
from store.faults import is_fault_of_data
from store.session import open_engine
from tests.asterisk_files import NodeFiles
from tests.sealing import sealer_at
from tests.simulate.deaths import Deaths, Died
from tests.simulate.oracle import Sums, credit, settle_cluster, terms_at
from tests.simulate.world import Planned, World, plan_clusters, save_edit
from tollbridge.worker import Worker, WorkerConfig

T = TypeVar("T")

DEATH_RATE = 0.3
"""Of passes of the worker that are killed somewhere."""
REFUND_MICROS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Faulty:
    """How a shard's luck is."""

    death_rate: float = DEATH_RATE
    cuts: bool = True
    """Whether connections of the whole server are cut now and then."""
    chunk_clusters: int = 400
    """Callers whose calls are written before the worker is nudged."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """What the oracle says of a shard, how often its worker died, and how often the server was away from it."""

    sums: Sums
    deaths: int
    outages: int


_COMPILED = LRUCache(500)


def _engine(url: str, name: str, pool_size: int) -> AsyncEngine:
    """An engine as a new process opens it, but for the time that compiling the statements anew would take."""
    engine = open_engine(url, application_name=name, pool_size=pool_size, by_key=True)
    engine.sync_engine._compiled_cache = _COMPILED
    return engine


class Shard:
    """Plays the calls of one shard; `sums` is what the oracle says of them."""

    def __init__(self, database_url: str, world: World, seed: int, folder: Path, luck: Faulty) -> None:
        self._url = database_url
        self._world = world
        self._number = world.shard
        self._rng = random.Random(f"{seed}/{world.shard}")
        self._files = NodeFiles(folder)
        self._alive = folder / "alive"
        self._luck = luck
        self._late: list[str] = []
        self._admin = _engine(database_url, "sim-admin", 1)
        self.sums = Sums()
        self.deaths = 0
        self.outages = 0

    async def play(self, calls: int, tell: Callable[[int], None]) -> None:
        """Play so many calls, each settled when this returns."""
        world = self._world
        clusters = plan_clusters(world, self._rng, calls)
        edit = 1
        while chunk := list(itertools.islice(clusters, self._luck.chunk_clusters)):
            last_ms = max(one.happened.start_ms for cluster in chunk for one in cluster)
            while edit < len(world.edits) and world.edits[edit].live_ms <= last_ms:
                await self._once(partial(save_edit, world=world, edit=edit))
                edit += 1
            self._write([one for cluster in chunk for one in cluster])
            if self._rng.random() < 0.8:  # else the nudge is lost: the next one finds more
                await self._settle()
            await self._judge(world, chunk)
            tell(self.sums.calls)
        self._files.write_cel(*self._late)
        await self._settle(sure=True)
        await self._admin.dispose()

    def _write(self, calls: Sequence[Planned]) -> None:
        """Append the calls' lines: mixed up among calls, some out of order, doubled, or late by a chunk."""
        rng = self._rng
        late, self._late = self._late, []
        lines = [line for call in calls for line in call.journal]
        doubled = [line for line in lines if rng.random() < 0.02]
        self._files.write_journal(*lines, *doubled)
        waiting = [self._disordered(call) for call in calls]
        mixed: list[str] = []
        while waiting:
            own = rng.choice(waiting[:40])
            mixed.append(own.pop(0))
            if rng.random() < 0.01:
                mixed.append(rng.choice(mixed))
            if not own:
                waiting.remove(own)
        # A doubled row comes after the first of its kind, never before it: the file is appended to.
        held = rng.randrange(len(mixed)) if rng.random() < 0.5 else len(mixed)
        self._files.write_cel(*late, *mixed[:held])
        self._late = mixed[held:]
        if self._late and rng.random() < 0.5:
            torn = self._late[0]
            half = rng.randrange(len(torn))
            self._files.write_cel(torn[:half])
            self._late[0] = torn[half:]

    def _disordered(self, call: Planned) -> list[str]:
        """Rows of one call as they may come: some change places; the last stays last, as Asterisk writes it."""
        *rows, last = call.cel
        for place in range(len(rows) - 1):
            if self._rng.random() < 0.05:
                rows[place], rows[place + 1] = rows[place + 1], rows[place]
        return [*rows, last]

    async def _settle(self, *, sure: bool = False) -> None:
        """Let the worker do its step until it survives it."""
        for attempt in itertools.count():
            dies = not sure and attempt < 5 and self._rng.random() < self._luck.death_rate
            engine = _engine(self._url, f"sim-{self._number}", 8)
            deaths = Deaths(engine, self._rng.randrange(1, 400) if dies else None)
            try:
                await self._step(engine)
                return
            except (Died, Exception) as fault:
                self._take(fault, deaths)
                await asyncio.sleep(0 if deaths.happened else 0.2)
            finally:
                await engine.dispose()

    async def _step(self, engine: AsyncEngine) -> None:
        if self._luck.cuts and self._rng.random() < 0.02:
            await self._cut_all(engine)
        worker = self._worker(engine)
        if self._rng.random() < 0.1:  # nudged twice: two workers at once
            other = self._worker(engine)
            faults = await asyncio.gather(
                worker.read_and_settle(), other.read_and_settle(), return_exceptions=True
            )
            for fault in faults:
                if fault is not None:
                    raise fault
        # A pass reads some thousand lines at most, and nudges may have been lost before.
        for _ in range(20):
            stored = worker._cel.stored + worker._journal.stored
            await worker.read_and_settle()
            if worker._cel.stored + worker._journal.stored == stored:
                break
        await worker.seal()
        await worker.fold()

    def _worker(self, engine: AsyncEngine) -> Worker:
        config = WorkerConfig(
            node=f"s{self._number}",
            database_url=self._url,
            cel_file=self._files.cel,
            journal_dir=self._files.journal,
            recordings_dir=self._files.journal.parent / "recordings",
            snapshot_file=self._files.journal.parent / "market.json",
            alive_file=self._alive,
            # Several nodes that seal by one key, each with a folder of roots of its own.
            sealer=sealer_at(self._alive.parent / "roots"),
        )
        return Worker(engine, config)

    async def _cut_all(self, engine: AsyncEngine) -> None:
        """What a restarting server does to its clients."""
        async with engine.connect() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )

    def _take(self, fault: BaseException, deaths: Deaths | None) -> None:
        """Go on after a death or a fault of the outside; anything else is what we are looking for."""
        if deaths and deaths.happened:
            self.deaths += 1
        elif not isinstance(fault, Exception) or is_fault_of_data(fault):
            raise fault
        else:
            self.outages += 1

    async def _judge(self, world: World, chunk: Sequence[Sequence[Planned]]) -> None:
        """Tell the oracle what happened; some of what was paid for is disputed or refunded."""
        publisher = f"publisher:{world.publisher}:payable"
        for cluster in chunk:
            buyer = world.buyers[cluster[0].buyer]
            account = f"buyer:{buyer}:receivable"
            happened = [one.happened for one in cluster]
            price = settle_cluster(self.sums, happened, world.edits, account, publisher)
            if price is not None and len(cluster) == 1 and self._rng.random() < 0.03:
                share = self._rng.choice((0, price, price // 30_000 * 10_000))
                if await self._dispute(call_id_of(cluster[0].linkedid), share):
                    payout = terms_at(world.edits, happened[0].start_ms).payout
                    credit(self.sums, happened[0].state, price, payout, share, account, publisher)
            if price is not None and self._rng.random() < 0.01:
                await self._refund(buyer, cluster[0].linkedid)
                self.sums.move("revenue", account, REFUND_MICROS)

    async def _dispute(self, call_id: UUID, share: int) -> bool:
        """Return a settled call, twice over as somebody does who heard no answer. False: it is not settled yet."""
        now = dt.datetime.now(dt.UTC)
        opened = await self._once(
            lambda connection: open_dispute(connection, call_id, reason=Reason.SPAM, note="", now=now)
        )
        if not isinstance(opened, DisputeOpened):
            found = text("SELECT id FROM disputes WHERE call_id = :call_id")
            number = await self._once(lambda connection: connection.scalar(found, {"call_id": call_id}))
            if number is None:
                return False
            opened = DisputeOpened(dispute_id=number, price_micros=0)
        for _ in range(2):
            await self._once(
                lambda connection: decide_dispute(
                    connection, opened.dispute_id, credit_micros=share, answer="", now=now
                )
            )
        return True

    async def _refund(self, buyer: int, key: str) -> None:
        given = Adjustment(
            party=Party.BUYER, party_id=buyer, amount_micros=REFUND_MICROS, key=key, reason="kindness"
        )
        for _ in range(2):
            await self._once(
                lambda connection: post_once(
                    connection, kind=given.kind, postings=adjustment_postings(given), detail={}
                )
            )

    async def _once(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do something in a transaction until it is committed; it may die on the way, even after its commit."""
        while True:
            dies = self._rng.random() < self._luck.death_rate / 3
            # Who is not to die keeps the connection, as a process that lives does.
            engine = _engine(self._url, "sim-admin", 1) if dies else self._admin
            deaths = Deaths(engine, self._rng.randrange(1, 12)) if dies else None
            try:
                async with engine.begin() as connection:
                    return await work(connection)
            except (Died, Exception) as fault:
                self._take(fault, deaths)
                await asyncio.sleep(0 if deaths and deaths.happened else 0.2)
            finally:
                if dies:
                    await engine.dispose()


async def play_shard(
    database_url: str, world: World, seed: int, calls: int, luck: Faulty, tell: Callable[[int], None]
) -> Played:
    """Play one shard; `tell` hears how many of its calls are through."""
    with tempfile.TemporaryDirectory() as folder:
        shard = Shard(database_url, world, seed, Path(folder), luck)
        await shard.play(calls, tell)
        return Played(sums=shard.sums, deaths=shard.deaths, outages=shard.outages)
