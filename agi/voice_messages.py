"""Seals the messages that callers leave, and takes sounds off the disk whose key was destroyed.

Asterisk writes a message as `<channel>.wav` into the node's voicemail folder. When its call has ended it is sealed by
the key of the call, then the plain one goes.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from agi import flow_queries
from agi.recordings import QUIET_SECONDS, UNKNOWN_KEPT_SECONDS, age_seconds, seal_plain
from store.sealed_sound import ENDING, sealed_path
from store.sound_keys import make_sound_key

FILES_AT_ONCE = 1_000

log = logging.getLogger(__name__)


class VoiceMessages:
    """The voice messages of one node's folder."""

    def __init__(self, engine: AsyncEngine, *, node: str, directory: Path) -> None:
        self._engine = engine
        self._node = node
        self._directory = directory
        self._complained_of: set[str] = set()

    async def tend(self, now_s: float | None = None) -> None:
        """Seal the messages of ended calls. `now_s` is epoch seconds. Raises what the database raises."""
        now_s = time.time() if now_s is None else now_s
        quiet = {path.stem: path for path in self._quiet(now_s)}
        if not quiet:
            return
        async with self._engine.connect() as connection:
            ended = await flow_queries.ended_calls_of_channels(connection, self._node, list(quiet))
        for channel, plain in quiet.items():
            try:
                await self._tend_file(plain, ended.get(channel), now_s)
            except OSError as error:
                log.error("the voice message %s cannot be sealed: %s", plain.name, error)

    def _quiet(self, now_s: float) -> Iterator[Path]:
        found = itertools.islice(self._directory.glob("*.wav"), FILES_AT_ONCE)
        known = (path for path in found if path.name not in self._complained_of)
        return (path for path in known if age_seconds(path, now_s) >= QUIET_SECONDS)

    async def _tend_file(self, plain: Path, call_id: UUID | None, now_s: float) -> None:
        if call_id is None:
            if age_seconds(plain, now_s) > UNKNOWN_KEPT_SECONDS:
                self._complained_of.add(plain.name)
                log.error(
                    "%s is a voice message of no ended call we know: it is left where it is", plain.name
                )
            return
        async with self._engine.begin() as connection:
            key = await make_sound_key(connection, call_id)
        if key is None:
            plain.unlink(missing_ok=True)
            sealed_path(plain).unlink(missing_ok=True)
        else:
            await asyncio.to_thread(seal_plain, plain, key)


async def clear_erased(engine: AsyncEngine, node: str, recordings_dir: Path, voicemail_dir: Path) -> None:
    """Take this node's sounds off the disk whose key was destroyed. What is left of one is noise."""
    async with engine.connect() as connection:
        erased = await flow_queries.erased_sounds(connection, node)
    for call_id, messages in erased.items():
        for path in recordings_dir.glob(f"{call_id}-*"):
            path.unlink(missing_ok=True)
        for name in messages:
            plain = voicemail_dir / Path(name).name
            plain.unlink(missing_ok=True)
            plain.with_name(plain.name + ENDING).unlink(missing_ok=True)
        async with engine.begin() as connection:
            await flow_queries.files_gone(connection, call_id)
