from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.money import MAXIMUM_MICROS, MoneyError, divide_half_up, divide_up, format_dollars, parse_dollars


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (45_000_000, "$45.00"),
        (0, "$0.00"),
        (-125_000, "-$0.125"),
        (1_200_500_000, "$1,200.50"),
        (1, "$0.000001"),
        (-1, "-$0.000001"),
    ],
)
def test_amounts_are_written_for_people(micros: int, text: str) -> None:
    assert format_dollars(micros) == text


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("45", 45_000_000),
        ("$1,200.50", 1_200_500_000),
        (" .5 ", 500_000),
        ("-0.125", -125_000),
        ("1.0000000", 10**6),
    ],
)
def test_amounts_are_read_as_people_write_them(text: str, micros: int) -> None:
    assert parse_dollars(text) == micros


@pytest.mark.parametrize(
    "text",
    ["", "$", ".", "5.", "4o", "1e3", "--1", "1.2.3", "0.0000001", "9" * 13, "1000000001", "٤٥", "NaN", "²"],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(MoneyError):
        parse_dollars(text)


@given(st.integers(-MAXIMUM_MICROS, MAXIMUM_MICROS))
def test_what_is_written_can_be_read(micros: int) -> None:
    assert parse_dollars(format_dollars(micros)) == micros


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_halves_go_away_from_zero(numerator: int, denominator: int) -> None:
    quotient = divide_half_up(numerator, denominator)
    assert abs(2 * (quotient * denominator - numerator)) <= denominator
    assert divide_half_up(-numerator, denominator) == -quotient


def test_increments_are_rounded_up() -> None:
    assert [divide_up(seconds, 6) for seconds in (0, 1, 6, 7)] == [0, 1, 1, 2]
