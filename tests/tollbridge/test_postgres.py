"""The embedded PostgreSQL belongs to its data directory: started, found again, stopped, and no other touched."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import execute
from tollbridge.postgres import (
    PostgresDidNotStart,
    postgres_process,
    start_embedded_postgres,
    stop_embedded_postgres,
)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    # Not tmp_path: the path must be short enough for a socket, and readable for the server's own user.
    folder = Path(tempfile.mkdtemp(prefix="tbpg-"))
    yield folder / "postgres"
    stop_embedded_postgres(folder / "postgres")
    shutil.rmtree(folder, ignore_errors=True)


def start_and_kill(data_dir: Path) -> None:
    start_embedded_postgres(data_dir)
    process = postgres_process(data_dir)
    assert process is not None
    process.kill()
    process.wait(10)


def test_it_is_started_found_again_stopped_and_keeps_its_data(data_dir: Path, postgres_url: str) -> None:
    url = start_embedded_postgres(data_dir)
    first = postgres_process(data_dir)
    assert first is not None
    execute(url, "CREATE TABLE kept (n integer)")
    assert start_embedded_postgres(data_dir) == url
    assert postgres_process(data_dir) == first
    assert stop_embedded_postgres(data_dir)
    assert postgres_process(data_dir) is None
    assert not stop_embedded_postgres(data_dir)
    execute(postgres_url, "SELECT 1")
    execute(start_embedded_postgres(data_dir), "INSERT INTO kept VALUES (1)")


def test_a_server_that_was_killed_is_started_again(data_dir: Path) -> None:
    start_and_kill(data_dir)
    execute(start_embedded_postgres(data_dir), "SELECT 1")


def test_a_server_that_recovers_for_longer_than_a_start_takes_is_waited_for(data_dir: Path) -> None:
    """A crash leaves gigabytes of log, at times. Here recovery asks a slow archive for it."""
    start_and_kill(data_dir)
    (data_dir / "recovery.signal").touch()
    slow = {"restore_command": "'test -e asked || { touch asked; sleep 11; }; false'"}
    began = time.monotonic()
    url = start_embedded_postgres(data_dir, slow)
    assert time.monotonic() - began > 10, "it was not slow at all"
    execute(url, "SELECT 1")


def test_a_server_that_cannot_recover_is_told_of(data_dir: Path) -> None:
    start_embedded_postgres(data_dir)
    stop_embedded_postgres(data_dir)
    (data_dir / "recovery.signal").touch()
    with pytest.raises(PostgresDidNotStart, match="restore_command"):
        start_embedded_postgres(data_dir, {"restore_command": "''"})


def test_a_folder_that_was_never_a_server(tmp_path: Path) -> None:
    assert postgres_process(tmp_path) is None
    assert not stop_embedded_postgres(tmp_path / "missing")


def test_a_server_that_never_came_up_is_no_server(tmp_path: Path) -> None:
    (tmp_path / "postmaster.pid").write_text("-6427\n/data\n1795515423\n5432\n\n\n  2387831    360456\n")
    assert postgres_process(tmp_path) is None
