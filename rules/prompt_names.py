"""Where the sound of a prompt lies below the prompts folder. Pure, and quick to import for the survival script."""

from __future__ import annotations

import hashlib
import re

RECIPE = "2"
"""Part of every digest: raise it when agi/speech/prompts.py works otherwise, and all prompts are rendered anew."""
VOICE = "joe"
UPLOAD_PREFIX = "upload:"
"""What a prompt that is an uploaded sound begins with (ivr_flows.events.UPLOAD)."""
UPLOADS_FOLDER = "uploads"
UPLOAD_BYTES_MAXIMUM = 60 * 1024 * 1024
_UPLOAD_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def prompt_name(text: str, voice: str = VOICE) -> str:
    """Return the name of the sound that says `text`: letters, digits and a hyphen, without an ending."""
    digest = hashlib.sha256(f"{RECIPE}\n{voice}\n{one_line(text)}".encode()).hexdigest()
    return f"{voice}-{digest[:32]}"


def one_line(text: str) -> str:
    """Piper speaks line by line: a prompt is one line."""
    return " ".join(text.split())


def prompt_file(prompt: str, voice: str = VOICE) -> str:
    """Return the file of a prompt, a text or `upload:NAME`: an 8 kHz mono 16 bit WAV file, below the prompts folder."""
    name = prompt.removeprefix(UPLOAD_PREFIX)
    if name != prompt and is_upload_name(name):
        return f"{UPLOADS_FOLDER}/{name}.wav"
    return f"{prompt_name(prompt, voice)}.wav"


def is_upload_name(name: str) -> bool:
    """Tell whether an uploaded sound may be called so."""
    return _UPLOAD_NAME.fullmatch(name) is not None
