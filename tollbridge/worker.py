"""The worker process of a node: brings what happened to PostgreSQL and settles it.

Every loop waits when PostgreSQL is down and goes on when it is back. Being killed anywhere loses nothing: each step is
one transaction that can be done again.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agi import cel_queries
from agi import queries as agi_queries
from agi.cel import CelRow, call_record
from agi.cel_reader import CelReader
from agi.clock import ClockFile
from agi.journal_reader import JournalReader
from agi.recordings import Recordings
from agi.voice_messages import VoiceMessages, clear_erased
from billing import queries as billing_queries
from billing.call_record import CallRecord
from billing.number_costs import post_number_costs
from billing.ping_costs import post_ping_costs
from billing.rollups_queries import AT_ONCE as FOLD_TRANSACTIONS
from billing.rollups_queries import fold_pending
from billing.seal import ChainForked, Sealer, seal_next_batch
from billing.seal_queries import CHAINS, Chain
from billing.settle_call import NotSettled, Settlement, settle_calls
from billing.situation_queries import forget_tier_counts
from billing.wallet_watch import watch_wallets
from router.bidder_records import count_records
from router.inbound_arrival import expire_reservations, forget_reservations
from router.last_known_file import rung_path
from router.ping_judgement import judge_pings
from router.reservations import attempts_that_hold, expire_leases, release_leases
from router.rung_without_database import set_aside, take_room
from router.wallet_holds import expire_holds, release_unanswered
from store.faults import is_deadlock, is_fault_of_data
from store.session import open_engine
from tollbridge.sealed_database import say_which_keys
from tollbridge.testcall_queue import LOOK_SECONDS, Telephone, TestCallQueue
from web.api.queries import delete_old_answers

if TYPE_CHECKING:
    from web.mail import MailConfig

log = logging.getLogger(__name__)

POLL_SECONDS = 0.05
SWEEP_SECONDS = 1.0
RECORDINGS_SECONDS = 1.0
TIDY_SECONDS = 60.0
COUNT_BIDDERS_SECONDS = 15.0
MAIL_SECONDS = 2.0
RETRY_SECONDS = 0.5
RETRY_AT_MOST_SECONDS = 5.0
SETTLE_AT_ONCE = 4
SETTLE_BATCH = 200
SETTLE_TOGETHER = 40
"""Calls in one transaction of the database when many wait: what is locked is not locked for long."""
UNMATCHED_WAIT = dt.timedelta(seconds=2)
"""How long an ended call without a matched number waits for a late journal line."""
STALE_AFTER_MS = 24 * 3_600_000
"""No call lasts longer; one whose end was never told is closed then."""


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """What the worker needs to know of its node."""

    node: str
    database_url: str
    cel_file: Path
    journal_dir: Path
    recordings_dir: Path
    voicemail_dir: Path | None = None
    """Where Asterisk writes what callers leave; None: not on this node."""
    snapshot_file: Path
    """The agi process' copy of the market: beside it is what was known last."""
    # Test calls are placed with it; none: they are not this worker's.
    telephone: Telephone | None = None
    # Touched each second while the worker lives: the supervisor looks at its time.
    alive_file: Path
    # Kept by the worker as well as by the agi process; none: not by this one.
    clock_file: Path | None = None
    mail: MailConfig | None = None
    """How people are told of wallets; None: they see it on their pages."""
    sealer: Sealer | None = None
    """How it seals and signs; None: it does not."""


async def run_worker(config: WorkerConfig, stop: asyncio.Event | None = None) -> None:
    """Run until `stop` is set (for ever without one). Never ends because of an outside fault."""
    stop = stop or asyncio.Event()
    engine = open_worker_engine(config.database_url, node=config.node, pool_size=SETTLE_AT_ONCE + 5)
    worker = Worker(engine, config)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_stay_alive(config.alive_file, stop))
            tasks.create_task(_repeat(worker.read_and_settle, POLL_SECONDS, stop))
            tasks.create_task(_repeat(worker.seal, SWEEP_SECONDS, stop))
            tasks.create_task(_repeat(worker.tend_sounds, RECORDINGS_SECONDS, stop))
            tasks.create_task(_repeat(worker.fold, SWEEP_SECONDS, stop))
            tasks.create_task(_repeat(worker.tidy, TIDY_SECONDS, stop))
            tasks.create_task(_repeat(worker.count_bidders, COUNT_BIDDERS_SECONDS, stop))
            if config.mail is not None:
                tasks.create_task(_repeat(_mails_of(engine, config.mail), MAIL_SECONDS, stop))
            if config.clock_file is not None:
                tasks.create_task(_until(stop, ClockFile(config.clock_file).keep()))
            if config.telephone is not None:
                queue = TestCallQueue(engine, node=config.node, telephone=config.telephone)
                tasks.create_task(_repeat(queue.look, LOOK_SECONDS, stop))
    finally:
        await engine.dispose()


def open_worker_engine(database_url: str, *, node: str, pool_size: int) -> AsyncEngine:
    """Return an engine as a worker wants it: its first connections see an empty ledger, and live for months."""
    return open_engine(database_url, application_name=f"worker-{node}", pool_size=pool_size, by_key=True)


