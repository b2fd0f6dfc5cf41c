"""The command line of a node of its own, for tests that use it as a person would."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tollbridge.phone import ports


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    environment: dict[str, str]

    def words(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tollbridge", *arguments]

    def run(self, *arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words(*arguments),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def status(self) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return shown


def command_line_in(folder: Path) -> CommandLine:
    """Return a command line whose node lives in `folder`, on free loopback ports."""
    tcp = ports.free_block(7, kinds=(socket.SOCK_STREAM,))
    settings = {
        "NODE_NAME": "t",
        "DATA_DIR": str(folder / "data"),
        "SIP_PORT": str(ports.free_udp_port()),
        "AGI_PORT": str(tcp),
        "AMI_PORT": str(tcp + 1),
        "SPEECH_PORT": str(tcp + 2),
        "AUDIOSOCKET_PORT": str(tcp + 3),
        "WEB_PORT": str(tcp + 4),
        "SOFTPHONE_PORT": str(tcp + 5),
        "PINGS_PORT": str(tcp + 6),
        "SPEECH_PROCESSES": "1",
    }
    first = ports.free_block(100)
    settings |= {"RTP_PORT_FIRST": str(first), "RTP_PORT_LAST": str(first + 99)}
    return CommandLine(
        environment=os.environ | {f"TOLLBRIDGE_{name}": value for name, value in settings.items()}
    )


def wait(happened: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.3)
