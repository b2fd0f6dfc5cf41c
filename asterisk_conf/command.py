"""Talks to a running Asterisk of ours through its own command-line client."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from asterisk_conf.install import command_line
from asterisk_conf.node_config import Installation

COMMAND_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class CommandFailed:
    """Asterisk did not take a command."""

    command: str
    reason: str


async def run_command(installation: Installation, etc_dir: Path, command: str) -> str | CommandFailed:
    """Run one command-line command, e.g. "dialplan reload", and return what it printed."""
    words = command_line(installation, etc_dir / "asterisk.conf", "-rx", command)
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), COMMAND_TIMEOUT_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return CommandFailed(command=command, reason=f"no answer within {COMMAND_TIMEOUT_SECONDS:g} s")
    text = output.decode(errors="replace").strip()
    if process.returncode != 0 or text.startswith("Unable to connect"):
        return CommandFailed(command=command, reason=text[-200:] or f"exit status {process.returncode}")
    return text


async def reload(
    installation: Installation, etc_dir: Path, commands: tuple[str, ...]
) -> CommandFailed | None:
    """Run the commands `write_configuration` asked for, in order. Live calls go on. Returns the first failure."""
    for command in commands:
        result = await run_command(installation, etc_dir, command)
        if isinstance(result, CommandFailed):
            return result
    return None
