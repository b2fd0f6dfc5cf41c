"""A real Asterisk with our configuration and a dialplan of three lines, to try the telephone on."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from asterisk_conf.install import command_line, find_asterisk
from asterisk_conf.node_config import Installation, NodeConfig, Softphone, TrunkRow, lines_of
from asterisk_conf.node_folder import prepare_node_folder
from asterisk_conf.render import render
from asterisk_conf.write import write_configuration
from tollbridge.phone import mulaw, ports
from tollbridge.phone.voice import tone

DIALPLAN = """
[from-trunk]
exten => echo,1,Answer()
 same => n,Echo()
exten => play,1,Answer()
 same => n,Wait(0.3)
 same => n,Read(KEYS,@SOUND@,4,,1,5)
 same => n,CELGenUserEvent(KEYS,${KEYS})
 same => n,Hangup()
exten => ring,1,Ringing()
 same => n,Wait(30)
exten => later,1,Ringing()
 same => n,Wait(0.5)
 same => n,Answer()
 same => n,Wait(0.5)
 same => n,Hangup()
exten => _.,1,CELGenUserEvent(DIALLED,${FILTER(0-9+,${EXTEN})})
 same => n,Hangup(1)
"""


@dataclass(frozen=True, kw_only=True)
class BareAsterisk:
    node: NodeConfig

    @property
    def switch(self) -> tuple[str, int]:
        return ("127.0.0.1", self.node.sip_port)

    @property
    def cel(self) -> str:
        path = self.node.node_dir / "log" / "cel-custom" / "Master.csv"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def log(self) -> str:
        return (self.node.node_dir / "log" / "messages.log").read_text(errors="replace")


def node_config(folder: Path, installation: Installation) -> NodeConfig:
    first = ports.free_block(40)
    trunk = TrunkRow(id=1, name="loopback", addresses=["127.0.0.1"])
    return NodeConfig(
        node_name="t",
        node_dir=folder / "asterisk",
        installation=installation,
        python=Path(sys.executable),
        program_dir=Path.cwd(),
        snapshot_file=folder / "snapshot.json",
        journal_dir=folder / "journal",
        prompts_dir=folder / "prompts",
        sip_address="127.0.0.1",
        sip_port=ports.free_udp_port(),
        rtp_port_first=first,
        rtp_port_last=first + 39,
        agi_port=ports.free_tcp_port(),
        ami_port=ports.free_tcp_port(),
        secret="not-used-here",
        softphone=Softphone(port=ports.free_tcp_port()),
        lines=lines_of([trunk], []),
    )


def write_sound(path: Path) -> None:
    """Write one second of tone as Asterisk plays it."""
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(mulaw.SAMPLES_PER_SECOND)
        sound.writeframes(mulaw.decode(tone(440, 1.0)))


@contextlib.asynccontextmanager
async def running(folder: Path, cache_dir: Path) -> AsyncIterator[BareAsterisk]:
    """Start Asterisk below `folder`; kill it at the end."""
    installation = find_asterisk(cache_dir)
    assert isinstance(installation, Installation), installation
    node = node_config(folder, installation)
    prepare_node_folder(node)
    write_sound(folder / "prompt.wav")
    dialplan = DIALPLAN.replace("@SOUND@", str(folder / "prompt"))
    write_configuration(node.etc_dir, {**render(node), "extensions.conf": dialplan})
    words = command_line(installation, node.etc_dir / "asterisk.conf", "-f")
    with (folder / "asterisk.out").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        async with asyncio.timeout(15):
            while ports.is_free_udp(node.sip_port) or not (node.run_dir / "asterisk.ctl").exists():
                assert process.returncode is None, (folder / "asterisk.out").read_text()
                await asyncio.sleep(0.1)
            # The socket is there before the dialplan is.
            await asyncio.sleep(0.5)
        yield BareAsterisk(node=node)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
