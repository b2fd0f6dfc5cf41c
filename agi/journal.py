"""The node's journal: what our services know of a call and Asterisk does not, one JSON line a fact.

The call path writes here and nowhere else, so a call needs no database: the worker brings the lines to PostgreSQL,
each exactly once, when it can (journal_reader.py). Only the standard library is used: the survival script, which
Asterisk starts for one call, writes here too and must be quick.

Lines are appended with one write each (O_APPEND), so several processes may write one file. There is one file a day
(UTC): the reader drops files it has read when they are a week old.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

CALL_MATCHED = "call_matched"
"""number found: tracking_number_id campaign_id publisher_id flow_name flow_version"""
ANSWERED = "answered"
"""sequence node tag value source heard confidence engine"""
DECIDED = "decided"
"""sequence decided_by target_id duration_us decision rejections[{target_id code detail}]"""
TAGGED = "tagged"
"""tags: the whole mapping so far"""
RECORDING = "recording"
"""state (started, refused) part consent_node: the call is recorded from now on, or not any more and not at all"""
REQUESTED = "requested"
"""request (call_back, do_not_call) node number said: what the caller wants of us; number is E.164 or null"""
NOTED = "noted"
"""event node detail: what a flow did beside asking, a row of the call's events"""
ASTERISK_ALIVE = "asterisk_alive"
"""started_ms alive_ms: heartbeat of the AMI reader"""
COUNTED = "counted"
"""name count: something refused at the door that leaves no call row; count is 1 when absent"""

DAY_MS = 86_400_000
MAXIMUM_LINE_BYTES = 512 * 1024
FILE_PREFIX = "journal-"
FILE_SUFFIX = ".jsonl"


def day_file(directory: Path, at_ms: int) -> Path:
    """Return the journal file of the UTC day that holds the epoch milliseconds `at_ms`."""
    day = time.strftime("%Y%m%d", time.gmtime(at_ms // 1000))
    return directory / f"{FILE_PREFIX}{day}{FILE_SUFFIX}"


class Facts(Protocol):
    """Whatever takes the facts of a call: the journal, or the story of a call to a draft."""

    def write(self, kind: str, linkedid: str, body: Mapping[str, Any]) -> None: ...


class Journal:
    """Appends facts to `<directory>/journal-YYYYMMDD.jsonl`. Safe to use from several processes at once."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._day: int | None = None
        self._fd = -1
        # Set when a full disk cut a line short: the next line must not be glued to the torn one.
        self._torn = False

    def write(self, kind: str, linkedid: str, body: Mapping[str, Any]) -> None:
        """Append one fact. `linkedid` is empty for facts about the node. Raises OSError when the disk is full."""
        at_ms = time.time_ns() // 1_000_000
        line = json.dumps({"kind": kind, "linkedid": linkedid, "at_ms": at_ms, **body})
        data = line.encode() + b"\n"
        if len(data) > MAXIMUM_LINE_BYTES:
            raise ValueError(f"a journal line of {len(data)} bytes")
        self._open_day(at_ms)
        if self._torn:
            data = b"\n" + data
        written = os.write(self._fd, data)
        self._torn = written < len(data)
        if self._torn:
            raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes of a journal line were written")

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._day = -1, None

    def _open_day(self, at_ms: int) -> None:
        day = at_ms // DAY_MS
        if day == self._day:
            return
        self.close()
        file = day_file(self._directory, at_ms)
        self._fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._day = day
