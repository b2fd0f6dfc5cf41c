"""What a running node writes down about itself, and the lock that keeps a second one away."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from asterisk_conf.write import write_atomically
from tollbridge.faults import CannotRun
from tollbridge.layout import Layout


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
    """Replace the state file (owner only: the database's URL is in it). Raises OSError."""
    write_atomically(layout.state_file, json.dumps(asdict(state)))


def read_state(layout: Layout) -> NodeState | None:
    """Return the state of the node that runs on this data directory, None when none does."""
    if not is_locked(layout):
        return None
    try:
        return NodeState(**json.loads(layout.state_file.read_text()))
    except (OSError, ValueError, TypeError):
        return None


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
