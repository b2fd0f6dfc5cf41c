"""Makes finished recordings of what Asterisk wrote, and registers each once, whatever was killed in between.

Asterisk writes both directions of a call, sample by sample beside each other, without a header (MixMonitor's D): such
a file is whole at any moment. When the call has ended it becomes a WAV file of two channels, the caller left and what
the caller heard right, which reaches the disk sealed by the call's key alone; first that file is there, then its row,
and only then the raw one goes. WAV files of a version that did not seal are sealed in the same way.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from agi import flow_queries
from agi.flow_queries import Finished, KnownRecording
from store.sealed_sound import Written, seal_sound, sealed_path
from store.sound_keys import make_sound_key

RATE = 8000
CHANNELS = 2
SAMPLE_BYTES = 2
QUIET_SECONDS = 2.0
"""Asterisk's writer of a recording ends a moment after the call: a file that still grows is not finished."""
UNKNOWN_KEPT_SECONDS = 24 * 3600.0
"""How long a file without a call row waits for it."""
FILES_MAXIMUM = 10_000
PLAIN_AT_ONCE = 200
"""Sounds of a version that did not seal, in one round: new recordings do not wait for all of them."""
_CHUNK_BYTES = 1024 * 1024
_FILE = re.compile(r"^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-([0-9]{1,3})\.(?:raw|wav)$")

log = logging.getLogger(__name__)

Part = tuple[UUID, int]


def recording_name(call_id: UUID, part: int = 1) -> str:
    """Return the name of a recording without its ending: nothing of the caller is in it."""
    return f"{call_id}-{part}"


def part_of(file_name: str) -> Part | None:
    """Return which part of which call a file that is not sealed is; None for any other file."""
    found = _FILE.match(file_name)
    return None if found is None else (UUID(found[1]), int(found[2]))


def finish(raw: Path, to: Path, key: bytes) -> Finished:
    """Write the WAV file `to` of a raw one, sealed, whole or not at all. Raises OSError."""
    size = raw.stat().st_size // (CHANNELS * SAMPLE_BYTES) * (CHANNELS * SAMPLE_BYTES)
    written = seal_sound(itertools.chain((_wav_head(size),), read_sound(raw, size)), to, key)
    return Finished(
        length_ms=size * 1000 // (RATE * CHANNELS * SAMPLE_BYTES),
        file_bytes=written.length_bytes,
        sha256=written.sha256,
    )


def seal_plain(plain: Path, key: bytes) -> Written:
    """Seal a finished sound, then take the plain one off the disk. Raises OSError."""
    written = seal_sound(read_sound(plain, plain.stat().st_size), plain, key)
    plain.unlink(missing_ok=True)
    return written


def read_sound(path: Path, size_bytes: int) -> Iterator[bytes]:
    """Yield so much of a file, a little at a time. Raises OSError."""
    with path.open("rb") as source:
        while size_bytes and (chunk := source.read(min(size_bytes, _CHUNK_BYTES))):
            yield chunk
            size_bytes -= len(chunk)


def _wav_head(sound_bytes: int) -> bytes:
    frame_bytes = CHANNELS * SAMPLE_BYTES
    form = (16, 1, CHANNELS, RATE, RATE * frame_bytes, frame_bytes, 8 * SAMPLE_BYTES)
    kind = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + sound_bytes, b"WAVE", b"fmt ", *form)
    return kind + struct.pack("<4sI", b"data", sound_bytes)


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
        quiet = self._quiet_files(now_s)
        if not quiet:
            return
        async with self._engine.connect() as connection:
            known = await flow_queries.known_recordings(connection, list(quiet))
        for part, found in quiet.items():
            try:
                await self._tend_file(found, part, known.get(part), now_s)
            except OSError as error:
                log.error("the recording %s cannot be finished: %s", found.name, error)

    def _quiet_files(self, now_s: float) -> dict[Part, Path]:
        """Return what is not sealed yet and grows no more: of a part, the raw file if there is one."""
        raw = itertools.islice(self._directory.glob("*.raw"), FILES_MAXIMUM)
        plain = itertools.islice(self._directory.glob("*.wav"), PLAIN_AT_ONCE)
        quiet: dict[Part, Path] = {}
        for found in itertools.chain(raw, plain):
            part = part_of(found.name)
            if part is not None and age_seconds(found, now_s) >= QUIET_SECONDS:
                quiet.setdefault(part, found)
        return quiet

    async def _tend_file(self, found: Path, part: Part, known: KnownRecording | None, now_s: float) -> None:
        if known is None:
            if age_seconds(found, now_s) > UNKNOWN_KEPT_SECONDS:
                log.error("%s is a recording of no call we know; it is left where it is", found.name)
        elif known.state in ("refused", "erased"):
            self._drop(found)
        elif known.ended and known.state is None:
            log.warning("%s was recorded without a word in the journal: it is not kept", found.name)
            self._drop(found)
        elif known.ended:
            await self._store(found, part, known)

    async def _store(self, found: Path, part: Part, known: KnownRecording) -> None:
        async with self._engine.begin() as connection:
            key = await make_sound_key(connection, known.call_id)
        if key is None:
            self._drop(found)
        elif found.suffix == ".wav":
            await self._seal_plain(found, known, key)
        else:
            await self._store_raw(found, part, known, key)

    async def _store_raw(self, raw: Path, part: Part, known: KnownRecording, key: bytes) -> None:
        to = raw.with_suffix(".wav")
        if known.state != "stored" or not sealed_path(to).exists():
            finished = await asyncio.to_thread(finish, raw, to, key)
            async with self._engine.begin() as connection:
                kept = await flow_queries.recording_stored(connection, *part, finished)
            if not kept and known.state != "stored":
                self._drop(raw)
        raw.unlink(missing_ok=True)

    async def _seal_plain(self, plain: Path, known: KnownRecording, key: bytes) -> None:
        """Seal what was stored in the clear. One whose row is not there yet waits for its raw file to be finished."""
        if known.state == "stored":
            written = await asyncio.to_thread(seal_plain, plain, key)
            if written.sha256 != known.sha256:
                log.error("%s is not the sound that was stored: its digest is another", plain.name)

    def _drop(self, found: Path) -> None:
        plain = found.with_suffix(".wav")
        for path in (found, plain, sealed_path(plain)):
            path.unlink(missing_ok=True)

    def _raw(self, call_id: UUID, part: int) -> Path:
        return self._directory / f"{recording_name(call_id, part)}.raw"


def age_seconds(path: Path, now_s: float) -> float:
    """Return how long ago the file was written to last; of one that has gone meanwhile: never."""
    try:
        return now_s - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
