"""The journal's files, and what the reader makes of hostile lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.cel import RefusedLine
from agi.journal import COUNTED, MAXIMUM_LINE_BYTES, TAGGED, Journal, day_file
from agi.journal_reader import Fact, Tagged, parse_line


def test_one_file_a_day_in_utc(tmp_path: Path) -> None:
    assert day_file(tmp_path, 1_764_028_799_999).name == "journal-20251124.jsonl"
    assert day_file(tmp_path, 1_764_028_800_000).name == "journal-20251125.jsonl"


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.write(TAGGED, "a-1.1", {"tags": {"state": "OH", "odd": "line\nbreak"}})
    journal.write(COUNTED, "", {"name": "stray_invite"})
    journal.close()
    (file,) = (tmp_path / "journal").iterdir()
    first, second = (parse_line(line) for line in file.read_bytes().splitlines())
    assert isinstance(first, Fact)
    assert first.body == Tagged(tags={"state": "OH", "odd": "line\nbreak"})
    assert isinstance(second, Fact)


def test_a_fact_too_long_for_a_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a journal line of"):
        Journal(tmp_path).write(TAGGED, "a-1.1", {"tags": {"x": "y" * MAXIMUM_LINE_BYTES}})


def test_a_line_glued_to_a_torn_one_is_still_read() -> None:
    whole = json.dumps({"kind": TAGGED, "linkedid": "a-1.1", "at_ms": 1, "tags": {}})
    assert isinstance(parse_line(f'{{"kind":"tagg{whole}'.encode()), Fact)


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b"1",
        b'{"kind":"none","linkedid":"a","at_ms":1}',
        b'{"kind":["tagged"],"linkedid":"a","at_ms":1}',
        b'{"kind":"tagged","linkedid":"","at_ms":1,"tags":{}}',
        b'{"kind":"tagged","linkedid":"a","at_ms":-1,"tags":{}}',
        b'{"kind":"tagged","linkedid":"a","at_ms":1,"tags":[]}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_fact_is_refused_with_a_reason(line: bytes) -> None:
    refused = parse_line(line)
    assert isinstance(refused, RefusedLine)
    assert refused.problem


@given(st.binary(max_size=200))
def test_no_line_makes_the_reader_fall(data: bytes) -> None:
    parse_line(data)
