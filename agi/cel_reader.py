"""Tails Asterisk's CEL file into PostgreSQL: every row exactly once, and what the rows mean for the call."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agi import cel_queries, flow_queries, queries
from agi.cel import (
    MAXIMUM_LINE_BYTES,
    CelRow,
    dialled_number,
    left_behind,
    leg_of,
    parse_line,
    transfer_of,
    user_fields,
)
from agi.line_store import Item, LineStore
from agi.tail import file_identity
from rules.telephone import known_number
from store.call_id import call_id_of

log = logging.getLogger(__name__)

KIND = "cel"
ROTATE_ABOVE_BYTES = 64 * 1024 * 1024
ROTATE_AFTER_SECONDS = 24 * 3600
"""Its rows name callers: once they are stored, none is kept in the file for much longer."""
# A writer that opened the file before it was renamed has long finished by then.
_DROP_AFTER_SECONDS = 60
_CHUNKS_A_READ = 16

Release = Callable[[AsyncConnection, Sequence[tuple[UUID, int]]], Awaitable[None]]
"""Gives back what attempts of calls hold that are over."""


class CelReader:
    """Reads one node's CEL file and those it was renamed to."""

    def __init__(self, engine: AsyncEngine, *, node: str, file: Path, release: Release | None = None) -> None:
        self._node = node
        self._file = file
        self._release = release
        self._lines = LineStore(engine, node=node, kind=KIND, parse=parse_line, apply=self._apply)

    @property
    def stored(self) -> int:
        """How often something new was stored since the start."""
        return self._lines.stored

    async def read(self) -> bool:
        """Store what is new; return whether the end of every file was reached (a large backlog takes several calls).

        Raises what the database raises when it is down; nothing is lost.
        """
        return all([await self._read_file(path) for path in self._files()])

    async def tidy(self) -> None:
        """Rename a file that is fully read and large or a day old; drop renamed files a minute after their last row."""
        for path in self._files():
            identity = file_identity(path)
            if identity is None or not self._lines.fully_read(identity, path):
                continue
            status = path.stat()
            if path == self._file:
                if status.st_size > ROTATE_ABOVE_BYTES or _age_seconds(path) > ROTATE_AFTER_SECONDS:
                    path.rename(path.with_name(f"{path.name}.{time.time_ns()}"))
            elif time.time() - status.st_mtime > _DROP_AFTER_SECONDS:
                path.unlink()
                await self._lines.forget(identity)

    def _files(self) -> list[Path]:
        renamed = sorted(self._file.parent.glob(f"{self._file.name}.*"))
        return [*renamed, self._file]

    async def _read_file(self, path: Path) -> bool:
        identity = file_identity(path)
        if identity is None:
            return True
        for _ in range(_CHUNKS_A_READ):
            if await self._lines.store_next(identity, path):
                return True
        return False

    async def _apply(self, connection: AsyncConnection, file: str, items: Sequence[Item[CelRow]]) -> None:
        await cel_queries.insert_cel_rows(connection, self._node, file, items)
        rows = [row for _, row in items]
        # What came first of a call stands where two rows of one kind tell of it.
        arrived = {row.linkedid: _arrived(row) for row in reversed(rows) if row.event == "CALL"}
        if arrived:
            await cel_queries.calls_arrived(connection, self._node, list(arrived.values()))
        await self._legs(connection, [row for row in rows if row.event == "LEG"])
        for row in rows:
            if row.event == "LEFT":
                await self._left(connection, row)
            elif row.event == "TRANSFER":
                await self._transfer(connection, row)
        ended = [row.linkedid for row in rows if row.event == "LINKEDID_END"]
        if ended:
            await queries.end_calls(connection, self._node, ended)
        await cel_queries.tell(
            connection, [call_id_of(linkedid) for linkedid in {row.linkedid for row in rows}]
        )

    async def _legs(self, connection: AsyncConnection, rows: Sequence[CelRow]) -> None:
        told = []
        for row in rows:
            leg = leg_of(row)
            if leg is None:
                log.warning("a LEG event without attempt or end: %s %.200s", row.linkedid, row.extra)
            else:
                told.append((row, leg))
        if not told:
            return
        seen = {row.linkedid: row.event_ms for row, _ in reversed(told)}
        ids = await cel_queries.ensure_calls(connection, self._node, seen)
        legs = {(ids[row.linkedid], leg.attempt): leg for row, leg in reversed(told)}
        await cel_queries.insert_legs(connection, [(call_id, leg) for (call_id, _), leg in legs.items()])
        if self._release is not None:
            await self._release(connection, sorted(legs))

    async def _left(self, connection: AsyncConnection, row: CelRow) -> None:
        """A caller whom nobody took left a voice message, or asked to be called back."""
        left = left_behind(row)
        if left is not None:
            call_id = await cel_queries.ensure_call(connection, self._node, row.linkedid, row.event_ms)
            await queries.insert_request(connection, call_id, self._node, row.event_ms, left)

    async def _transfer(self, connection: AsyncConnection, row: CelRow) -> None:
        """A flow rang a fixed number."""
        transfer = transfer_of(row)
        if transfer is not None:
            call_id = await cel_queries.ensure_call(connection, self._node, row.linkedid, row.event_ms)
            await flow_queries.insert_event(
                connection, call_id, row.event_ms, "transferred", "", asdict(transfer)
            )


def _age_seconds(path: Path) -> float:
    """Return how long ago the first row of a file was written; 0 for what does not begin with one."""
    with path.open("rb") as file:
        first = parse_line(file.readline(MAXIMUM_LINE_BYTES).rstrip(b"\n"))
    return time.time() - first.event_us / 1_000_000 if isinstance(first, CelRow) else 0.0


def _arrived(row: CelRow) -> cel_queries.Arrived:
    fields = user_fields(row)
    return cel_queries.Arrived(
        linkedid=row.linkedid,
        at_ms=row.event_ms,
        dialled=dialled_number(fields.get("dialled", "")),
        caller=known_number(fields.get("caller", "")),
        trunk=fields.get("trunk") or None,
    )
