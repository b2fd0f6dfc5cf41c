"""Who gets the core first: the process that sends a frame every 20 ms, or the one that thinks about an answer.

Neither needs rights: what the system does not grant is left as it is.
"""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import resource
import signal
from contextlib import suppress
from enum import StrEnum

logger = logging.getLogger(__name__)

_LEAST_NICE = 5
"""As the worker and the web pages: an answer comes after Asterisk, not after a report."""
_TURN_NANOSECONDS = 100_000
_LONGEST_REAL_TIME_MICROSECONDS = 300_000
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}


class _Attributes(ctypes.Structure):
    """struct sched_attr of sched_setattr(2)."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


class TimeKeeping(StrEnum):
    """real-time: before everything that is not. short turns: the usual share, in small pieces that come soon."""

    REAL_TIME = "real-time"
    SHORT_TURNS = "short turns"
    USUAL = "usual"


def keep_time() -> TimeKeeping:
    """Ask for the core as soon as 20 ms are over, for work of a millisecond; return what was granted.

    Real time takes a right (CAP_SYS_NICE or RLIMIT_RTPRIO) and is given back by a process that computes without a
    pause: it must never hold up Asterisk. Short turns are granted to anybody by Linux 6.12 and newer.
    """
    _, most = resource.getrlimit(resource.RLIMIT_RTTIME)
    resource.setrlimit(resource.RLIMIT_RTTIME, (_LONGEST_REAL_TIME_MICROSECONDS, most))
    signal.signal(signal.SIGXCPU, _give_back)
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
        return TimeKeeping.REAL_TIME
    return _short_turns()


def _give_back(*_: object) -> None:
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    logger.warning("the speech process was too busy for real time: it goes on with %s", _short_turns())


def _short_turns() -> TimeKeeping:
    call = _SCHED_SETATTR.get(platform.machine())
    if call is None:
        return TimeKeeping.USUAL
    attributes = _Attributes(
        size=ctypes.sizeof(_Attributes),
        policy=os.SCHED_OTHER,
        nice=os.getpriority(os.PRIO_PROCESS, 0),
        runtime=_TURN_NANOSECONDS,
    )
    granted = ctypes.CDLL(None).syscall(call, 0, ctypes.byref(attributes), 0) == 0
    return TimeKeeping.SHORT_TURNS if granted else TimeKeeping.USUAL


def give_way() -> None:
    """Compute in what others leave: at least 2 below whoever started us, never interrupting anybody who wakes up."""
    os.nice(max(2, _LEAST_NICE - os.getpriority(os.PRIO_PROCESS, 0)))
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
