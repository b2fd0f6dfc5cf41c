"""Sounds an admin brings in for flows to play: checked and kept by what the composition root hands us, noted in the
audit log.
"""

from __future__ import annotations

import asyncio
import io
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from aiohttp import web

from rules.prompt_names import UPLOAD_BYTES_MAXIMUM, UPLOADS_FOLDER, is_upload_name
from web.audit import Actor, write_audit
from web.keys import ENGINE, PROMPTS_DIR
from web.upload_limits import count_file

REQUEST_BYTES_MAXIMUM = UPLOAD_BYTES_MAXIMUM + 64 * 1024


@dataclass(frozen=True, kw_only=True)
class SoundTaken:
    """A sound that flows may play as `upload:NAME`. `digest` is the SHA-256 of its 8 kHz file."""

    name: str
    seconds: float
    digest: str


@dataclass(frozen=True, kw_only=True)
class SoundRefused:
    """Nothing was kept. `field` is "name", "file" or "replace"; `reason` a sentence for the admin."""

    field: str
    reason: str


class TakeSound(Protocol):
    """Checks a file and keeps it under `name` in the prompts folder. Takes seconds: call it in a thread."""

    def __call__(self, prompts_dir: Path, file: Path, name: str) -> SoundTaken | SoundRefused: ...


def take_no_sound(prompts_dir: Path, file: Path, name: str) -> SoundRefused:
    """What an application does that was not told how."""
    return SoundRefused(
        field="file", reason="This server takes no sounds: use `tollbridge prompts add FILE`."
    )


TAKE_SOUND: web.AppKey[TakeSound] = web.AppKey("take_sound")
SOUNDS_AT_WORK: web.AppKey[asyncio.Semaphore] = web.AppKey("sounds_at_work", asyncio.Semaphore)
"""One at a time: five minutes of sound take 100 MB until they are levelled."""


async def bring_in(
    app: web.Application, actor: Actor, sound: IO[bytes], *, file_name: str, name: str, replace: bool
) -> SoundTaken | SoundRefused:
    """Keep a sound as `upload:NAME`; one that has the name gives way only when `replace` says so."""
    folder = app[PROMPTS_DIR]
    if not is_upload_name(name):
        reason = (
            "A name has small letters, digits, hyphens and underscores, and begins with a letter or digit."
        )
        return SoundRefused(field="name", reason=reason)
    is_there = await asyncio.to_thread((folder / UPLOADS_FOLDER / f"{name}.wav").is_file)
    if is_there and not replace:
        reason = f"There is a sound {name} already: take another name, or say that this one takes its place."
        return SoundRefused(field="replace", reason=reason)
    if actor.user is not None:
        await count_file(app[ENGINE], actor.user.user_id, sound.seek(0, io.SEEK_END))
        sound.seek(0)
    async with app[SOUNDS_AT_WORK]:
        taken = await asyncio.to_thread(_keep, app[TAKE_SOUND], folder, sound, file_name, name)
    if isinstance(taken, SoundTaken):
        async with app[ENGINE].begin() as connection:
            await write_audit(
                connection,
                actor,
                action="replace" if is_there else "create",
                kind="prompt-sounds",
                ref=name,
                after={"sha256": taken.digest, "seconds": round(taken.seconds, 1)},
            )
    return taken


def _keep(
    take: TakeSound, folder: Path, sound: IO[bytes], file_name: str, name: str
) -> SoundTaken | SoundRefused:
    """Hand the sound on as a file that is called as the admin's, so that a refusal speaks of it."""
    with tempfile.TemporaryDirectory(prefix="tollbridge-sound-") as unfinished:
        file = Path(unfinished) / (re.sub(r"[^\w.() -]", "_", file_name)[-80:].strip(". ") or "the file")
        with file.open("wb") as copy:
            shutil.copyfileobj(sound, copy)
        return take(folder, file, name)
