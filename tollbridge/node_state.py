"""What a running node writes down about itself, and the lock that keeps a second one away."""

from __future__ import annotations

import base64
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from asterisk_conf.write import write_atomically
from store.key_ring import NotSealedByUs, key_ring
from tollbridge.faults import CannotRun
from tollbridge.layout import Layout

_SEALED, _PURPOSE = "sealed_database_url", "database url in node.json"


@dataclass(frozen=True, kw_only=True)
class NodeState:
    """A running node. `processes` maps names to process ids (None while one is being started again)."""

    pid: int
    started_ms: int
    database_url: str
    processes: Mapping[str, int | None]
    restarts: Mapping[str, int]
    ready: bool = False
    """Every process has answered at least once."""


def write_state(layout: Layout, state: NodeState) -> None:
    """Replace the state file. A database's URL that may hold a password is sealed in it. Raises OSError."""
    row = asdict(state)
    if "@" in state.database_url:
        row["database_url"] = ""
        row[_SEALED] = base64.b64encode(key_ring().seal_text(_PURPOSE, state.database_url)).decode()
    write_atomically(layout.state_file, json.dumps(row))


def read_state(layout: Layout) -> NodeState | None:
    """Return the state of the node that runs on this data directory, None when none does."""
    if not is_locked(layout):
        return None
    try:
        row = json.loads(layout.state_file.read_text())
        if sealed := row.pop(_SEALED, ""):
            row["database_url"] = _unsealed(sealed)
        return NodeState(**row)
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _unsealed(text: str) -> str:
    """Return the database's URL; empty without the keys: then the setting has to name it."""
    try:
        return key_ring().unseal_text(_PURPOSE, base64.b64decode(text))
    except (NotSealedByUs, CannotRun):
        return ""


def is_locked(layout: Layout) -> bool:
    """Return whether a node runs on this data directory: the kernel lets go of its lock however it ends."""
    try:
        handle = os.open(_lock_file(layout), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


@contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Hold the data directory for one node. Raises CannotRun when another runs there or it cannot be written."""
    try:
        layout.data_dir.mkdir(parents=True, exist_ok=True)
        # Asterisk writes callers' numbers into files that anybody may read: nobody else gets that far.
        layout.data_dir.chmod(layout.data_dir.stat().st_mode & 0o770)
        handle = os.open(_lock_file(layout), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        raise CannotRun(
            f"{layout.data_dir} cannot be written ({fault.strerror}): set TOLLBRIDGE_DATA_DIR"
        ) from fault
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as fault:
        os.close(handle)
        raise CannotRun(
            f"a node already runs on {layout.data_dir}: `tollbridge status` shows it, `tollbridge down` stops it"
        ) from fault
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            layout.state_file.unlink()
        os.close(handle)


def _lock_file(layout: Layout) -> Path:
    return layout.data_dir / "node.lock"
