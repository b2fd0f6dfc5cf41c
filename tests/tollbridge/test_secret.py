"""The node's secret is made once, for its owner only."""

from __future__ import annotations

from pathlib import Path

import pytest

from tollbridge.faults import CannotRun
from tollbridge.secret import node_secret


def test_it_is_made_once_and_read_by_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "data" / "secret"
    first = node_secret("", file)
    assert len(first) >= 32 and node_secret("", file) == first
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_configured_one_wins_and_touches_no_file(tmp_path: Path) -> None:
    assert node_secret("0123456789abcdef", tmp_path / "secret") == "0123456789abcdef"
    assert not (tmp_path / "secret").exists()


@pytest.mark.parametrize("bad", ["short", "0123456789abcdef;x", "0123456789abcdef\nwrite=all", "a" * 129])
def test_one_that_could_break_a_configuration_file_is_refused(bad: str, tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="TOLLBRIDGE_SECRET"):
        node_secret(bad, tmp_path / "secret")
