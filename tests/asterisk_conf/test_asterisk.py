"""The rendered configuration in a real Asterisk."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from asterisk_conf.command import reload, run_command
from asterisk_conf.install import command_line
from asterisk_conf.node_config import Lines, NodeConfig, Softphone, TargetRow, TrunkRow, lines_of
from asterisk_conf.node_folder import prepare_node_folder
from asterisk_conf.render import render
from asterisk_conf.sip_door import allowed_networks, close_door
from asterisk_conf.write import write_configuration
from tests.asterisk_conf.example import example_node
from tollbridge.asterisk_keeper import installed
from tollbridge.phone.ports import free_block, free_tcp_port, free_udp_port
from tollbridge.settings import Settings

ALICE, STRANGER = "127.0.0.2", "127.0.0.3"
TRUNK = TrunkRow(id=1, name="demo", addresses=[ALICE])
HOLDING = "[general]\n[from-trunk]\nexten => _!,1,Answer()\n same => n,Wait(20)\n"
"""A dialplan that keeps a call up without any service of ours."""


@dataclass(kw_only=True)
class Running:
    node: NodeConfig
    process: subprocess.Popen[bytes]

    async def command(self, text: str) -> str:
        answer = await run_command(self.node.installation, self.node.etc_dir, text)
        assert isinstance(answer, str), answer
        return answer

    async def has_calls(self, count: int) -> None:
        """Wait until so many calls are up: "100 Trying" goes out before Asterisk has made a channel."""
        deadline = time.monotonic() + 10
        while f"{count} active call" not in (said := await self.command("core show channels count")):
            assert time.monotonic() < deadline, said
            await asyncio.sleep(0.05)

    def log(self) -> str:
        return (self.node.node_dir / "log" / "messages.log").read_text()

    async def take_up(self, lines: Lines) -> None:
        node = example_node(
            node_dir=self.node.node_dir,
            installation=self.node.installation,
            lines=lines,
            ports=(self.node.sip_port, self.node.ami_port, self.node.rtp_port_first),
            softphone=self.node.softphone,
        )
        files = render(node) | {"extensions.conf": HOLDING}
        written = write_configuration(node.etc_dir, files)
        assert written.changed == ("pjsip.conf",)
        assert await reload(node.installation, node.etc_dir, written.reloads) is None


@pytest_asyncio.fixture
async def running(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    """A booted Asterisk; parametrize indirectly with True for the dialplan that holds calls."""
    node = example_node(
        node_dir=tmp_path / "asterisk",
        installation=installed(Settings().cache_dir),
        lines=lines_of([TRUNK], [TargetRow(id=7, sip_uri="sip:a@127.0.0.4:5999")]),
        ports=(free_udp_port(), free_tcp_port(), free_block(100)),
        softphone=Softphone(port=free_tcp_port()),
    )
    prepare_node_folder(node)
    files = render(node) | ({"extensions.conf": HOLDING} if getattr(request, "param", False) else {})
    write_configuration(node.etc_dir, files)
    words = command_line(node.installation, node.etc_dir / "asterisk.conf", "-f")
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: ASYNC220
    try:
        yield await booted(Running(node=node, process=process))
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def booted(asterisk: Running) -> Running:
    deadline = time.monotonic() + 20
    while not isinstance(
        await run_command(asterisk.node.installation, asterisk.node.etc_dir, "core waitfullybooted"), str
    ):
        assert asterisk.process.poll() is None and time.monotonic() < deadline, "Asterisk did not come up"
        await asyncio.sleep(0.1)
    return asterisk


def invite(source: str, port: int, *, name: str = "trunk-1", wait_seconds: float = 10) -> str:
    """Send an INVITE from a loopback address under a name; return the first line of the first answer, or nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind((source, 0))
        phone.settimeout(wait_seconds)
        here, serial = f"{source}:{phone.getsockname()[1]}", time.time_ns()
        lines = [
            f"INVITE sip:+18005550100@127.0.0.1:{port} SIP/2.0",
            f"Via: SIP/2.0/UDP {here};branch=z9hG4bK{serial}",
            f"From: <sip:{name}@{source}>;tag={serial}",
            "To: <sip:+18005550100@127.0.0.1>",
            f"Call-ID: {serial}",
            "CSeq: 1 INVITE",
            f"Contact: <sip:x@{here}>",
            "Max-Forwards: 70",
            "Content-Length: 0",
        ]
        phone.sendto("\r\n".join([*lines, "", ""]).encode(), ("127.0.0.1", port))
        try:
            return phone.recv(4000).decode().splitlines()[0]
        except TimeoutError:
            return ""


