"""Where a secret could have come to rest: columns, files, command lines and environments."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.postgres import as_owner
from tests.tollbridge.leaks.canaries import Canary, Finding, found_in

SOUNDS = (".wav", ".ulaw", ".sln", ".sln16", ".gsm")
FILE_BYTES_MAXIMUM = 64 << 20


async def in_columns(engine: AsyncEngine, canaries: Sequence[Canary]) -> set[Finding]:
    """Look through every column of every table of the database, compressed ones too."""
    found: set[Finding] = set()
    async with as_owner(engine) as connection:
        names = await connection.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        )
        for table in list(names):
            rows = (await connection.execute(text(f'SELECT * FROM "{table}"'))).mappings().all()
            for column in rows[0] if rows else ():
                content = b"\n".join(_plain(row[column]) for row in rows)
                found |= found_in(content, canaries, f"column:{table}.{column}")
    return found


def _plain(value: Any) -> bytes:
    if isinstance(value, bytes | memoryview):
        raw = bytes(value)
        try:
            return raw + zlib.decompress(raw)
        except zlib.error:
            return raw
    if isinstance(value, dict | list):
        return json.dumps(value, default=repr, ensure_ascii=False).encode()
    return str(value).encode()


def in_files(folder: Path, canaries: Sequence[Canary]) -> set[Finding]:
    """Look through every file under a folder, logs and compressed files too."""
    found: set[Finding] = set()
    for file in sorted(folder.rglob("*")):
        try:
            if file.suffix in SOUNDS or not file.is_file() or file.stat().st_size > FILE_BYTES_MAXIMUM:
                continue
            place = f"file:{file.relative_to(folder)}"
            found |= found_in(_plain(file.read_bytes()), canaries, place)
        except OSError:
            continue  # gone meanwhile, or a socket
    return found


def is_open_to_all(file: Path, top: Path) -> bool:
    """Return whether the machine's other users may read a file: nothing from `top` down to it keeps them out."""
    way = [file, *(folder for folder in file.parents if folder.is_relative_to(top))]
    return all(one.stat().st_mode & 0o007 for one in way)


def in_processes(data_dir: Path, names: Mapping[int, str], canaries: Sequence[Canary]) -> set[Finding]:
    """Look through what anybody (command lines) and their own user (environments) reads of the node's processes."""
    found: set[Finding] = set()
    for process in _of_node(data_dir):
        name = names.get(process.pid, _kind_of(process))
        found |= found_in(_read(process.pid, "cmdline"), canaries, f"cmdline:{name}")
        for line in _read(process.pid, "environ").split(b"\0"):
            variable = line.split(b"=", 1)[0].decode(errors="replace")
            found |= found_in(line, canaries, f"environ:{name}:{variable}")
    return found


def _of_node(data_dir: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        told = _read(process.pid, "cmdline") + _read(process.pid, "environ")
        if str(data_dir).encode() in told:
            yield process


def _kind_of(process: psutil.Process) -> str:
    try:
        words = process.cmdline()
    except psutil.Error:
        return "gone"
    if "up" in words:
        return "supervisor"
    return re.sub(r"\W+", "-", Path(words[0]).name) if words else "gone"


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
