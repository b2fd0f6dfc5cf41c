"""Keeps what is known in memory and on disk, so that a call can be decided when the database does not answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from router.count_queries import window_seconds
from router.domain.counts import Counts
from router.domain.decision import Offer, RouteRequest
from router.domain.last_known import (
    EARLIER_RECORD,
    SUPPRESSED_RECORD,
    DigestTable,
    LastKnown,
    Rung,
)
from router.domain.live_counts import Changes
from router.domain.market import Snapshot
from router.last_known_file import (
    RUNG_BYTES_MAXIMUM,
    append_rung,
    bytes_of,
    read_last_known,
    read_rung,
    rung_path,
    rung_stamp,
    write_callers,
    write_counts,
)
from router.last_known_queries import (
    SUPPRESSED_MAXIMUM,
    TABLES_TIMEOUT_SECONDS,
    read_earlier,
    read_suppressed,
    read_wallets,
)
from router.plain_connections import PlainConnections
from router.rung_sums import sum_up
from router.shared_counts import READING_SHARE, SharedCounts
from router.snapshot import DATABASE_FAULTS
from store.key_ring import key_ring
from store.sealed_columns import CALLER

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
READ_TIMEOUT_SECONDS = 2.0
LISTS_AGAIN_SECONDS = 300.0
"""Lists of suppressed callers are read when they were written to, and after so long in any case."""

EARLIER_AGAIN_SECONDS = 60.0
FILE_SECONDS = 2.0
"""Wallets and counters are filed so often at most."""

UNFILED_MAXIMUM = 20_000
"""More that a full disk does not take are not counted: nobody with a limit is rung."""

RECENT_MAXIMUM = 20_000
"""Of this process' own calls since the earlier ones were read."""

Read = Callable[[asyncpg.Connection], Awaitable[None]]


