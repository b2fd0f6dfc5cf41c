"""Who goes first when the machine is busy. Whoever has no right to go first runs as everybody does.

Linux groups processes by session and shares the time among the groups (autogroup, on by default): niceness counts
within one only, so it is set for the group as well. Realtime stands above all groups, and the kernel keeps 5 % of a
second back from it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

NICE = {"agi": -5, "speech": 0, "worker": 5, "pings": 5, "web": 5}
"""A caller hears what agi is late with; a burst of the worker must delay nobody. -20 goes first, 19 last."""
REALTIME_PRIORITY = 1
"""The lowest there is: enough to go before everything that is not realtime."""
_AUTOGROUP = Path("/proc/self/autogroup")


def set_priority_of(service: str) -> None:
    """Give this process, and what it starts, the priority of a service of a node.

    Asterisk's clock is what is billed, and it carries the voices: it goes before all.
    """
    if service == "asterisk":
        go_first()
        return
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE[service])
    with contextlib.suppress(OSError):
        _AUTOGROUP.write_text(str(NICE[service]))


def go_first(pid: int = 0, *, alone: bool = False) -> None:
    """Let a process (this one by default) go before all that is not realtime; `alone`: not what it starts from now."""
    policy = os.SCHED_RR | (os.SCHED_RESET_ON_FORK if alone else 0)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(pid, policy, os.sched_param(REALTIME_PRIORITY))
