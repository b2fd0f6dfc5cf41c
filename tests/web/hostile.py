"""What a decoder may do that somebody has fooled; run in web/limited_process.py's child."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Any


def eat(_: Any) -> int:
    """Take memory without end."""
    taken = []
    while True:
        taken.append(bytes(16 * 1024 * 1024))


def spin(_: Any) -> int:
    """Take the processor without end."""
    while True:
        pass


def fill(folder: str) -> int:
    """Take the disk without end."""
    with (Path(folder) / "large").open("wb") as file:
        while True:
            file.write(bytes(1024 * 1024))


def crash(_: Any) -> int:
    """Fall over as C does."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return 0


def environment(_: Any) -> dict[str, str]:
    return dict(os.environ)


def reach(address: list[Any]) -> str:
    """Go out by the network; return what stops it."""
    try:
        with socket.create_connection((address[0], address[1]), timeout=2):
            return "reached"
    except OSError as error:
        return str(error)


def linger(file: str) -> int:
    """Leave somebody behind."""
    child = os.fork()
    if not child:
        signal.pause()
    Path(file).write_text(str(child))
    while True:
        pass
