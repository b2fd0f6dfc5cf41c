"""Which area codes are rung, and how a destination is listed."""

from __future__ import annotations

import pytest

from rules.dialling import (
    STATE_AREA_CODES,
    TERRITORIES,
    TOLL_FREE_AREA_CODES,
    US_ONLY,
    dialling_problem,
    number_in_sip_uri,
    prefix_problem,
)
from rules.places import area_code_table


def test_the_area_codes_are_those_that_the_table_of_states_has() -> None:
    """When phonenumbers learns of a new area code, this list does too."""
    assert set(area_code_table()) == STATE_AREA_CODES
    assert not STATE_AREA_CODES & (set(TERRITORIES) | TOLL_FREE_AREA_CODES)


def test_who_lives_in_a_territory_may_be_called_back_and_nobody_abroad() -> None:
    assert dialling_problem("+17875550123", US_ONLY) is None
    assert dialling_problem("+18765550123", US_ONLY)
    assert dialling_problem("+14165550123", US_ONLY)


@pytest.mark.parametrize("prefix", ["", "1787", "+", "+1", "+17", "+178", "+4", "+44a", "+1234567890123456"])
def test_a_prefix_that_says_too_little_is_refused(prefix: str) -> None:
    assert prefix_problem(prefix)


@pytest.mark.parametrize("prefix", ["+1787", "+44", "+442071838750", "+18765550123"])
def test_a_prefix_names_a_place_or_a_number(prefix: str) -> None:
    assert prefix_problem(prefix) is None


@pytest.mark.parametrize(
    ("uri", "number"),
    [
        ("sip:+18765550123@carrier.example", "+18765550123"),
        ("sip:1.876.555.0123@carrier.example", "1.876.555.0123"),
        ("sip:+68221234@carrier.example", "+68221234"),
        ("sip:01168221234@carrier.example", "01168221234"),
        ("sip:0024790123@carrier.example", "0024790123"),
        ("sip:+6834000@carrier.example", "+6834000"),
        ("sip:7001@pbx.example", None),
        ("sip:0042@pbx.example", None),
        ("sip:desk7@pbx.example", None),
        ("sip:agent18765550123@pbx.example", None),
    ],
)
def test_a_sip_user_of_ten_digits_is_a_number(uri: str, number: str | None) -> None:
    assert number_in_sip_uri(uri) == number
