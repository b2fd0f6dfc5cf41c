"""The market in memory, kept fresh: from PostgreSQL, or from the last snapshot file when that cannot be had."""

from __future__ import annotations

import asyncio
import gc
import logging
from pathlib import Path

from asyncpg import InterfaceError, InternalClientError, PostgresError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from router.domain.market import Snapshot
from router.errors import MarketRefused, NoSnapshot, SnapshotUnreadable
from router.market_archive import archive_market
from router.market_reader import MarketReader, ReadMarket
from router.queries import read_market_version
from router.snapshot_file import read_snapshot, write_parts

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
DATABASE_TIMEOUT_SECONDS = 5.0
"""A first load may take this long before the file is used instead."""

DATABASE_FAULTS = (
    SQLAlchemyError,
    PostgresError,
    InterfaceError,
    InternalClientError,
    OSError,
    TimeoutError,
)
"""Everything PostgreSQL, its driver and the network can throw at a query."""


class CurrentSnapshot:
    """The snapshot every call of this process is decided by. Replaced whole, never changed."""

    def __init__(self, engine: AsyncEngine, file: Path) -> None:
        self._engine = engine
        self._file = file
        self._current: Snapshot | None = None
        self._reader = MarketReader(engine, file)
        self._refused_version: int | None = None
        # Two loads at once would write one file at once, and an older market might stay in it.
        self._loading = asyncio.Lock()
        self.source = ""
        """`database` or `file`; empty before the first load."""
        self.problem = ""
        """Why the newest market is not in use, for people; empty when it is."""

    @property
    def current(self) -> Snapshot:
        """Return the newest snapshot that could be read. Raises NoSnapshot before the first load."""
        if self._current is None:
            raise NoSnapshot("no snapshot has been loaded")
        return self._current

    async def load(self) -> Snapshot:
        """Load from PostgreSQL, else from the file. Raises NoSnapshot when neither can be read."""
        async with self._loading:
            if await self._load_from_database() is None:
                try:
                    self._use(await asyncio.to_thread(read_snapshot, self._file), "file")
                except SnapshotUnreadable as error:
                    raise NoSnapshot(f"database: {self.problem}; file: {error}") from error
        return self.current

    async def keep_fresh(self, stop: asyncio.Event) -> None:
        """Look each second whether the market has changed, and load it; until `stop`. Outside faults are logged."""
        while not stop.is_set():
            await self.refresh()
            try:
                await asyncio.wait_for(stop.wait(), POLL_SECONDS)
            except TimeoutError:
                continue

    async def refresh(self) -> bool:
        """Load the market if it has changed. Returns whether it did. Never raises for outside faults."""
        async with self._loading:
            return await self._refresh()

    async def _refresh(self) -> bool:
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT_SECONDS):
                async with self._engine.connect() as connection:
                    version = await read_market_version(connection)
        except DATABASE_FAULTS as error:
            self._note(f"{type(error).__name__}: {error}")
            return False
        if version == self._refused_version:
            return False
        if self.source == "database" and version == self.current.version:
            return False
        return await self._load_from_database() is not None

    async def _load_from_database(self) -> Snapshot | None:
        """Load, use and file the market; None when it cannot be had or is refused: then the older one stays."""
        try:
            market = await self._reader.read()
        except DATABASE_FAULTS as error:
            self._note(f"{type(error).__name__}: {error}")
            return None
        except MarketRefused as error:
            self._refused_version = error.version
            self._note(str(error))
            return None
        self._use(market.snapshot, "database")
        await self._keep(market)
        return market.snapshot

    async def _keep(self, market: ReadMarket) -> None:
        """File the market, and put it where decisions made on it can be made again."""
        try:
            await asyncio.to_thread(
                write_parts,
                self._file,
                version=market.snapshot.version,
                digest=market.snapshot.digest,
                parts=market.parts,
            )
        except OSError as error:
            self._note(f"the snapshot file is not written: {error}")
        try:
            await archive_market(self._engine, market.snapshot, market.parts)
        except DATABASE_FAULTS as error:
            self._note(f"the market is not archived: {type(error).__name__}: {error}")

    def _use(self, snapshot: Snapshot, source: str) -> None:
        self._current, self.source = snapshot, source
        # A market of a million objects lives as long as the process: going through them again and again would stop
        # decisions for a tenth of a second each time.
        gc.freeze()
        if source == "database":
            self.problem = ""
        for problem in snapshot.problems:
            log.warning("market version %d: %s", snapshot.version, problem)

    def _note(self, problem: str) -> None:
        if problem != self.problem:
            log.warning("market: %s", problem)
        self.problem = problem
