"""A process is kept alive: it may die, fall silent or never come up."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psutil
import pytest_asyncio

from tollbridge.children import Child, ChildSpec
from tollbridge.health import heartbeat_ping

_BEATING = """
import pathlib, subprocess, sys, time
file = pathlib.Path(sys.argv[1])
subprocess.Popen(["sleep", "600"])
while True:
    file.touch(); time.sleep(0.05)
"""
Start = Callable[..., Awaitable[Child]]


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a child that touches a file and has a child of its own; ends it after the test."""
    running: list[tuple[Child, asyncio.Task[None]]] = []

    async def begin() -> Child:
        file = tmp_path / "alive"
        spec = ChildSpec(
            name="beating",
            command=(sys.executable, "-c", _BEATING, str(file)),
            log_file=tmp_path / "log" / "beating.log",
            ping=_fresh(file),
            ping_every_seconds=0.1,
        )
        child = Child(spec)
        running.append((child, asyncio.create_task(child.keep())))
        await asyncio.wait_for(child.healthy.wait(), 10)
        return child

    yield begin
    for child, task in running:
        await child.stop()
        await task


def _fresh(file: Path) -> Callable[[], Awaitable[bool]]:
    async def ping() -> bool:
        try:
            age = asyncio.get_running_loop().time()
            before = file.stat().st_mtime_ns
        except FileNotFoundError:
            return False
        while asyncio.get_running_loop().time() - age < 0.4:
            await asyncio.sleep(0.05)
            if file.stat().st_mtime_ns != before:
                return True
        return False

    return ping


async def another(child: Child, pid: int | None) -> int:
    async with asyncio.timeout(10):
        while child.pid in (None, pid) or not child.healthy.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert child.pid is not None
    return child.pid


async def test_a_killed_process_comes_back(start: Start) -> None:
    child = await start()
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert await another(child, first) != first
    assert child.restarts == 1


async def test_a_frozen_process_is_killed_with_its_children_and_comes_back(start: Start) -> None:
    child = await start()
    first = child.pid
    assert first is not None
    grandchildren = psutil.Process(first).children()
    assert grandchildren
    os.kill(first, signal.SIGSTOP)
    await another(child, first)
    assert all(not one.is_running() or one.status() == psutil.STATUS_ZOMBIE for one in grandchildren)


async def test_stop_ends_it_for_good(start: Start) -> None:
    child = await start()
    pid = child.pid
    await child.stop()
    await asyncio.sleep(0.4)
    assert child.pid is None and pid is not None and not psutil.pid_exists(pid)


async def test_a_heartbeat_that_is_old_or_missing_is_no_life(tmp_path: Path) -> None:
    file = tmp_path / "alive"
    ping = heartbeat_ping(file)
    assert not await ping()
    file.touch()
    assert await ping()
    os.utime(file, (1, 1))
    assert not await ping()
