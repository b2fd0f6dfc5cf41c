"""Lets the pages take in sounds: agi checks and levels them, web asks for it, and neither knows the other."""

from __future__ import annotations

from pathlib import Path

# ruff: noqa: PLC0415  numbers and decoders: what a web process needs only once somebody brings in a sound
from web.prompts.uploads import SoundRefused, SoundTaken


def take_sound(prompts_dir: Path, file: Path, name: str) -> SoundTaken | SoundRefused:
    """Keep `file` as `upload:NAME`, or say why not (web.prompts.uploads.TakeSound)."""
    from agi.speech.prompts import PromptError
    from agi.speech.uploads import add_upload

    try:
        added = add_upload(prompts_dir, file, name)
    except PromptError as error:
        return SoundRefused(field="file", reason=str(error))
    return SoundTaken(name=added.name, seconds=added.seconds, digest=added.digest)
