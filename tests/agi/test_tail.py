"""Complete new lines of a file that grows, is torn, replaced or endless."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from agi import tail
from agi.tail import file_identity, read_lines


def test_only_complete_lines_are_returned(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"one\ntwo\nthr")
    found = read_lines(file, 0)
    assert [(line.position, line.data) for line in found.lines] == [(0, b"one"), (4, b"two")]
    assert (found.position, found.at_end) == (8, True)
    file.write_bytes(b"one\ntwo\nthree\n")
    assert [line.data for line in read_lines(file, found.position).lines] == [b"three"]


def test_a_long_backlog_comes_in_parts(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"x\n" * (tail.LINES_AT_ONCE + 1))
    first = read_lines(file, 0)
    assert (len(first.lines), first.at_end) == (tail.LINES_AT_ONCE, False)
    rest = read_lines(file, first.position)
    assert (len(rest.lines), rest.at_end) == (1, True)


def test_a_shorter_file_was_replaced_and_is_read_from_its_start(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"new\n")
    assert [line.data for line in read_lines(file, 100).lines] == [b"new"]


def test_a_missing_file_has_no_lines(tmp_path: Path) -> None:
    assert read_lines(tmp_path / "none", 7).lines == ()
    assert file_identity(tmp_path / "none") is None


def test_an_overlong_line_is_cut_and_the_next_one_is_read(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"x" * (tail.CHUNK_BYTES * 2) + b"\nnext\n")
    first = read_lines(file, 0)
    assert [(line.overlong, len(line.data)) for line in first.lines] == [(True, 256)]
    assert [line.data for line in read_lines(file, first.position).lines] == [b"next"]


def test_an_overlong_line_without_end_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"x" * (tail.CHUNK_BYTES + 5))
    found = read_lines(file, 0)
    assert (found.lines, found.position, found.at_end) == ((), 0, True)


def test_identity_outlives_a_rename_and_growth_but_not_a_new_file(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"half")
    assert file_identity(file) is None
    file.write_bytes(b"first\n")
    before = file_identity(file)
    with file.open("ab") as grown:
        grown.write(b"second\n")
    renamed = file.rename(tmp_path / "g")
    assert file_identity(renamed) == before
    renamed.write_bytes(b"other\n")
    assert file_identity(renamed) != before


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=40).filter(lambda b: b"\n" not in b), max_size=30), st.integers(1, 64))
def test_in_whatever_pieces_it_grows_every_line_comes_once(lines: list[bytes], step: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "f"
        whole = b"".join(line + b"\n" for line in lines)
        position, seen = 0, []
        for end in [*range(0, len(whole), step), len(whole)]:
            file.write_bytes(whole[:end])
            found = read_lines(file, position)
            position = found.position
            seen += [line.data for line in found.lines]
    assert seen == lines
