"""Only what differs is written, and only what changed is reloaded."""

from __future__ import annotations

from pathlib import Path

from asterisk_conf.write import write_configuration


def test_a_second_time_nothing_is_written(tmp_path: Path) -> None:
    files = {"pjsip.conf": "[a]\n", "rtp.conf": "[general]\n"}
    assert set(write_configuration(tmp_path / "etc", files).changed) == set(files)
    before = (tmp_path / "etc" / "pjsip.conf").stat()
    again = write_configuration(tmp_path / "etc", files)
    assert again.changed == again.reloads == again.restart_needed == ()
    assert (tmp_path / "etc" / "pjsip.conf").stat().st_ino == before.st_ino


def test_a_changed_trunk_asks_for_pjsip_only(tmp_path: Path) -> None:
    write_configuration(tmp_path, {"pjsip.conf": "1", "extensions.conf": "1"})
    written = write_configuration(tmp_path, {"pjsip.conf": "2", "extensions.conf": "1"})
    assert written.changed == ("pjsip.conf",) and written.restart_needed == ()
    assert all("pjsip" in command for command in written.reloads) and written.reloads


def test_a_changed_port_range_asks_for_a_restart(tmp_path: Path) -> None:
    assert write_configuration(tmp_path, {"rtp.conf": "1"}).restart_needed == ("rtp.conf",)


def test_files_are_the_owners_only_and_nothing_half_written_stays(tmp_path: Path) -> None:
    write_configuration(tmp_path, {"pjsip.conf": "password = x"})
    assert (tmp_path / "pjsip.conf").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["pjsip.conf"]
