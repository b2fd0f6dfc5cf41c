"""The yardstick of `bench-calls`: the same Asterisk, the same configuration, a dialplan that only dials."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from asterisk_conf.command import CommandFailed, run_command
from asterisk_conf.install import command_line
from asterisk_conf.node_config import Installation, Lines, NodeConfig, TargetRow, TrunkRow, lines_of
from asterisk_conf.node_folder import prepare_node_folder
from asterisk_conf.render import render
from asterisk_conf.write import write_configuration
from tollbridge.asterisk_keeper import installed
from tollbridge.node_config import node_config
from tollbridge.settings import Settings

EXTENSIONS = """
[from-trunk]
exten => _[!-~]!,1,Dial(PJSIP/target-1,20,g)
 same => n,Hangup()
[none]
"""
BOOT_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class BareAsterisk:
    """A running Asterisk without us."""

    pid: int
    switch: tuple[str, int]
    cel_file: Path


@asynccontextmanager
async def bare_asterisk(settings: Settings, data_dir: Path, *, buyer_uri: str) -> AsyncIterator[BareAsterisk]:
    """Run it until the block ends. Raises AssertionError when it does not boot."""
    settings = settings.model_copy(update={"data_dir": data_dir, "node_name": "bare"})
    installation = installed(settings.cache_dir)
    node = node_config(settings, installation=installation, secret="unused", lines=_lines(buyer_uri))
    prepare_node_folder(node)
    write_configuration(node.etc_dir, {**render(node), "extensions.conf": EXTENSIONS})
    process = subprocess.Popen(  # noqa: ASYNC220  returns at once
        command_line(installation, node.etc_dir / "asterisk.conf", "-f"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await _booted(installation, node)
        yield BareAsterisk(
            pid=process.pid,
            switch=(settings.sip_address, settings.sip_port),
            cel_file=node.node_dir / "log" / "cel-custom" / "Master.csv",
        )
    finally:
        process.terminate()
        process.wait(10)


def _lines(buyer_uri: str) -> Lines:
    trunk = TrunkRow(id=1, name="loopback", addresses=["127.0.0.1"])
    return lines_of([trunk], [TargetRow(id=1, sip_uri=buyer_uri)])


async def _booted(installation: Installation, node: NodeConfig) -> None:
    deadline = asyncio.get_running_loop().time() + BOOT_SECONDS
    while isinstance(await run_command(installation, node.etc_dir, "core waitfullybooted"), CommandFailed):
        assert asyncio.get_running_loop().time() < deadline, "the bare Asterisk did not boot"
        await asyncio.sleep(0.2)
