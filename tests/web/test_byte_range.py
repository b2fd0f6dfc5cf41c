"""A range is answered as the same slice of the whole, or is not there, or does not count; nothing else happens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.byte_range import NotThere, read_range


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("bytes=0-", (0, 100)),
        ("bytes=0-9", (0, 10)),
        ("bytes=40-49", (40, 50)),
        ("bytes=90-400", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-400", (0, 100)),
        ("Bytes = 5-5", (5, 6)),
        ("", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=9-1", None),
        ("bytes=0-1,5-6", None),
        ("pieces=0-1", None),
        ("bytes=+1-2", None),
        ("bytes=1-2-3", None),
    ],
)
def test_a_range_is_a_slice(header: str, found: tuple[int, int] | None) -> None:
    assert read_range(header, 100) == found


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=500-600", "bytes=-0"])
def test_what_begins_after_the_end_is_not_there(header: str) -> None:
    with pytest.raises(NotThere):
        read_range(header, 100)


@given(st.text(alphabet="bytes=-, 0123456789", max_size=30), st.integers(0, 50))
def test_no_header_leaves_the_whole(header: str, length: int) -> None:
    try:
        found = read_range(header, length)
    except NotThere:
        return
    assert found is None or 0 <= found[0] < found[1] <= length