class Worker:
    """The steps of the loops. Each may be called at any time and again."""

    def __init__(self, engine: AsyncEngine, config: WorkerConfig) -> None:
        self._engine = engine
        self._node = config.node
        self._sealer = config.sealer
        self._forks: set[str] = set()
        self._cel = CelReader(engine, node=config.node, file=config.cel_file, release=_release_attempts)
        self._journal = JournalReader(engine, node=config.node, directory=config.journal_dir)
        self.recordings = Recordings(engine, node=config.node, directory=config.recordings_dir)
        self._sound_folders = (config.recordings_dir, config.voicemail_dir or config.recordings_dir)
        self._messages = (
            None
            if config.voicemail_dir is None
            else VoiceMessages(engine, node=config.node, directory=config.voicemail_dir)
        )
        self._rung_file = rung_path(config.journal_dir)
        self._snapshot_file = config.snapshot_file
        self._next_sweep = 0.0

    async def tend_sounds(self) -> None:
        """Seal what was recorded and left to its end, and take what may not be kept off the disk."""
        await self.recordings.tend()
        if self._messages is not None:
            await self._messages.tend()
        await clear_erased(self._engine, self._node, *self._sound_folders)

    async def read_and_settle(self) -> None:
        """Read both files, then settle what has ended; sweep once a second.

        The journal is read after Asterisk's file: whatever our services wrote of a call was written before its end.
        """
        set_aside(self._rung_file)
        sweep = time.monotonic() >= self._next_sweep
        boot_ms = await self._newest_boot() if sweep else None
        before = self._cel.stored + self._journal.stored
        cel_read = await self._cel.read()
        journal_read = await self._journal.read()
        # Before anything is settled: what a call came to is counted by its leases.
        await take_room(self._engine, self._rung_file, self._snapshot_file)
        if sweep:
            await self._sweep(boot_ms, files_read=cel_read and journal_read)
            self._next_sweep = time.monotonic() + SWEEP_SECONDS
        if journal_read and (sweep or self._cel.stored + self._journal.stored != before):
            while await self.settle_ready() == SETTLE_BATCH:
                pass

    async def settle_ready(self) -> int:
        """Settle the calls whose time has come, a few at once; return how many were tried."""
        async with self._engine.connect() as connection:
            ready = await billing_queries.calls_to_settle(
                connection, node=self._node, limit=SETTLE_BATCH, unmatched_after=UNMATCHED_WAIT
            )
        waiting = iter(ready)
        lanes = (self._settle_lane(waiting) for _ in range(min(SETTLE_AT_ONCE, len(ready))))
        # All have ended before one's fault is told, so that no settlement is left running on its own.
        faults = [
            fault for fault in await asyncio.gather(*lanes, return_exceptions=True) if fault is not None
        ]
        if faults:
            raise faults[0]
        return len(ready)

    async def seal(self) -> None:
        """Chain what was posted and noted since the last time; what one chain meets does not stop the other."""
        if self._sealer is None:
            return
        for chain in CHAINS:
            try:
                await self._seal_chain(self._sealer, chain)
            except ChainForked as forked:
                if str(forked) not in self._forks:
                    self._forks.add(str(forked))
                    log.error("%s", forked)

    async def _seal_chain(self, sealer: Sealer, chain: Chain) -> None:
        sealed = 1
        # Once more than there is something: what was committed last is written down, too.
        while sealed:
            async with self._engine.begin() as connection:
                sealed = await seal_next_batch(connection, sealer, chain=chain)

    async def fold(self) -> None:
        """Add what was posted since the last time to the sums that reports read."""
        folded = FOLD_TRANSACTIONS
        while folded == FOLD_TRANSACTIONS:
            async with self._engine.begin() as connection:
                folded = await fold_pending(connection, FOLD_TRANSACTIONS)

    async def tidy(self) -> None:
        """Rename and drop files that are fully read; post what pings cost; forget old ones that came to nothing."""
        await self._cel.tidy()
        async with self._engine.begin() as connection:
            await post_ping_costs(connection, dt.datetime.now(dt.UTC))
        async with self._engine.begin() as connection:
            await post_number_costs(connection, dt.datetime.now(dt.UTC))
        async with self._engine.begin() as connection:
            await forget_reservations(connection, dt.datetime.now(dt.UTC))
        async with self._engine.begin() as connection:
            await forget_tier_counts(connection, dt.datetime.now(dt.UTC))
        async with self._engine.begin() as connection:
            await judge_pings(connection, dt.datetime.now(dt.UTC))
        async with self._engine.begin() as connection:
            await delete_old_answers(connection, dt.datetime.now(dt.UTC))
        await self._journal.tidy(time.time_ns() // 1_000_000)
        await say_which_keys(self._engine, self._node)

    async def count_bidders(self) -> None:
        """Count how long bidders' calls lasted and what their wins came to; rest those it is too much of."""
        async with self._engine.begin() as connection:
            await count_records(connection, dt.datetime.now(dt.UTC))

    async def _newest_boot(self) -> int | None:
        async with self._engine.connect() as connection:
            return await agi_queries.newest_boot_ms(connection, self._node)

    async def _sweep(self, boot_ms: int | None, *, files_read: bool) -> None:
        """Repair what no row told of. `boot_ms` was looked up before Asterisk's file was read: every row an older
        Asterisk wrote is in by now."""
        async with self._engine.begin() as connection:
            await agi_queries.end_calls(connection, self._node)
            if files_read:
                stale_before_ms = time.time_ns() // 1_000_000 - STALE_AFTER_MS
                closed = await agi_queries.close_dead_calls(
                    connection, self._node, boot_ms or 0, stale_before_ms
                )
                if closed:
                    log.warning("%d calls of an Asterisk that died were closed at their last witness", closed)
        async with self._engine.begin() as connection:
            await expire_reservations(connection, dt.datetime.now(dt.UTC))
        if files_read:
            async with self._engine.begin() as connection:
                await expire_leases(connection, dt.datetime.now(dt.UTC))
                await expire_holds(connection, dt.datetime.now(dt.UTC))
        async with self._engine.begin() as connection:
            await watch_wallets(connection, dt.datetime.now(dt.UTC))

    async def _settle_lane(self, waiting: Iterator[Any]) -> None:
        """Settle on one connection, several calls in a transaction; where one cannot be settled, each by itself."""
        async with self._engine.connect() as connection:
            while calls := list(islice(waiting, SETTLE_TOGETHER)):
                try:
                    await self._settle(connection, calls)
                except Exception as error:
                    # One call's data must not hold up the others, and batches that met in a deadlock go on one by one.
                    if not (is_fault_of_data(error) or is_deadlock(error)):
                        raise
                    log.warning("%d calls cannot be settled together: %s", len(calls), str(error)[:200])
                    for call in calls:
                        await self._settle_singly(connection, call)

    async def _settle_singly(self, connection: AsyncConnection, call: Any) -> None:
        try:
            await self._settle(connection, [call])
        except Exception as error:
            if not is_fault_of_data(error):
                raise
            log.exception("call %s cannot be settled", call.linkedid)
            async with connection.begin():
                await billing_queries.push_back(connection, call.id)

    async def _settle(self, connection: AsyncConnection, calls: Sequence[Any]) -> None:
        async with connection.begin():
            rows = await cel_queries.rows_of_all(connection, [call.linkedid for call in calls])
            records = [_record(rows.get(call.linkedid, []), call) for call in calls]
            done = await settle_calls(connection, records)
        for settled in done:
            _log(settled)


def _record(rows: Sequence[CelRow], call: Any) -> CallRecord:
    ended_ms = round(call.ended_at.timestamp() * 1000)
    # Without any row (a full disk) only our journal knows of the call: nobody can be billed for it.
    unseen = CallRecord(linkedid=call.linkedid, started_ms=ended_ms, ended_ms=ended_ms, complete=False)
    return call_record(rows, died_ms=ended_ms) or unseen


def _log(settled: Settlement | NotSettled) -> None:
    if isinstance(settled, Settlement):
        log.info("settled %s: %s, %s", settled.call_id, settled.outcome.value, settled.conversion.detail)


async def _release_attempts(connection: AsyncConnection, attempts: Sequence[tuple[UUID, int]]) -> None:
    for call_id, attempt in await attempts_that_hold(connection, attempts):
        await release_leases(connection, call_id, attempt)
        await release_unanswered(connection, call_id, attempt)


def _mails_of(engine: AsyncEngine, config: MailConfig) -> Callable[[], Awaitable[object]]:
    # Only who sends mail pays for what it takes to send it.
    from tollbridge.wallet_mails import send_wallet_mails  # noqa: PLC0415
    from web.mail import Mailer  # noqa: PLC0415

    mailer = Mailer(config)
    return lambda: send_wallet_mails(engine, mailer, dt.datetime.now(dt.UTC))


async def _repeat(step: Callable[[], Awaitable[object]], seconds: float, stop: asyncio.Event) -> None:
    """Do `step` again and again; after a fault wait a little longer each time, and say so once."""
    failures = 0
    while not stop.is_set():
        try:
            await step()
            if failures:
                log.warning("going on after %d failures", failures)
            failures = 0
        except Exception as error:
            failures += 1
            _report(error, failures)
        wait = seconds if not failures else min(RETRY_SECONDS * failures, RETRY_AT_MOST_SECONDS)
        await _sleep(wait, stop)


def _report(error: Exception, failures: int) -> None:
    if is_fault_of_data(error):
        log.error("the worker failed (%d times)", failures, exc_info=error)
    elif failures == 1:
        log.warning("waiting for PostgreSQL: %s", str(error).splitlines()[0] if str(error) else repr(error))


async def _stay_alive(file: Path, stop: asyncio.Event) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    while not stop.is_set():
        try:
            file.touch()
        except OSError as problem:
            log.error("cannot touch %s: %s", file, problem)
        await _sleep(1.0, stop)


async def _until(stop: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    task = asyncio.create_task(work)
    await stop.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _sleep(seconds: float, stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
