"""What a Vosk model looks like on disk, known without loading Vosk."""

from __future__ import annotations

from pathlib import Path


def is_vosk_model(folder: Path | None) -> bool:
    """True when `folder` holds a Vosk model."""
    if folder is None:
        return False
    return (folder / "am" / "final.mdl").is_file() and (folder / "conf" / "model.conf").is_file()
