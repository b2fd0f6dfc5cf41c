"""One node of real processes for call tests: PostgreSQL, Asterisk, agi, speech, worker. No web, no supervisor:
a test that kills or freezes a process wants to see it stay dead or frozen."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from asterisk_conf.command import CommandFailed, run_command
from router.errors import SnapshotUnreadable
from router.snapshot_file import read_document
from store.session import open_engine
from tollbridge import health
from tollbridge.asterisk_keeper import installed
from tollbridge.health import Ping
from tollbridge.layout import Layout
from tollbridge.phone import ports
from tollbridge.postgres import start_embedded_postgres, stop_embedded_postgres
from tollbridge.run import worker_heartbeat
from tollbridge.settings import PREFIX, Settings

ASTERISK, AGI, SPEECH, WORKER = "asterisk", "agi", "speech", "worker"
START_SECONDS = 40.0
STOP_SECONDS = 8.0
LIVE_SECONDS = 10.0
RTP_PORTS = 200
FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "32MB"}
_MAIN = """
import sys
from tollbridge.run import run_process
from tollbridge.settings import read_settings
run_process(sys.argv[1], read_settings())
"""
_PR_SET_PDEATHSIG = 1


def settings_on_free_ports(data_dir: Path, *, rtp_ports: int = RTP_PORTS) -> Settings:
    """Return settings on free loopback ports; a bridged call takes four of `rtp_ports`."""
    first = ports.free_block(rtp_ports)
    tcp = ports.free_block(5, kinds=(socket.SOCK_STREAM,))
    defaults = Settings()
    return Settings(
        node_name="t",
        data_dir=data_dir,
        cache_dir=defaults.cache_dir,
        database_url="",
        sip_port=ports.free_udp_port(),
        rtp_port_first=first,
        rtp_port_last=first + rtp_ports - 1,
        agi_port=tcp,
        ami_port=tcp + 1,
        speech_port=tcp + 2,
        audiosocket_port=tcp + 3,
        softphone_port=tcp + 4,
        speech_processes=1,
        web_port=ports.free_tcp_port(),
        pings_port=ports.free_tcp_port(),
        web_hook_networks="127.0.0.1/32",
        desk_phone_networks="127.0.0.8",
    )


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment that makes a process read these settings."""
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    values["secret"] = settings.secret.get_secret_value() or None
    return {f"{PREFIX}{name.upper()}": str(value) for name, value in values.items() if value is not None}


