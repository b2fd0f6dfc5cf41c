"""Which Asterisk is good enough, and how it is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from asterisk_conf.install import (
    MINIMUM_VERSION,
    NoAsterisk,
    command_line,
    find_asterisk,
    private_root,
    read_version,
)
from tests.asterisk_conf.example import INSTALLATION


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Asterisk 22.10.1+dfsg+~cs6.17.60671434-1\n", (22, 10, 1)),
        ("Asterisk certified-22.11.0-cert1", (22, 11, 0)),
        ("Asterisk 20.6.0~dfsg", (20, 6, 0)),
        ("command not found", None),
    ],
)
def test_versions_are_read_from_what_asterisk_says(text: str, version: tuple[int, int, int] | None) -> None:
    assert read_version(text) == version


def test_a_private_root_is_started_by_its_own_loader() -> None:
    words = command_line(INSTALLATION, Path("/n/etc/asterisk.conf"), "-f")
    assert words[0].endswith("ld-linux-x86-64.so.2")
    assert words[words.index("--argv0") + 1] == "asterisk"
    assert words[-3:] == ["-C", "/n/etc/asterisk.conf", "-f"]


def test_an_empty_folder_is_no_private_root(tmp_path: Path) -> None:
    assert private_root(tmp_path) is None


def test_an_asterisk_too_old_is_named_in_the_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "asterisk"
    old.write_text("#!/bin/sh\necho Asterisk 20.6.0\n")
    old.chmod(0o755)
    monkeypatch.setattr("asterisk_conf.install._installed_binaries", lambda: [old])
    found = find_asterisk(tmp_path / "cache")
    assert isinstance(found, NoAsterisk) and "is 20.6.0" in found.reason and "make setup" in found.reason
    assert MINIMUM_VERSION == (22, 10, 1)
