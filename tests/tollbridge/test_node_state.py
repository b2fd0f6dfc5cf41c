"""One node on one data directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from store.key_ring import KeyRing
from tollbridge.faults import CannotRun
from tollbridge.layout import Layout
from tollbridge.node_state import NodeState, is_locked, locked, read_state, write_state

STATE = NodeState(
    pid=1, started_ms=2, database_url="postgresql://x", processes={"agi": 3}, restarts={"agi": 0}
)


def test_a_second_node_is_refused_and_told_how_to_stop_the_first(tmp_path: Path) -> None:
    layout = Layout(data_dir=tmp_path)
    with locked(layout), pytest.raises(CannotRun, match="tollbridge down"), locked(layout):
        pass


def test_the_state_is_there_while_the_node_runs_and_gone_afterwards(tmp_path: Path) -> None:
    layout = Layout(data_dir=tmp_path)
    assert read_state(layout) is None
    with locked(layout):
        write_state(layout, STATE)
        assert read_state(layout) == STATE and is_locked(layout)
        assert layout.state_file.stat().st_mode & 0o777 == 0o600
    assert read_state(layout) is None and not layout.state_file.exists()


def test_a_password_of_the_database_is_sealed_in_the_file_and_lost_with_the_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout, state = (
        Layout(data_dir=tmp_path),
        replace(STATE, database_url="postgresql://a:canary@db.example/x"),
    )
    with locked(layout):
        write_state(layout, state)
        assert "canary" not in layout.state_file.read_text()
        assert read_state(layout) == state
        monkeypatch.setattr("tollbridge.node_state.key_ring", KeyRing.made)
        assert read_state(layout) == replace(state, database_url="")


def test_the_state_of_a_node_that_was_killed_is_not_believed(tmp_path: Path) -> None:
    layout = Layout(data_dir=tmp_path)
    write_state(layout, STATE)
    assert read_state(layout) is None


def test_a_data_directory_is_closed_to_the_machines_other_users(tmp_path: Path) -> None:
    layout = Layout(data_dir=tmp_path / "data")
    layout.data_dir.mkdir()
    layout.data_dir.chmod(0o755)
    with locked(layout):
        assert layout.data_dir.stat().st_mode & 0o777 == 0o750


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(CannotRun, match="TOLLBRIDGE_DATA_DIR"),
        locked(Layout(data_dir=tmp_path / "file" / "x")),
    ):
        pass
