"""The child of web/limited_process.py: bounds itself, then reads what a stranger may have made.

`python -m web.limited_child BOUNDS MODULE:FUNCTION < argument`: JSON in, JSON out. Nothing of ours but the function's
own module is in its memory, and no secret in its environment.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import resource
import signal
import sys
from typing import Any

TOO_MUCH_MEMORY = 3
OPEN_FILES = 64
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


def main() -> int:
    bounds: dict[str, int] = json.loads(sys.argv[1])
    _bound(bounds)
    module, _, function = sys.argv[2].partition(":")
    argument = json.load(sys.stdin)
    try:
        answer: Any = getattr(importlib.import_module(module), function)(argument)
        text = json.dumps(answer)
    except MemoryError:
        return TOO_MUCH_MEMORY
    sys.stdout.write(text)
    return 0


def _bound(bounds: dict[str, int]) -> None:
    """So much memory, time of the processor and disk; no other user's rights, no network where the kernel lets us."""
    library = ctypes.CDLL(None)
    library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    with contextlib.suppress(AttributeError):
        library.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    limits = {
        resource.RLIMIT_AS: bounds["memory_bytes"],
        resource.RLIMIT_CPU: bounds["processor_seconds"],
        resource.RLIMIT_FSIZE: bounds["file_bytes"],
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in limits.items():
        resource.setrlimit(kind, (most, most))
    with contextlib.suppress(OSError):
        os.nice(5)


if __name__ == "__main__":
    sys.exit(main())
