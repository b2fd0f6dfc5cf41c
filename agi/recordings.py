"""Makes finished recordings of what Asterisk wrote, and registers each once, whatever was killed in between.

Asterisk writes both directions of a call, sample by sample beside each other, without a header (MixMonitor's D): such
a file is whole at any moment. When the call has ended it becomes a WAV file of two channels, the caller left and what
the caller heard right; first the file is there, then its row, and only then the raw one goes.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
import os
import re
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from agi import flow_queries
from agi.flow_queries import Finished, KnownRecording

RATE = 8000
CHANNELS = 2
SAMPLE_BYTES = 2
QUIET_SECONDS = 2.0
"""Asterisk's writer of a recording ends a moment after the call: a file that still grows is not finished."""
UNKNOWN_KEPT_SECONDS = 24 * 3600.0
"""How long a file without a call row waits for it."""
FILES_MAXIMUM = 10_000
_CHUNK_BYTES = 1024 * 1024
_RAW = re.compile(r"^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-([0-9]{1,3})\.raw$")

log = logging.getLogger(__name__)

Part = tuple[UUID, int]


def recording_name(call_id: UUID, part: int = 1) -> str:
    """Return the name of a recording without its ending: nothing of the caller is in it."""
    return f"{call_id}-{part}"


def part_of(file_name: str) -> Part | None:
    """Return which part of which call a raw file is; None for any other file."""
    found = _RAW.match(file_name)
    return None if found is None else (UUID(found[1]), int(found[2]))


def finish(raw: Path, to: Path) -> Finished:
    """Write the WAV file of a raw one, whole or not at all. Doing it again writes the same. Raises OSError."""
    temporary = to.with_name(f".{to.name}.{os.getpid()}")
    size = raw.stat().st_size // (CHANNELS * SAMPLE_BYTES) * (CHANNELS * SAMPLE_BYTES)
    with raw.open("rb") as source, wave.open(str(temporary), "wb") as sound:
        sound.setnchannels(CHANNELS)
        sound.setsampwidth(SAMPLE_BYTES)
        sound.setframerate(RATE)
        sound.setnframes(size // (CHANNELS * SAMPLE_BYTES))
        left = size
        while left and (chunk := source.read(min(left, _CHUNK_BYTES))):
            sound.writeframesraw(chunk)
            left -= len(chunk)
    with temporary.open("rb") as written:
        os.fsync(written.fileno())
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    temporary.replace(to)
    return Finished(
        length_ms=size * 1000 // (RATE * CHANNELS * SAMPLE_BYTES),
        file_bytes=to.stat().st_size,
        sha256=digest,
    )


class Recordings:
    """The recordings of one node's folder."""

    def __init__(self, engine: AsyncEngine, *, node: str, directory: Path) -> None:
        self._engine = engine
        self._node = node
        self._directory = directory

    async def tend(self, now_s: float | None = None) -> None:
        """Store what has been recorded to its end, and drop what was refused. `now_s` is epoch seconds.

        Raises what the database raises when it is down; nothing is lost.
        """
        await self._finish_files(time.time() if now_s is None else now_s)
        async with self._engine.begin() as connection:
            for call_id, part in await flow_queries.open_recordings(connection, self._node):
                if not self._raw(call_id, part).exists():
                    log.warning("Asterisk wrote no recording of call %s", call_id)
                    await flow_queries.recording_missing(connection, call_id, part)

    async def _finish_files(self, now_s: float) -> None:
        quiet = dict(self._quiet_files(now_s))
        if not quiet:
            return
        async with self._engine.connect() as connection:
            known = await flow_queries.known_recordings(connection, list(quiet))
        for part, raw in quiet.items():
            try:
                await self._tend_file(raw, part, known.get(part), now_s)
            except OSError as error:
                log.error("the recording %s cannot be finished: %s", raw.name, error)

    def _quiet_files(self, now_s: float) -> Iterator[tuple[Part, Path]]:
        for raw in itertools.islice(self._directory.glob("*.raw"), FILES_MAXIMUM):
            part = part_of(raw.name)
            if part is not None and _age_s(raw, now_s) >= QUIET_SECONDS:
                yield part, raw

    async def _tend_file(self, raw: Path, part: Part, known: KnownRecording | None, now_s: float) -> None:
        if known is None:
            if _age_s(raw, now_s) > UNKNOWN_KEPT_SECONDS:
                log.error("%s is a recording of no call we know; it is left where it is", raw.name)
        elif known.state == "refused":
            self._drop(raw)
        elif known.ended and known.state is None:
            log.warning("%s was recorded without a word in the journal: it is not kept", raw.name)
            self._drop(raw)
        elif known.ended:
            await self._store(raw, part, stored_before=known.state == "stored")

    async def _store(self, raw: Path, part: Part, *, stored_before: bool) -> None:
        finished = await asyncio.to_thread(finish, raw, raw.with_suffix(".wav"))
        if not stored_before:
            async with self._engine.begin() as connection:
                stored = await flow_queries.recording_stored(connection, *part, finished)
            if not stored:
                self._drop(raw)
        raw.unlink(missing_ok=True)

    def _drop(self, raw: Path) -> None:
        raw.unlink(missing_ok=True)
        raw.with_suffix(".wav").unlink(missing_ok=True)

    def _raw(self, call_id: UUID, part: int) -> Path:
        return self._directory / f"{recording_name(call_id, part)}.raw"


def _age_s(path: Path, now_s: float) -> float:
    """Return how long ago the file was written to last; of one that has gone meanwhile: never."""
    try:
        return now_s - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
