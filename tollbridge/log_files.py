"""Keeps the log files of a node from filling the disk."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from logging.handlers import WatchedFileHandler
from pathlib import Path

LARGEST_BYTES = 10 * 1024 * 1024
RECORDS_BETWEEN_LOOKS = 1000


class TrimmedHandler(WatchedFileHandler):
    """Appends to a file that several processes write, follows it when it is rotated, and trims it."""

    def __init__(self, file: Path, largest_bytes: int = LARGEST_BYTES) -> None:
        super().__init__(file, encoding="utf-8", delay=True)
        self._largest_bytes = largest_bytes
        self._records = 0

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        self._records += 1
        if self._records % RECORDS_BETWEEN_LOOKS == 0:
            with suppress(OSError):
                trim([Path(self.baseFilename)], self._largest_bytes)


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