async def test_it_boots_without_a_warning_and_listens_on_the_loopback_only(running: Running) -> None:
    complaints = [line for line in running.log().splitlines() if "WARNING" in line or "ERROR" in line]
    assert complaints == []
    assert "trunk-1" in await running.command("pjsip show endpoints")
    connections = psutil.Process(running.process.pid).net_connections("inet")
    listening = {(c.laddr.ip, c.laddr.port) for c in connections if c.status == psutil.CONN_LISTEN}
    assert listening == {("127.0.0.1", running.node.ami_port), ("127.0.0.1", running.node.softphone.port)}
    sip = {c.laddr.ip for c in connections if c.laddr.port == running.node.sip_port}
    assert sip == {"127.0.0.1"}


@pytest.mark.parametrize("running", [True], indirect=True)
async def test_a_new_target_and_trunk_are_taken_up_while_a_call_goes_on(running: Running) -> None:
    assert invite(ALICE, running.node.sip_port) == "SIP/2.0 100 Trying"
    await running.has_calls(1)
    lines = lines_of(
        [TRUNK, TrunkRow(id=2, name="second", addresses=["127.0.0.9"])],
        [TargetRow(id=7, sip_uri="sip:a@127.0.0.4:5999"), TargetRow(id=8, sip_uri="sip:b@127.0.0.4:5998")],
    )
    await running.take_up(lines)
    assert "sip:b@127.0.0.4:5998" in await running.command("pjsip show aor target-8")
    assert invite("127.0.0.9", running.node.sip_port) == "SIP/2.0 100 Trying"
    await running.has_calls(2)


@pytest.mark.parametrize("running", [True], indirect=True)
async def test_a_stranger_who_borrows_a_trunks_name_is_nobody_and_gets_no_answer(running: Running) -> None:
    assert invite(STRANGER, running.node.sip_port) == "SIP/2.0 401 Unauthorized"
    # The only name there is has a password, for those let in by their address, too.
    assert invite(ALICE, running.node.sip_port, name="softphone") == "SIP/2.0 401 Unauthorized"
    networks = await allowed_networks(running.node.lines)
    close_door(running.process.pid, "127.0.0.1", running.node.sip_port, networks)
    assert invite(STRANGER, running.node.sip_port, wait_seconds=1) == ""
    assert invite(ALICE, running.node.sip_port) == "SIP/2.0 100 Trying"
    await running.has_calls(1)


async def test_the_manager_may_end_calls_and_neither_start_nor_configure_anything(running: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", running.node.ami_port)

    async def ask(action: str) -> str:
        writer.write((action.replace("\n", "\r\n") + "\r\n\r\n").encode())
        while True:
            answer = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode()
            if "Response:" in answer:
                return answer

    login = f"Action: Login\nUsername: tollbridge\nSecret: {running.node.secret}"
    assert "Response: Success" in await ask(login)
    for allowed in ("Ping", "CoreStatus", "CoreShowChannels"):
        assert "Response: Success" in await ask(f"Action: {allowed}"), allowed
    for refused in (
        "Originate\nChannel: Local/x@from-trunk\nApplication: Wait\nData: 1",
        "Command\nCommand: core show version",
        "GetConfig\nFilename: manager.conf",
        "UpdateConfig\nSrcFilename: a\nDstFilename: b",
        "ModuleLoad\nLoadType: unload",
    ):
        assert "Permission denied" in await ask(f"Action: {refused}"), refused
    # An admin hangs a call up by it; the right comes with those to move a call and to set its variables.
    assert "Channel does not exist" in await ask(
        "Action: Redirect\nChannel: x\nContext: a\nExten: s\nPriority: 1"
    )
    writer.close()
