"""Keeps the log files of a node from filling the disk."""

from __future__ import annotations

import logging
import os
import shutil
from collections import Counter
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


class FewOfEach(logging.Filter):
    """Lets pass a few security events of an address within a second: a flood of them must not keep calls waiting.

    The rest add nothing that fail2ban would want, and one stranger does not hide another.
    """

    def __init__(self, *, of_each: int = 10, addresses: int = 200) -> None:
        super().__init__()
        self._of_each, self._addresses = of_each, addresses
        self._second, self._counts = 0, Counter[str]()

    def filter(self, record: logging.LogRecord) -> bool:
        if int(record.created) != self._second:
            self._second, self._counts = int(record.created), Counter()
        address = str(getattr(record, "address", ""))
        if address not in self._counts and len(self._counts) >= self._addresses:
            return False
        self._counts[address] += 1
        return self._counts[address] <= self._of_each


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
