"""What callers hear, flow by flow, as a person listens to it."""

from __future__ import annotations

import hashlib
import wave
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from asterisk_conf.prompts import system_prompts
from ivr_flows.definition import FlowError, parse_flow
from ivr_flows.inspection import texts_of, uploads_of
from rules.prompt_names import UPLOAD_PREFIX, is_upload_name, prompt_file
from web.flows.work import uploads_in

PROMPTS_MAXIMUM = 500
"""Of one flow; a page with more helps nobody."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One prompt. `digest` is the SHA-256 of its 8 kHz sound, '' as long as there is none."""

    text: str
    file: str
    """Below the prompts folder."""
    is_upload: bool
    seconds: float = 0.0
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class Speaker:
    """A flow, or the switch itself, and all it may say. `problem` is why a flow cannot be read."""

    name: str
    standing: str
    prompts: tuple[Heard, ...]
    left_out: int = 0
    problem: str = ""


def speaker_of_flow(
    folder: Path, name: str, definition: Mapping[str, Any], *, standing: str, version: int = 1
) -> Speaker:
    """Return what a flow says; one that cannot be right says why."""
    try:
        flow = parse_flow(definition, version=version)
    except FlowError as error:
        return Speaker(name=name, standing=standing, prompts=(), problem=str(error))
    said = sorted(texts_of(flow)) + [f"{UPLOAD_PREFIX}{upload}" for upload in sorted(uploads_of(flow))]
    return _speaker(folder, name, standing, said)


def speaker_of_uploads(folder: Path) -> Speaker:
    """Return the sounds that were brought in, whether a flow plays them or not."""
    names = sorted(filter(is_upload_name, uploads_in(folder)))
    return _speaker(
        folder, "Your sounds", "any flow may play them", [f"{UPLOAD_PREFIX}{name}" for name in names]
    )


def speaker_of_switch(folder: Path) -> Speaker:
    """Return what the switch says by itself, whatever the flow."""
    return _speaker(folder, "The switch itself", "in every call", sorted(set(system_prompts().values())))


def _speaker(folder: Path, name: str, standing: str, said: Iterable[str]) -> Speaker:
    all_said = list(said)
    shown = tuple(_heard(folder, text) for text in all_said[:PROMPTS_MAXIMUM])
    return Speaker(name=name, standing=standing, prompts=shown, left_out=len(all_said) - len(shown))


def _heard(folder: Path, text: str) -> Heard:
    file, is_upload = prompt_file(text), text.startswith(UPLOAD_PREFIX)
    try:
        status = (folder / file).stat()
        seconds, digest = _sound(folder / file, status.st_mtime_ns, status.st_size)
    except (OSError, EOFError, wave.Error):
        return Heard(text=text, file=file, is_upload=is_upload)
    return Heard(text=text, file=file, is_upload=is_upload, seconds=seconds, digest=digest)


@lru_cache(maxsize=4096)
def _sound(path: Path, _changed_ns: int, _size: int) -> tuple[float, str]:
    """Return how long a sound is and its digest. Raises OSError, EOFError, wave.Error."""
    with wave.open(str(path)) as sound:
        seconds = sound.getnframes() / sound.getframerate()
    with path.open("rb") as file:
        return seconds, hashlib.file_digest(file, "sha256").hexdigest()
