"""One child process, kept alive: started, asked whether it lives, killed when it does not answer, started again."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tollbridge.child_environment import bare_environment
from tollbridge.health import Ping

log = logging.getLogger(__name__)

PING_EVERY_SECONDS = 1.0
START_GRACE_SECONDS = 30.0
"""A process that has not answered yet may take this long."""
FIRST_BACK_OFF_SECONDS = 0.2
LONGEST_BACK_OFF_SECONDS = 10.0
STEADY_SECONDS = 30.0
"""A process that ran this long starts again without waiting."""
_PR_SET_PDEATHSIG = 1

AfterStart = Callable[["Child"], Coroutine[Any, Any, None]]


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """What to start and how to ask whether it lives."""

    name: str
    command: Sequence[str]
    log_file: Path
    ping: Ping
    failures_allowed: int = 2
    """So many pings in a row without an answer, and the process is killed."""
    ping_every_seconds: float = PING_EVERY_SECONDS
    environment: Mapping[str, str] = field(default_factory=bare_environment, repr=False)
    """All of it: nothing is inherited."""
    stop_within_seconds: float = 6.0


class Child:
    """A process that is started again whenever it dies or falls silent, until `stop`."""

    def __init__(self, spec: ChildSpec, *, after_start: AfterStart | None = None) -> None:
        self.spec = spec
        self.restarts = -1
        self.healthy = asyncio.Event()
        self._after_start = after_start
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def keep(self) -> None:
        """Run it until `stop`. Raises OSError when it cannot be started at all."""
        back_off = FIRST_BACK_OFF_SECONDS
        while not self._stopping:
            began = time.monotonic()
            await self._start()
            await self._watch()
            if self._stopping:
                return
            if time.monotonic() - began > STEADY_SECONDS:
                back_off = FIRST_BACK_OFF_SECONDS
            log.warning("%s ended; starting it again in %.1f s", self.spec.name, back_off)
            await asyncio.sleep(back_off)
            back_off = min(back_off * 2, LONGEST_BACK_OFF_SECONDS)

    async def stop(self) -> None:
        """Ask it to end, and kill it when it does not."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), self.spec.stop_within_seconds)
        except TimeoutError:
            log.warning("%s did not end within %g s; killed", self.spec.name, self.spec.stop_within_seconds)
            await self._kill()

    async def _start(self) -> None:
        self.healthy.clear()
        self.restarts += 1
        self.spec.log_file.parent.mkdir(parents=True, exist_ok=True)
        parent = os.getpid()
        with self.spec.log_file.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self.spec.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.spec.environment,
                start_new_session=True,
                preexec_fn=lambda: _end_with(parent),
            )
        log.info("%s started as process %s", self.spec.name, self._process.pid)

    async def _watch(self) -> None:
        """Return when the process has ended, by itself or killed by us for its silence."""
        assert self._process is not None
        ended = asyncio.create_task(self._process.wait())
        prepared = asyncio.create_task(self._after_start(self)) if self._after_start else None
        asked = asyncio.create_task(self._ask())
        try:
            await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (asked, prepared):
                if task is not None:
                    task.cancel()
            await asyncio.gather(
                *(task for task in (asked, prepared) if task is not None), return_exceptions=True
            )
        if not ended.done():
            log.error("%s does not answer; killing process %s", self.spec.name, self._process.pid)
            await self._kill()
        self.healthy.clear()
        await ended
        _kill_group(self._process.pid)

    async def _ask(self) -> None:
        """Ping until it has failed too often in a row. Before the first answer there is a time of grace."""
        failures, began = 0, time.monotonic()
        while failures < self.spec.failures_allowed:
            if await self.spec.ping():
                failures = 0
                self.healthy.set()
            elif self.healthy.is_set() or time.monotonic() - began > START_GRACE_SECONDS:
                failures += 1
            else:
                await asyncio.sleep(0.05)
                continue
            await asyncio.sleep(self.spec.ping_every_seconds)

    async def _kill(self) -> None:
        assert self._process is not None
        _kill_group(self._process.pid)
        await self._process.wait()


def _kill_group(leader: int) -> None:
    """Kill a child and whatever it started: each child leads a session of its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _end_with(parent: int) -> None:
    """In the child: end when the supervisor does, so that nothing is left running."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