@dataclass(kw_only=True)
class Node:
    """A running node. Processes are named ASTERISK, AGI, SPEECH and WORKER."""

    settings: Settings
    database_url: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        return Layout(data_dir=self.settings.data_dir)

    @property
    def switch(self) -> tuple[str, int]:
        return (self.settings.sip_address, self.settings.sip_port)

    def engine(self) -> AsyncEngine:
        """Return a new engine on the node's database; the caller disposes of it."""
        return open_engine(self.database_url, application_name="test", pool_size=2)

    # --- single services ---

    def start(self, name: str) -> None:
        """Start a service that does not run. Use `up` to wait for it."""
        assert not self.is_running(name), f"{name} runs already"
        log = self.layout.log_dir / f"{name}.out"
        log.parent.mkdir(parents=True, exist_ok=True)
        if name == WORKER:
            worker_heartbeat(self.layout).unlink(missing_ok=True)
        with log.open("ab") as output:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-c", _MAIN, name],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **environment_of(self.settings), "PYTHONPATH": str(Path.cwd())},
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509  it only calls prctl
            )

    async def up(self, *names: str) -> None:
        """Start those of the services that do not run and wait until all answer. Raises AssertionError."""
        for name in names:
            if not self.is_running(name):
                self.start(name)
        for name in names:
            await self._answers(name)

    def is_running(self, name: str) -> bool:
        process = self.processes.get(name)
        return process is not None and process.poll() is None

    def kill(self, name: str) -> None:
        """kill -9, at once; a keeper's own child (Asterisk) goes with it."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def freeze(self, name: str) -> None:
        """SIGSTOP the whole service."""
        os.killpg(self.processes[name].pid, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        os.killpg(self.processes[name].pid, signal.SIGCONT)

    def stop(self, name: str) -> None:
        """Ask a service to end; kill it when it does not."""
        process = self.processes.pop(name, None)
        if process is None or process.poll() is not None:
            return
        os.killpg(process.pid, signal.SIGCONT)
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop_all(self) -> None:
        for name in (WORKER, AGI, SPEECH, ASTERISK):
            self.stop(name)

    def stop_database(self) -> None:
        """Stop PostgreSQL as a power cut of its own would look to us: every connection breaks."""
        stop_embedded_postgres(self.layout.postgres_dir)

    def start_database(self) -> None:
        """Start PostgreSQL again, with the settings it had."""
        start_embedded_postgres(self.layout.postgres_dir, FAST)

    def asterisk_pid(self) -> int:
        """Return the process id of Asterisk itself, below its keeper. Raises AssertionError."""
        children = self.children(ASTERISK)
        assert children, "Asterisk does not run"
        return children[0]

    def children(self, name: str) -> tuple[int, ...]:
        """Return the process ids of what a service has started itself."""
        pid = self.processes[name].pid
        return tuple(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    async def _answers(self, name: str) -> None:
        ping = self._ping(name)
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while not await ping():
            running = self.is_running(name)
            assert running, (
                f"{name} ended at once; see {self.layout.log_dir / name}.out:\n{self._last_words(name)}"
            )
            assert asyncio.get_running_loop().time() < deadline, (
                f"{name} does not answer\n{self._last_words(name)}"
            )
            await asyncio.sleep(0.1)

    def _ping(self, name: str) -> Ping:
        settings = self.settings
        if name == AGI:
            return health.agi_ping(settings.agi_port)
        if name == SPEECH:
            return health.speech_ping(settings.speech_port)
        if name == ASTERISK:
            return self._asterisk_is_booted
        return health.heartbeat_ping(worker_heartbeat(self.layout))

    async def _asterisk_is_booted(self) -> bool:
        if not await health.manager_ping(self.settings.ami_port)():
            return False
        return not isinstance(await self.asterisk("core waitfullybooted"), CommandFailed)

    def _last_words(self, name: str) -> str:
        log = self.layout.log_dir / f"{name}.out"
        return log.read_text(errors="replace")[-3000:] if log.exists() else ""

    # --- the market ---

    async def asterisk(self, command: str) -> str | CommandFailed:
        """Run a command on Asterisk's own command line."""
        return await run_command(
            installed(self.settings.cache_dir), self.layout.asterisk_dir / "etc", command
        )

    async def market_is_live(self, target_ids: tuple[int, ...]) -> None:
        """Wait until agi routes by the database's market and Asterisk knows its targets. Raises AssertionError."""
        version = await self._market_version()
        deadline = asyncio.get_running_loop().time() + LIVE_SECONDS
        while not (self._snapshot_version() >= version and await self._knows(target_ids)):
            assert asyncio.get_running_loop().time() < deadline, "the new market did not become live"
            await asyncio.sleep(0.1)

    async def _market_version(self) -> int:
        engine = self.engine()
        try:
            async with engine.connect() as connection:
                return int(
                    (await connection.execute(text("select version from market_version"))).scalar_one()
                )
        finally:
            await engine.dispose()

    def _snapshot_version(self) -> int:
        try:
            return int(read_document(self.layout.snapshot_file)[0]["version"])
        except (SnapshotUnreadable, KeyError, ValueError):
            return -1

    async def _knows(self, target_ids: tuple[int, ...]) -> bool:
        written = (self.layout.asterisk_dir / "etc" / "pjsip.conf").read_text()
        if not all(f"[target-{target_id}]" in written for target_id in target_ids):
            return False
        shown = await self.asterisk("pjsip show endpoints")
        return not isinstance(shown, CommandFailed) and all(
            f"target-{target_id} " in shown or f"target-{target_id}/" in shown for target_id in target_ids
        )


def _end_with_parent() -> None:
    """In the child: end when the test session does, however it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
