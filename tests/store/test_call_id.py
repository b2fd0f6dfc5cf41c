"""What a linkedid says of its call."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from store.call_id import started_at_of


@pytest.mark.parametrize("linkedid", ["node-a-1772557200.17", "1772557200.17", "a-1-1772557200.17"])
def test_a_linkedid_says_the_second_in_which_its_call_began(linkedid: str) -> None:
    assert started_at_of(linkedid) == datetime(2026, 3, 3, 17, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "linkedid",
    ["", "a.1", "t-1.9", "node-1772557200", "node-x.1", "a-+16145550123", f"a-{'9' * 40}.1", "a-².1"],
)
def test_what_names_no_second_says_nothing(linkedid: str) -> None:
    assert started_at_of(linkedid) is None
