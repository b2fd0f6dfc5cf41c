"""Numbers and tags as an AGI step reads them from the channel."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.call import caller_of, dump_tags, dump_tried, e164_of, load_tags, load_tried
from agi.channel import SAFE_VALUE


@pytest.mark.parametrize(
    ("dialled", "e164"),
    [
        ("+18005550100", "+18005550100"),
        ("18005550100", "+18005550100"),
        ("8005550100", "+18005550100"),
        ("+442071838750", "+442071838750"),
        ("442071838750", ""),
        ("", ""),
        ("+", ""),
        ("1+1", ""),
        ("٣٤٥", ""),
    ],
)
def test_a_dialled_number_is_read_as_a_carrier_may_write_it(dialled: str, e164: str) -> None:
    assert e164_of(dialled) == e164


@pytest.mark.parametrize(
    "withheld", ["", "anonymous", "123", "+123456789012345678", "+266696687", "+17378742833"]
)
def test_a_caller_without_a_number_is_withheld(withheld: str) -> None:
    assert caller_of(withheld) == ""


@given(st.dictionaries(st.text(max_size=10), st.text(max_size=20), max_size=8))
def test_tags_survive_a_channel_variable_whatever_is_in_them(tags: dict[str, str]) -> None:
    assert SAFE_VALUE.match(dump_tags(tags))
    assert load_tags(dump_tags(tags)) == tags


@given(st.text(max_size=60))
def test_a_broken_tags_variable_reads_as_no_tags(text: str) -> None:
    assert isinstance(load_tags(text), dict)


@given(st.lists(st.integers(1, 10**9), max_size=5))
def test_the_list_of_tried_targets_survives_too(tried: list[int]) -> None:
    assert SAFE_VALUE.match(dump_tried(tuple(tried)))
    assert load_tried(dump_tried(tuple(tried))) == tuple(tried)
