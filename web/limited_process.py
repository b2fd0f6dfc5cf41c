"""Files that people bring in are read in a short-lived process of little memory, time and rights, not in the web's.

A decoder that is fooled, or a file that takes for ever, then costs one answer and not the pages.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from web.limited_child import TOO_MUCH_MEMORY
from web.plain_refusal import PlainRefusal

log = logging.getLogger(__name__)

AT_ONCE = 2
_PROJECT_ROOT = Path(__file__).resolve().parent.parent
_readers = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="limited")
_ENVIRONMENT = {
    "PATH": os.defpath,
    "PYTHONPATH": str(_PROJECT_ROOT),
    "PYTHONDONTWRITEBYTECODE": "1",
    # Threads would each reserve memory that is never used.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "LANG": "C.UTF-8",
}


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What one file may cost."""

    memory_bytes: int = 768 * 1024 * 1024
    processor_seconds: int = 20
    file_bytes: int = 64 * 1024 * 1024
    seconds: float = 40.0


USUAL = Bounds()


class NotRead(PlainRefusal):
    """The file cannot be read within the bounds."""

    def __init__(self, sentence: str) -> None:
        super().__init__(422, "That file cannot be read", sentence)


async def read_limited(function: str, argument: Any, bounds: Bounds = USUAL) -> Any:
    """Return what `function` ("module:name", a name of the program's own) makes of `argument`. Raises NotRead.

    Both are JSON values. A few at a time; the others wait.
    """
    work = asyncio.get_running_loop().run_in_executor(_readers, run_limited, function, argument, bounds)
    return await asyncio.shield(work)


def run_limited(function: str, argument: Any, bounds: Bounds = USUAL) -> Any:
    """The same, in the caller's thread. Raises NotRead."""
    said = {name: int(value) for name, value in asdict(bounds).items()}
    command = [sys.executable, "-m", "web.limited_child", json.dumps(said), function]
    with _started(command) as child:
        try:
            answer, errors = child.communicate(json.dumps(argument).encode(), timeout=bounds.seconds)
        except subprocess.TimeoutExpired:
            raise NotRead(
                f"Reading it takes longer than {bounds.seconds:g} seconds: bring it in in parts."
            ) from None
    if child.returncode == 0:
        return json.loads(answer)
    raise NotRead(_why(child.returncode, errors))


@contextmanager
def _started(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start it, and have nothing of it left afterwards."""
    child = subprocess.Popen(
        command,
        env=_ENVIRONMENT,
        cwd=_PROJECT_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _why(code: int, errors: bytes) -> str:
    if code == TOO_MUCH_MEMORY:
        return "Reading it takes more memory than a file may: bring it in in parts."
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return "Reading it takes longer than a file may: bring it in in parts."
    log.warning("a reader of files ended with %d: %s", code, errors.decode(errors="replace")[-500:])
    return "It is no file of the kind that is taken here, or it is damaged: save it again."
