"""Complete new lines of a growing file, from a byte position on. The file may be torn, endless or hostile."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from pathlib import Path

CHUNK_BYTES = 1024 * 1024
"""The most that is read at once, and so the longest line that is taken whole."""
LINES_AT_ONCE = 500
"""The most lines that are returned at once: what is stored in one transaction must not hold its locks for long."""
KEPT_OF_AN_OVERLONG_LINE_BYTES = 256
_FIRST_LINE_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Line:
    """One complete line without its newline. `overlong` lines are cut: nothing of them is to be trusted."""

    position: int
    data: bytes
    overlong: bool = False


@dataclass(frozen=True, kw_only=True)
class Lines:
    """What was new: the lines, the position after them, and whether the end of the file was seen."""

    lines: tuple[Line, ...]
    position: int
    at_end: bool


def read_lines(path: Path, position: int) -> Lines:
    """Return the complete lines of `path` from `position` on: at most LINES_AT_ONCE, CHUNK_BYTES in all.

    A last line without newline is left for later. A file shorter than `position` was replaced: it is read from its
    start. A missing file has no lines. Raises OSError for other faults.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = position if position <= size else 0
            file.seek(start)
            chunk = file.read(CHUNK_BYTES)
            end = chunk.rfind(b"\n") + 1
            if end:
                lines = _split(chunk[:end], start)
                after = lines[-1].position + len(lines[-1].data) + 1
                return Lines(
                    lines=lines, position=after, at_end=after == start + end and start + len(chunk) >= size
                )
            if len(chunk) < CHUNK_BYTES:
                return Lines(lines=(), position=start, at_end=True)
            next_line = _end_of_line(file.fileno(), start + len(chunk))
    except FileNotFoundError:
        return Lines(lines=(), position=position, at_end=True)
    if next_line is None:
        return Lines(lines=(), position=start, at_end=True)
    cut = Line(position=start, data=chunk[:KEPT_OF_AN_OVERLONG_LINE_BYTES], overlong=True)
    return Lines(lines=(cut,), position=next_line, at_end=next_line >= size)


def file_identity(path: Path) -> str | None:
    """Return a name for the file's content that outlives a rename; None while it has no complete first line.

    The inode alone will not do: a file system gives the number of a deleted file to the next one made.
    """
    try:
        with path.open("rb") as file:
            inode = os.fstat(file.fileno()).st_ino
            head = file.read(_FIRST_LINE_BYTES)
    except FileNotFoundError:
        return None
    end = head.find(b"\n")
    if end < 0 and len(head) < _FIRST_LINE_BYTES:
        return None
    return f"{inode}-{zlib.crc32(head[: end if end >= 0 else None]):08x}"


def _split(data: bytes, start: int) -> tuple[Line, ...]:
    lines = []
    position = start
    for raw in data.split(b"\n", LINES_AT_ONCE)[:-1]:
        lines.append(Line(position=position, data=raw))
        position += len(raw) + 1
    return tuple(lines)


def _end_of_line(descriptor: int, position: int) -> int | None:
    while chunk := os.pread(descriptor, CHUNK_BYTES, position):
        newline = chunk.find(b"\n")
        if newline >= 0:
            return position + newline + 1
        position += len(chunk)
    return None
