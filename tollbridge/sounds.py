"""Lets the pages take in sounds: agi checks and levels them, web asks for it, and neither knows the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from web.limited_process import Bounds, NotRead, run_limited
from web.prompts.uploads import SoundRefused, SoundTaken

BOUNDS = Bounds(memory_bytes=1536 * 1024 * 1024, processor_seconds=30, seconds=60.0)
"""Five minutes of 48 kHz take some 500 MB while they are levelled."""


def take_sound(prompts_dir: Path, file: Path, name: str) -> SoundTaken | SoundRefused:
    """Keep `file` as `upload:NAME`, or say why not (web.prompts.uploads.TakeSound), in a process of its own."""
    argument = {"prompts_dir": str(prompts_dir.absolute()), "file": str(file), "name": name}
    try:
        told: dict[str, Any] = run_limited("agi.speech.uploads:try_upload", argument, BOUNDS)
    except NotRead as problem:
        return SoundRefused(field="file", reason=f"{file.name}: {problem.sentence}")
    if "refused" in told:
        return SoundRefused(field="file", reason=told["refused"])
    return SoundTaken(**told)
