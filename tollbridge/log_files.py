"""Keeps the log files of a node from filling the disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

LARGEST_BYTES = 10 * 1024 * 1024


def trim(files: Iterable[Path], largest_bytes: int = LARGEST_BYTES) -> list[Path]:
    """Move what is in too large a file to `<name>.1` (one is kept) and empty it; return those files.

    The writers keep their open file: they append, so an emptied file simply begins anew.
    """
    trimmed = []
    for file in files:
        try:
            if file.stat().st_size > largest_bytes:
                shutil.copyfile(file, file.with_name(f"{file.name}.1"))
                os.truncate(file, 0)
                trimmed.append(file)
        except FileNotFoundError:
            continue
    return trimmed
