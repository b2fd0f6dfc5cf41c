"""A buyer's telephone played by SIPp: a real peer with its own clock."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from tollbridge.phone import ports
from tollbridge.phone.sipp_log import BuyerLeg, read_legs
from tollbridge.phone.voice import tone
from tollbridge.priority import go_first

SCENARIOS = Path(__file__).parent / "sipp"
MEDIA_PORTS = 40
START_SECONDS = 5.0
STOP_SECONDS = 2.0
PORTS_TRIED = 4
PORT_TAKEN = "Address already in use"


class SippUnavailable(Exception):
    """SIPp is not installed or did not start; the text says what to do."""


class SippBuyer:
    """A running SIPp that plays one scenario for every call it gets."""

    def __init__(self, *, port: int, log_file: Path, process: asyncio.subprocess.Process) -> None:
        self.port = port
        self.log_file = log_file
        self._process = process

    @classmethod
    @contextlib.asynccontextmanager
    async def playing(
        cls,
        scenario: Path,
        work_dir: Path,
        *,
        name: str,
        port: int = 0,
        audio: bytes | None = None,
        values: Mapping[str, str] | None = None,
        traced: bool = True,
    ) -> AsyncIterator[SippBuyer]:
        """Run `scenario` on loopback until the block ends. Raises SippUnavailable, OSError.

        `@NAME@` in the scenario is replaced from `values`; `audio` (mu-law) is what the buyer says, over and over.
        Without `traced` there are no `legs`: a crowd's messages would fill the disk.
        """
        buyer = await cls.start(
            scenario, work_dir, name=name, port=port, audio=audio, values=values, traced=traced
        )
        try:
            yield buyer
        finally:
            await buyer.stop()

    @classmethod
    async def start(
        cls,
        scenario: Path,
        work_dir: Path,
        *,
        name: str,
        port: int = 0,
        audio: bytes | None = None,
        values: Mapping[str, str] | None = None,
        traced: bool = True,
    ) -> SippBuyer:
        """Start SIPp and wait until it listens. Raises SippUnavailable, OSError.

        With no `port` a free one is taken; should somebody else take it first, another.
        """
        for tries_left in range(0 if port else PORTS_TRIED - 1, -1, -1):
            try:
                return await cls._start_once(
                    scenario,
                    work_dir,
                    name=name,
                    port=port or ports.free_udp_port(),
                    audio=audio,
                    values=values,
                    traced=traced,
                )
            except SippUnavailable as error:
                if not tries_left or PORT_TAKEN not in str(error):
                    raise
        raise AssertionError("unreachable")

    @classmethod
    async def _start_once(
        cls,
        scenario: Path,
        work_dir: Path,
        *,
        name: str,
        port: int,
        audio: bytes | None,
        values: Mapping[str, str] | None,
        traced: bool,
    ) -> SippBuyer:
        program = shutil.which("sipp")
        if program is None:
            raise SippUnavailable(
                "SIPp is not installed: `make demo` installs it (apt-get install sip-tester)"
            )
        work_dir.mkdir(parents=True, exist_ok=True)
        sound = work_dir / f"{name}.ulaw"
        sound.write_bytes(audio if audio is not None else tone(440, 2.0))
        played = work_dir / f"{name}.xml"
        played.write_text(fill(scenario.read_text(), {"AUDIO": str(sound), **(values or {})}))
        log_file = work_dir / f"{name}-messages.log"
        process = await asyncio.create_subprocess_exec(
            program,
            *_arguments(played, port, log_file, traced=traced),
            cwd=work_dir,
            env={**os.environ, "TZ": "UTC"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=(work_dir / f"{name}-stderr.log").open("wb"),
        )
        go_first(process.pid)  # it stands for another machine, which would not wait for ours
        buyer = cls(port=port, log_file=log_file, process=process)
        await buyer._listening(work_dir / f"{name}-stderr.log")
        return buyer

    async def _listening(self, complaints: Path) -> None:
        for _ in range(int(START_SECONDS / 0.05)):
            if self._process.returncode is not None:
                text = complaints.read_text(errors="replace")[-300:]
                raise SippUnavailable(f"SIPp ended at once ({self._process.returncode}): {text}")
            if not ports.is_free_udp(self.port):
                return
            await asyncio.sleep(0.05)
        await self.stop()
        raise SippUnavailable(f"SIPp does not listen on UDP port {self.port}")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def sip_uri(self) -> str:
        return f"sip:buyer@{ports.LOOPBACK}:{self.port}"

    def legs(self) -> tuple[BuyerLeg, ...]:
        """Return the calls so far, by SIPp's clock."""
        try:
            return read_legs(self.log_file.read_text("utf-8", "surrogateescape"))
        except FileNotFoundError:
            return ()

    async def wait_leg(self, *, index: int = -1, ended: bool = True, seconds: float = 5.0) -> BuyerLeg:
        """Return a leg once it is there (and over). Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while True:
                legs = self.legs()
                if len(legs) > max(index, 0) and (not ended or is_over(legs[index])):
                    return legs[index]
                await asyncio.sleep(0.05)

    async def wait_connected(self, *, seconds: float = 10.0) -> BuyerLeg:
        """Return the newest leg once its 200 is acknowledged. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while True:
                legs = self.legs()
                if legs and legs[-1].acknowledged_ms is not None and legs[-1].answered_ms is not None:
                    return legs[-1]
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """End SIPp. Safe to call again."""
        if self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


def is_over(leg: BuyerLeg) -> bool:
    """Tell whether a leg was refused, cancelled or hung up."""
    return leg.ended_ms is not None or leg.refused_ms is not None


def fill(scenario: str, values: Mapping[str, str]) -> str:
    """Return the scenario with each `@NAME@` replaced. RING_MS is 1000 unless given."""
    for name, value in {"RING_MS": "1000", "TALK_MS": "2000", **values}.items():
        scenario = scenario.replace(f"@{name}@", value)
    return scenario


def _arguments(scenario: Path, port: int, log_file: Path, *, traced: bool) -> tuple[str, ...]:
    media = ports.free_block(MEDIA_PORTS)
    address = ("-i", ports.LOOPBACK, "-p", str(port), "-mi", ports.LOOPBACK, "-mp", str(media))
    logs = (*(("-trace_msg", "-message_file", str(log_file)) if traced else ()), "-trace_err")
    return ("-sf", str(scenario), *address, *logs, "-error_file", f"{log_file}.errors", "-nostdin", "-aa")
