"""Brings the lines of a tailed file to PostgreSQL, each exactly once, whatever is killed or restarted.

The position in the file moves in the transaction that stores the lines. A line that cannot be stored is refused, kept
and counted; the lines after it are not held up.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agi import queries
from agi.cel import RefusedLine
from agi.tail import Line, read_lines
from store.faults import is_fault_of_data

log = logging.getLogger(__name__)

T = TypeVar("T")
Item = tuple[int, T]
"""A line's position in its file, and what it says."""


class LineStore(Generic[T]):
    """Stores the lines of one kind of file of one node."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        node: str,
        kind: str,
        parse: Callable[[bytes], T | RefusedLine | None],
        apply: Callable[[AsyncConnection, str, Sequence[Item[T]]], Awaitable[None]],
    ) -> None:
        """`parse` reads a line (None: nothing in it); `apply` stores what lines of a file say, on a connection."""
        self._engine = engine
        self._node = node
        self._kind = kind
        self._parse = parse
        self._apply = apply
        # Where each file was read to, so that a file that did not grow costs no query.
        self._known: dict[str, int] = {}
        self.stored = 0
        """How often something was stored since the start: unchanged, nothing was new."""

    def fully_read(self, file: str, path: Path) -> bool:
        """Return whether every byte of `path` is known to be stored."""
        return file in self._known and self._known[file] == _size(path)

    async def store_next(self, file: str, path: Path) -> bool:
        """Store the next lines of `path`, known as `file`. Return whether its end was reached.

        Raises what the database raises when it is down or slow; nothing is stored then.
        """
        if self.fully_read(file, path):
            return True
        try:
            return await self._store(file, path, one_by_one=False)
        except Exception as error:
            if not is_fault_of_data(error):
                raise
            log.warning("%s %s: a line cannot be stored, going line by line: %s", self._kind, file, error)
        return await self._store(file, path, one_by_one=True)

    async def forget(self, file: str) -> None:
        """Drop the position of a file that is no more."""
        async with self._engine.begin() as connection:
            await queries.drop_position(connection, self._node, self._kind, file)
        self._known.pop(file, None)

    async def _store(self, file: str, path: Path, *, one_by_one: bool) -> bool:
        async with self._engine.begin() as connection:
            start = await queries.lock_position(connection, self._node, self._kind, file)
            found = read_lines(path, start)
            items, refused = self._read(found.lines)
            if one_by_one:
                refused += await self._apply_one_by_one(connection, file, items, found.lines)
            elif items:
                await self._apply(connection, file, items)
            if refused:
                await queries.refuse_lines(connection, self._node, self._kind, file, refused)
            if found.position != start:
                await queries.move_position(connection, self._node, self._kind, file, found.position)
        self._known[file] = found.position
        self.stored += bool(found.lines)
        return found.at_end

    def _read(self, lines: Sequence[Line]) -> tuple[list[Item[T]], list[tuple[Line, str]]]:
        items: list[Item[T]] = []
        refused: list[tuple[Line, str]] = []
        for line in lines:
            said = RefusedLine(problem="an overlong line") if line.overlong else self._parse(line.data)
            if isinstance(said, RefusedLine):
                refused.append((line, said.problem))
            elif said is not None:
                items.append((line.position, said))
        return items, refused

    async def _apply_one_by_one(
        self, connection: AsyncConnection, file: str, items: Sequence[Item[T]], lines: Sequence[Line]
    ) -> list[tuple[Line, str]]:
        by_position = {line.position: line for line in lines}
        refused = []
        for position, said in items:
            try:
                async with connection.begin_nested():
                    await self._apply(connection, file, [(position, said)])
            except Exception as error:
                if not is_fault_of_data(error):
                    raise
                refused.append((by_position[position], str(error)[:500]))
        return refused


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
