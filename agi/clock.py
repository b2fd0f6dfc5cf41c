"""How far the wall clock is from a clock that nobody sets: a file, which Asterisk writes into each row of its log.

Asterisk knows the wall clock alone. Two rows of one watch whose distances differ tell by how much it was set between
them: what is billed is a difference of two rows, less that.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import time
from contextlib import suppress
from pathlib import Path

from agi.cel import Clock, clock_of
from asterisk_conf.write import write_atomically

MOVED_MS = 20
"""Reading two clocks one after the other is not exact; less than this is no step."""
LOOK_SECONDS = 1.0
WATCHED_SECONDS = 5.0
"""Who has not looked for longer cannot say when it moved."""

_CLOCK_REALTIME = 0
_TFD_TIMER_ABSTIME, _TFD_TIMER_CANCEL_ON_SET = 1, 2
_NEVER_SECONDS = 2**33

log = logging.getLogger(__name__)


class ClockFile:
    """Keeps the file right. Several processes may do so at once: they see and write the same."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looked_at: float | None = None

    def look(self, offset_ms: int | None = None) -> None:
        """Write the distance when it has moved. One that moved while nobody looked begins a new watch."""
        offset_ms = distance_ms() if offset_ms is None else offset_ms
        now, before = time.clock_gettime(time.CLOCK_BOOTTIME), self._looked_at
        self._looked_at = now
        known = self._known()
        if known is not None and abs(known.offset_ms - offset_ms) <= MOVED_MS:
            return
        watched = known is not None and before is not None and now - before <= WATCHED_SECONDS
        watch = 1 if known is None else known.watch + (0 if watched else 1)
        write_atomically(self._path, f"{watch} {offset_ms}")
        if known is not None:
            moved_ms = offset_ms - known.offset_ms
            log.warning("the wall clock was set by %d ms%s", moved_ms, "" if watched else ", nobody saw when")

    async def keep(self) -> None:
        """Look at once whenever the clock is set, and each second; until cancelled."""
        loop, stepped = asyncio.get_running_loop(), asyncio.Event()
        timer = _Timer()
        if timer.fd >= 0:
            loop.add_reader(timer.fd, _stepped, timer, stepped)
        try:
            while True:
                try:
                    self.look()
                except OSError as error:
                    log.warning("the clock's file is not written: %s", error)
                stepped.clear()
                try:
                    async with asyncio.timeout(LOOK_SECONDS):
                        await stepped.wait()
                except TimeoutError:
                    continue
        finally:
            if timer.fd >= 0:
                loop.remove_reader(timer.fd)
                os.close(timer.fd)

    def _known(self) -> Clock | None:
        try:
            return clock_of(self._path.read_text())
        except (OSError, UnicodeDecodeError):
            return None


def distance_ms() -> int:
    """Return the wall clock less the time since boot, suspended time included, in milliseconds."""
    best_ns, distance_ns = 2**62, 0
    for _ in range(5):  # whoever was interrupted between two readings tries again
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        wall = time.time_ns()
        took = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - before
        if took < best_ns:
            best_ns, distance_ns = took, wall - before - took // 2
    return distance_ns // 1_000_000


def _stepped(timer: _Timer, stepped: asyncio.Event) -> None:
    timer.arm()
    stepped.set()


class _Timer:
    """A timer of Linux that becomes readable the moment the wall clock is set (timerfd_create(2)). fd is -1 without."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        try:
            self.fd = int(self._libc.timerfd_create(_CLOCK_REALTIME, os.O_NONBLOCK | os.O_CLOEXEC))
        except AttributeError:
            self.fd = -1
        if self.fd >= 0:
            self.arm()

    def arm(self) -> None:
        """Wait for the next time the clock is set."""
        with suppress(OSError):  # says that the clock was set, or that there is nothing to read
            os.read(self.fd, 8)
        never = (ctypes.c_long * 4)(0, 0, _NEVER_SECONDS, 0)
        flags = _TFD_TIMER_ABSTIME | _TFD_TIMER_CANCEL_ON_SET
        self._libc.timerfd_settime(self.fd, flags, ctypes.byref(never), None)
