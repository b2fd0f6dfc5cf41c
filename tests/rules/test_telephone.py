"""One reader of telephone numbers: what it takes, what means "withheld", and that every entry reads alike."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.call import caller_of, e164_of
from agi.cel import dialled_number
from billing.reconcile import digits
from router.caller_lists import ListRefused, read_numbers
from rules.telephone import (
    WITHHELD,
    WITHHELD_WORDS,
    NumberError,
    NumberProblem,
    area_code_of,
    known_number,
    number_or_withheld,
    read_number,
)
from web.resources.numbers import e164
from web.rtb.shapes import read_caller


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+16145550123", "+16145550123"),
        ("16145550123", "+16145550123"),
        ("6145550123", "+16145550123"),
        ("(614) 555-0123", "+16145550123"),
        ("+1.614.555.0123", "+16145550123"),
        ("01116145550123", "+16145550123"),
        ("0016145550123", "+16145550123"),
        ("+442071838750", "+442071838750"),
        ("+44 (0)20 7183 8750", "+442071838750"),
        ("00442071838750", "+442071838750"),
        ("011442071838750", "+442071838750"),
        ("+876 555 0123", None),
        ("876 555 0123", "+18765550123"),
        # Read in two ways before, by two readers.
        ("441212345678", None),
        ("1212555012362", None),
        ("+1212555012362", None),
        ("+10145550123", None),
        ("5550123", None),
        ("+", None),
        ("1+1", None),
        ("6145550123;ext=1", None),
        ("٦١٤٥٥٥٠١٢٣", None),
        ("9" * 500, None),
    ],
)
def test_a_number_is_read_as_it_may_be_written(text: str, number: str | None) -> None:
    assert known_number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "anonymous", "Anonymous", "RESTRICTED", "Out of Area", "not available", "unknown", "Private",
        "+266696687", "266696687", "00266696687", "011266696687", "+7378742833", "+17378742833", "7378742833",
        "+86282452253", "+8656696", "+7748283", "+2562533", "0", "0000000000", "+10000000000", "+11111111111",
        "9999999999", "+19999999999",
    ],
)  # fmt: skip
def test_every_word_of_a_carrier_for_withheld_is_no_number(text: str) -> None:
    assert read_number(text) is WITHHELD
    assert (known_number(text), number_or_withheld(text)) == (None, "")


written = (
    st.text(max_size=20)
    | st.from_regex(r"\A[+0-9() .-]{0,20}\Z")
    | st.from_regex(r"\A(\+|00|011|)[0-9]{5,17}\Z")
    | st.sampled_from([*WITHHELD_WORDS, "+266696687", "441212345678", "1212555012362"])
)


@given(written)
def test_the_reader_answers_everything_and_reading_again_changes_nothing(text: str) -> None:
    read = read_number(text)
    if isinstance(read, str):
        assert read.startswith("+") and read[1:].isascii() and read[1:].isdigit() and len(read) <= 16
        assert read_number(read) == read
        assert (area_code_of(read) is not None) == read.startswith("+1")
    else:
        assert read is WITHHELD or (isinstance(read, NumberProblem) and read.reason)


@given(written)
def test_no_text_is_read_in_two_ways_by_two_doors(text: str) -> None:
    """The call, its witness, a publisher's ping, a file of numbers and a carrier's bill."""
    number = known_number(text)
    assert caller_of(text) == (number or "")
    assert e164_of(text) == (number or "")
    assert known_number(text) == number
    assert dialled_number(text) == (number or text)
    assert (read_caller(text) or None) == number
    listed = read_numbers([text])
    assert (listed[0] if not isinstance(listed, ListRefused) and listed else None) == number
    assert number is None or digits(text) == number.removeprefix("+") == digits(number)
    with suppress(ValueError):  # a form takes fewer: only numbers that can be given out
        assert e164(text) == number
    try:
        assert number_or_withheld(text) == (number or "")
    except NumberError:
        assert number is None
