"""How the garbage collector works beside calls: seldom, and never through what a process holds for good."""

from __future__ import annotations

import gc

NEW_OBJECTS = 5_000
"""So many more than were freed before the youngest are looked through. Python's own 700 are reached every few calls,
and nearly all that a call makes is freed without the collector."""


def leave_calls_in_peace() -> None:
    """To be called once a process is up: what was imported and loaded is not looked through again.

    A full collection takes 50 ms of a caller's time.
    """
    gc.collect()
    gc.freeze()
    _, middle, old = gc.get_threshold()
    gc.set_threshold(NEW_OBJECTS, middle, old)
