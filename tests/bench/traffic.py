"""SIPp as a crowd of callers, and what the CEL clocks say of their calls."""

from __future__ import annotations

import asyncio
import csv
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from tollbridge.phone import ports

SCENARIOS = Path(__file__).parent / "sipp"
HOLD_MS = 1_000
LONGEST_SECONDS = 120


class TrafficFailed(Exception):
    """SIPp counted failed calls, or did not end."""


async def place_calls(
    switch: tuple[str, int], number: str, folder: Path, *, rate: int, calls: int, hold_ms: int = HOLD_MS
) -> None:
    """Place `calls` calls at `rate` a second and wait for their end. Raises TrafficFailed when one fails."""
    scenario = folder / "caller.xml"
    scenario.write_text((SCENARIOS / "caller.xml").read_text().replace("@HOLD_MS@", str(hold_ms)))
    program = shutil.which("sipp")
    if program is None:
        raise TrafficFailed("SIPp is not installed: run `make setup`")
    process = await asyncio.create_subprocess_exec(
        program,
        *(f"{switch[0]}:{switch[1]}", "-sf", str(scenario), "-s", number, "-r", str(rate), "-m", str(calls)),
        *("-l", "2000", "-i", ports.LOOPBACK, "-p", str(ports.free_udp_port()), "-nostdin", "-trace_err"),
        *("-error_file", str(folder / "sipp-errors.log")),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        status = await asyncio.wait_for(process.wait(), calls / rate + hold_ms / 1000 + LONGEST_SECONDS)
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise TrafficFailed("SIPp did not end") from error
    if status != 0:
        raise TrafficFailed(f"SIPp: status {status}; see {folder / 'sipp-errors.log'}")


def set_up_delays_ms(cel_file: Path, from_byte: int) -> list[float]:
    """Return, for each call after `from_byte`, the time from the caller's channel to the buyer's, in ms."""
    return sorted(_delays(_rows(cel_file, from_byte)))


def _rows(cel_file: Path, from_byte: int) -> Iterable[list[str]]:
    with cel_file.open("rb") as file:
        file.seek(from_byte)
        return list(csv.reader(file.read().decode("utf-8", "replace").splitlines()))


def _delays(rows: Iterable[list[str]]) -> Iterator[float]:
    began: dict[str, float] = {}
    for event, at, uniqueid, linkedid, *_ in rows:
        if event != "CHAN_START":
            continue
        if uniqueid == linkedid:
            began[linkedid] = float(at)
        elif linkedid in began:
            yield (float(at) - began.pop(linkedid)) * 1000
