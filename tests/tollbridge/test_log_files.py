"""Logs stay small."""

from __future__ import annotations

import logging
from pathlib import Path

from tollbridge.log_files import RECORDS_BETWEEN_LOOKS, FewOfEach, TrimmedHandler, trim


def test_a_large_log_is_moved_aside_and_its_writer_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "agi.log"
    with file.open("ab", buffering=0) as writer:
        writer.write(b"x" * 100)
        assert trim([file, tmp_path / "none.log"], largest_bytes=99) == [file]
        writer.write(b"y")
    assert file.read_bytes() == b"y"
    assert (tmp_path / "agi.log.1").read_bytes() == b"x" * 100


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "agi.log"
    file.write_bytes(b"x" * 99)
    assert trim([file], largest_bytes=99) == []


def test_a_stranger_cannot_fill_the_disk_by_the_security_log(tmp_path: Path) -> None:
    handler = TrimmedHandler(tmp_path / "security.log", largest_bytes=10_000)
    for _ in range(3 * RECORDS_BETWEEN_LOOKS):
        handler.emit(logging.makeLogRecord({"msg": "x" * 50}))
    handler.close()
    sizes = [file.stat().st_size for file in tmp_path.iterdir()]
    assert len(sizes) == 2 and max(sizes) <= RECORDS_BETWEEN_LOOKS * 51


def test_a_flood_of_one_stranger_is_cut_and_hides_nobody_else() -> None:
    few = FewOfEach(of_each=10, addresses=200)

    def passed(address: str, at: float) -> bool:
        return few.filter(logging.makeLogRecord({"address": address, "created": at}))

    assert sum(passed("203.0.113.9", 100.0) for _ in range(1000)) == 10
    assert passed("198.51.100.1", 100.9)
    assert sum(passed(f"forged {number}", 100.95) for number in range(1000)) == 198
    assert passed("203.0.113.9", 101.0)
