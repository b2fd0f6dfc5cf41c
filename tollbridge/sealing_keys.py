"""Where the keys are that seal secrets, numbers and recordings: a file outside the database, of its owner only."""

from __future__ import annotations

import os
from pathlib import Path

from asterisk_conf.write import write_atomically
from store.key_ring import BadKeys, KeyRing, read_ring, spelled, use_key_ring
from tollbridge.faults import CannotRun
from tollbridge.node_config import layout_of
from tollbridge.secret import read_or_make
from tollbridge.settings import PREFIX, Settings


def use_sealing_keys(settings: Settings) -> None:
    """Have this process seal by the node's keys: read once they are needed, and again whenever the file changes."""
    file = sealing_keys_file(settings)
    use_key_ring(lambda: sealing_keys_of(settings), lambda: _version(file))


def sealing_keys_file(settings: Settings) -> Path:
    return (settings.sealing_keys_file or layout_of(settings).sealing_keys_file).expanduser()


def sealing_keys_of(settings: Settings) -> KeyRing:
    """Return the node's keys. Raises CannotRun when the file is missing or does not hold keys."""
    file = sealing_keys_file(settings)
    try:
        return read_ring(file.read_text())
    except FileNotFoundError as problem:
        raise CannotRun(
            f"the keys that open what is sealed are not in {file}. Put the file back from your backup, copy it from"
            f" another node, or name another by {PREFIX}SEALING_KEYS_FILE; for a new database `tollbridge up` and"
            " `prepare` make it (lost for good: `tollbridge secrets start-over`)"
        ) from problem
    except (OSError, UnicodeDecodeError, BadKeys) as problem:
        raise CannotRun(
            f"the keys that open what is sealed cannot be read from {file}: {problem}. Put back the file from your"
            f" backup, or name another by {PREFIX}SEALING_KEYS_FILE"
        ) from problem


def make_sealing_keys(settings: Settings) -> KeyRing:
    """Return the node's keys, made when missing: for a database in which nothing is sealed yet. Raises CannotRun."""
    file = sealing_keys_file(settings)
    try:
        read_or_make(file, lambda: spelled(KeyRing.made()))
    except OSError as problem:
        raise CannotRun(
            f"the keys that seal secrets cannot be written to {file}: {problem.strerror}"
        ) from problem
    return sealing_keys_of(settings)


def write_sealing_keys(settings: Settings, ring: KeyRing) -> None:
    """Replace the file at once and whole; running processes take it up. Raises CannotRun."""
    file = sealing_keys_file(settings).resolve()
    try:
        write_atomically(file, spelled(ring))
    except OSError as problem:
        raise CannotRun(
            f"{file} cannot be written ({problem.strerror}): rotate where the file is kept, by the user that owns it"
        ) from problem


def _version(file: Path) -> object:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
