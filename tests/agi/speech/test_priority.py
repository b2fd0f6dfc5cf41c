"""Frames before thoughts, with rights and without, and real time only for those who do not abuse it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.agi.speech.conftest import REPOSITORY


def said_by(program: str) -> list[str]:
    """Run it as a process of its own: what it asks for must not stick to the tests."""
    done = subprocess.run(
        [sys.executable, "-c", "import os; from agi.speech.priority import *\n" + program],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    return done.stdout.split("\n")[:-1]


def test_thinking_gives_way_to_whoever_started_it() -> None:
    policy, nice = said_by("give_way(); print(os.sched_getscheduler(0)); print(os.nice(0))")
    assert int(policy) == os.SCHED_BATCH
    assert int(nice) >= min(19, max(5, os.nice(0) + 2))


def test_without_rights_the_process_still_runs() -> None:
    program = "os.geteuid() == 0 and os.setuid(65534)\nprint(keep_time()); give_way(); print('runs')"
    granted, runs = said_by(program)
    assert granted in ("short turns", "usual") and runs == "runs"


@pytest.mark.skipif(os.geteuid() != 0, reason="real time takes rights")
def test_real_time_is_not_inherited_and_given_back_by_a_busy_process() -> None:
    program = (
        "import time; print(keep_time()); child = os.fork()\n"
        "if child == 0: os._exit(os.sched_getscheduler(0))\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "began = time.process_time()\n"
        "while time.process_time() - began < 1 and os.sched_getscheduler(0) != os.SCHED_OTHER: pass\n"
        "print(os.sched_getscheduler(0))"
    )
    granted, of_child, after = said_by(program)
    if granted != "real-time":
        pytest.skip("this system grants no real time")
    assert (int(of_child), int(after)) == (os.SCHED_OTHER, os.SCHED_OTHER)
