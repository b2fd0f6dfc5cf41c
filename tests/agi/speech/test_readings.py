"""The ways people say what is written in figures."""

from __future__ import annotations

import pytest

from agi.speech.readings import MOST_READINGS, readings


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("$250,000", "two hundred fifty thousand"),
        ("$250,000", "two hundred fifty thousand dollars"),
        ("250,000", "two fifty k"),
        ("250,000", "two hundred and fifty thousand"),
        ("100,000", "a hundred thousand"),
        ("1,500,000", "one point five million"),
        ("500,000", "half a million"),
        ("350", "three fifty"),
        ("350", "three hundred fifty"),
        ("30303", "three zero three zero three"),
        ("30303", "three oh three oh three"),
        ("30303", "three oh three zero three"),
        ("1975", "nineteen seventy five"),
        ("March 3rd, 1975", "march third nineteen seventy five"),
        ("April 30th", "april thirtieth"),
        ("62.", "sixty two"),
        ("Poor.", "poor"),
    ],
)
def test_figures_are_said_in_every_usual_way(written: str, said: str) -> None:
    assert said in readings(written)


@pytest.mark.parametrize("written", ["", "...", "$"])
def test_what_says_nothing_has_no_reading(written: str) -> None:
    assert readings(written) == ()


@pytest.mark.parametrize(
    "written",
    ["220,000,000,000,000,000", "10000000000000000001", "00000 00000 00000", "1,000,000 $250,000 30303"],
)
def test_there_are_few_whatever_the_model_writes(written: str) -> None:
    found = readings(written)
    assert 0 < len(found) <= MOST_READINGS
    assert len(set(found)) == len(found)