class LastKnownKeeper:
    """One process' memory of what binds, counts and costs. Without `keep_fresh` nothing is known."""

    def __init__(self, connections: PlainConnections, shared: SharedCounts) -> None:
        self.known = LastKnown(live=shared.live)
        self._connections = connections
        self._shared = shared
        self._snapshot_file: Path | None = None
        self._rung_file: Path | None = None
        self._lists_written: int | None = None
        self._next_lists = self._next_earlier = float("-inf")
        self._recent: deque[tuple[RouteRequest, Sequence[Offer]]] = deque(maxlen=RECENT_MAXIMUM)
        self.known.recent = self._recent
        self._filed: list[Rung] = []
        """What was rung without the database and holds no room yet, by this process or the survival script."""
        self._filed_stamp: tuple[tuple[int, int, int], ...] = ()
        """Of the files when they held what is in `_filed`."""
        self._unfiled: list[Rung] = []
        self._leased: deque[tuple[int, Callable[[], Sequence[Rung]]]] = deque(maxlen=RECENT_MAXIMUM)
        """What this process has leased since the counters were read: when (epoch ms), and what that came to."""
        self._filed_ms, self._next_file = 0, float("-inf")
        self._lists_may_be_read = float("-inf")
        """Not before: a reading of a long list costs PostgreSQL a twentieth of a processor at most."""
        self.problem = ""
        """Why the newest reading failed, for people; empty when it did not."""

    def keep_in(self, snapshot_file: Path, journal_dir: Path, maximum_age_hours: int) -> None:
        """Name the files, and begin with what they say: the database may be away."""
        self._snapshot_file, self._rung_file = snapshot_file, rung_path(journal_dir)
        stored = read_last_known(snapshot_file)
        known = self.known
        known.caller_key = key_ring().index_key(CALLER)
        if stored.caller_key == known.caller_key:
            known.suppressed, known.suppressed_ms = stored.suppressed, stored.suppressed_ms
            known.earlier, known.earlier_ms = stored.earlier, stored.earlier_ms
        known.owed_micros, known.owed_ms = stored.owed_micros, stored.owed_ms
        known.counted_ms = stored.counted_ms
        if self._shared.read_ms is None:
            known.live.replace_all(stored.live.everything())
        known.maximum_age_ms = maximum_age_hours * 3_600_000
        self._look_for_rung()

    async def keep_fresh(self, snapshot: Callable[[], Snapshot]) -> None:
        """Read and file again and again, until cancelled. Outside faults are logged once."""
        while True:
            await self.refresh(snapshot())
            await asyncio.sleep(LOOK_SECONDS)

    async def refresh(self, snapshot: Snapshot, *, all_of_it: bool = False) -> None:
        """Read what is due, or all of it; what cannot be read stays as it was. Never raises for outside faults."""
        if all_of_it:
            self._next_lists = self._next_earlier = self._next_file = float("-inf")
        self._look_for_rung()
        if self._rung_file is not None:
            await asyncio.to_thread(sum_up, self._rung_file)
        problems = [await self._freshen_counts(), await self._read(self._read_wallets, READ_TIMEOUT_SECONDS)]
        before = self.known.suppressed_ms, self.known.earlier_ms
        now = time.monotonic()
        if now >= self._next_lists:
            problems.append(await self._read(self._read_lists, TABLES_TIMEOUT_SECONDS))
        if now >= self._next_earlier:
            longest = max(map(window_seconds, snapshot.campaigns.values()), default=0)
            since = datetime.now(UTC) - timedelta(seconds=longest)
            problems.append(
                await self._read(lambda one: self._read_earlier(one, since), TABLES_TIMEOUT_SECONDS)
            )
        self._forget_leased()
        self._note("; ".join(dict.fromkeys(filter(None, problems))))
        callers_changed = (self.known.suppressed_ms, self.known.earlier_ms) != before
        await asyncio.to_thread(self._file, self._counts_to_file(), callers_changed)

    def counts(self, snapshot: Snapshot, request: RouteRequest, legs: Mapping[int, int]) -> Counts:
        """Return what a decision without the database goes by. `legs`: Asterisk's calls in progress by target id."""
        known = self.known
        known.counted_ms = self._shared.read_ms or known.counted_ms
        self._forget_leased()
        known.leased = [replace(one, at_ms=at_ms) for at_ms, make in self._leased for one in make()]
        known.rung = [*self._filed, *self._unfiled]
        is_full = bytes_of(self._filed_stamp) >= RUNG_BYTES_MAXIMUM
        known.rung_is_full = is_full or len(self._unfiled) >= UNFILED_MAXIMUM
        return known.counts(snapshot, request, legs, time.time_ns() // 1_000_000)

    def remember(
        self, request: RouteRequest, ringing: Sequence[Offer], rung: Callable[[], Sequence[Rung]]
    ) -> None:
        """Keep in mind whom this caller was offered to, and what was leased, until it is read from the database.

        `rung` says what was leased; it is asked only when the database is away.
        """
        if ringing and request.caller is not None:
            self._recent.append((request, ringing))
        if ringing:
            self._leased.append((time.time_ns() // 1_000_000, rung))

    def _forget_leased(self) -> None:
        """Counters and wallets that were read later hold it."""
        read_ms = min(self._shared.read_ms or 0, self.known.owed_ms or 0)
        while self._leased and self._leased[0][0] < read_ms:
            self._leased.popleft()

    def note_rung(self, rung: Sequence[Rung]) -> Sequence[Rung]:
        """Count what is rung without the database, from now on. Returns it."""
        self._unfiled.extend(rung)
        return rung

    def forget_rung(self, rung: Sequence[Rung]) -> Sequence[Rung]:
        """They are not rung after all. Returns nothing left."""
        for one in rung:
            if one in self._unfiled:
                self._unfiled.remove(one)
        return ()

    def file_rung(self, rung: Sequence[Rung]) -> None:
        """Have the worker take their room once the database answers."""
        if self._rung_file is None:
            self.forget_rung(rung)
            return
        if not rung:
            return
        before = rung_stamp(self._rung_file)
        try:
            written = append_rung(self._rung_file, rung)
        except OSError as error:  # they stay among the unfiled: counted here as long as this process lives
            log.error("no room will be taken for %d rung without the database: %s", len(rung), error)
            del self._unfiled[:-UNFILED_MAXIMUM]
            return
        self.forget_rung(rung)
        self._filed.extend(rung)
        after = rung_stamp(self._rung_file)
        if before == self._filed_stamp and bytes_of(after) == bytes_of(before) + written:
            self._filed_stamp = after

    def _look_for_rung(self) -> None:
        """Go by the files: the survival script writes there too, and the worker takes away what holds room by now.

        They are read only when somebody else did: in an hour without the database they grow to thousands of lines.
        """
        if self._rung_file is None:
            return
        stamp = rung_stamp(self._rung_file)
        if stamp != self._filed_stamp:
            self._filed, self._filed_stamp = read_rung(self._rung_file), stamp

    async def _freshen_counts(self) -> str:
        try:
            await self._shared.freshen()
        except DATABASE_FAULTS as error:
            return f"{type(error).__name__}: {error}"
        return ""

    async def _read(self, read: Read, seconds: float) -> str:
        try:
            async with asyncio.timeout(seconds), self._connections.one() as connection:
                await read(connection)
        except DATABASE_FAULTS as error:
            return f"{type(error).__name__}: {error}"
        return ""

    async def _read_wallets(self, connection: asyncpg.Connection) -> None:
        asked_ms = time.time_ns() // 1_000_000
        found = await read_wallets(connection)
        self.known.owed_micros, self.known.owed_ms = found.owed_micros, asked_ms
        if found.lists_written != self._lists_written:
            self._lists_written = found.lists_written
            self._next_lists = min(self._next_lists, self._lists_may_be_read)

    async def _read_lists(self, connection: asyncpg.Connection) -> None:
        asked_ms, began = time.time_ns() // 1_000_000, time.monotonic()
        table = DigestTable(await read_suppressed(connection), SUPPRESSED_RECORD)
        now = time.monotonic()
        self._lists_may_be_read = now + READING_SHARE * (now - began)
        self._next_lists = now + LISTS_AGAIN_SECONDS
        if len(table) > SUPPRESSED_MAXIMUM:
            log.warning(
                "buyers suppress more than %d callers: nobody is sold without the database", len(table)
            )
            self.known.suppressed = self.known.suppressed_ms = None
            return
        self.known.suppressed, self.known.suppressed_ms = table, asked_ms

    async def _read_earlier(self, connection: asyncpg.Connection, since: datetime) -> None:
        asked_ms = time.time_ns() // 1_000_000
        table = DigestTable(await read_earlier(connection, since), EARLIER_RECORD)
        self.known.earlier, self.known.earlier_ms = table, asked_ms
        self._next_earlier = time.monotonic() + EARLIER_AGAIN_SECONDS
        # A call's row is written a little later than the call is decided.
        old = datetime.fromtimestamp(asked_ms / 1000, UTC) - timedelta(seconds=EARLIER_AGAIN_SECONDS)
        while self._recent and self._recent[0][0].now < old:
            self._recent.popleft()

    def _counts_to_file(self) -> Changes | None:
        """Return the counters if they are to be written now."""
        known, now = self.known, time.monotonic()
        known.counted_ms = self._shared.read_ms or known.counted_ms
        newest_ms = max(known.counted_ms or 0, known.owed_ms or 0)
        if now < self._next_file or newest_ms <= self._filed_ms:
            return None
        self._filed_ms, self._next_file = newest_ms, now + FILE_SECONDS
        return known.live.everything()

    def _file(self, counts: Changes | None, callers_changed: bool) -> None:
        if self._snapshot_file is None:
            return
        known = self.known
        try:
            if counts is not None:
                write_counts(self._snapshot_file, known, counts)
            if callers_changed:
                write_callers(self._snapshot_file, known)
        except OSError as error:
            self._note(f"what is known is not filed: {error}")

    def _note(self, problem: str) -> None:
        if problem and problem != self.problem:
            log.warning("going by what was known last: %s", problem)
        self.problem = problem
