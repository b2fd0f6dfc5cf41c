"""A network of its own for one thread: the loopback and one more address, for Asterisk offers no 127.0.0.1 to browsers
(FACTS 7). Nothing in it reaches anything else, and it is gone with the last process in it."""

from __future__ import annotations

import asyncio
import ctypes
import subprocess
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

ADDRESS = "10.99.0.1"
_CLONE_NEWNET = 0x40000000
_COMMANDS = (
    "link set lo up",
    "link add d0 type veth peer name d1",
    "link set d1 up",
    f"addr add {ADDRESS}/24 dev d0",
    "link set d0 up",
)


def why_no_namespace() -> str:
    """Return why there can be none here, '' when there can."""
    try:
        done = subprocess.run(
            ["unshare", "--net", "ip", "link", "show"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except FileNotFoundError:
        return "the programs unshare and ip are not there"
    return "" if done.returncode == 0 else f"no network namespaces for this user: {done.stderr.strip()[:200]}"


def run_in_namespace(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `work` in a thread that lives in a network of its own; what it starts lives there too."""

    def alone() -> None:
        if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        for command in _COMMANDS:
            subprocess.run(["ip", *command.split()], check=True, capture_output=True, timeout=10)
        asyncio.run(work())

    with ThreadPoolExecutor(1) as thread:
        thread.submit(alone).result()
