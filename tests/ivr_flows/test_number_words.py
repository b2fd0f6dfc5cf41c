"""Numbers in words, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr_flows.number_words import LARGEST, below_hundred, in_words, number_of_words, number_pieces


@given(st.integers(0, 999_999))
def test_a_number_in_words_is_that_number(number: int) -> None:
    assert number_of_words(in_words(number).split()) == number


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("three fifty", 350),
        ("three oh five", 305),
        ("twelve hundred", 1200),
        ("a hundred", 100),
        ("two hundred and twenty five thousand", 225_000),
        ("300 thousand", 300_000),
        ("42", 42),
    ],
)
def test_shorthand_and_figures_count(words: str, number: int) -> None:
    assert number_of_words(words.split()) == number


@pytest.mark.parametrize(
    "words", ["", "and", "five twenty three oh", "thousand thousand", "twenty twenty", "three five"]
)
def test_what_is_no_number_is_none(words: str) -> None:
    assert number_of_words(words.split()) is None


def test_numbers_beyond_the_largest_are_refused() -> None:
    assert number_pieces(LARGEST)[-1] == "ninety nine"
    for number in (-1, LARGEST + 1):
        with pytest.raises(ValueError, match="is not 0 to"):
            number_pieces(number)
    with pytest.raises(ValueError, match="is not 0 to 99"):
        below_hundred(100)
