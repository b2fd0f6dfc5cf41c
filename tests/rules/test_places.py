from __future__ import annotations

import subprocess
import sys

import pytest

from rules.places import STATE_CODES, STATES, area_code_table, states_of_area_code


def test_there_are_fifty_states_and_dc() -> None:
    assert len(STATES) == len(set(STATES.values())) == len(STATE_CODES) == 51


@pytest.mark.parametrize(
    ("number", "states"),
    [
        ("+16145550123", ("OH",)),
        ("+12125550123", ("NY",)),
        ("+12025550123", ("DC",)),
        ("+12065550123", ("WA",)),
        ("+12035550123", ("CT",)),
        ("+18165550123", ("MO",)),
        ("+18085550123", ("HI",)),
    ],
)
def test_an_area_code_names_its_state(number: str, states: tuple[str, ...]) -> None:
    assert states_of_area_code(number) == states


@pytest.mark.parametrize(
    "number",
    [
        "+18005550123",
        "+14165550123",
        "+17875550123",
        "+442079460000",
        "",
        "+1614",
        "16145550123",
        "+1abc5550123",
    ],
)
def test_a_number_from_nowhere_we_sell_names_no_state(number: str) -> None:
    assert states_of_area_code(number) == ()


def test_every_state_has_an_area_code() -> None:
    assert {state for states in area_code_table().values() for state in states} == set(STATES)


def test_a_given_table_is_used_as_it_is() -> None:
    assert states_of_area_code("+18165550123", {"816": ("KS", "MO")}) == ("KS", "MO")


def test_naming_a_state_does_not_load_the_worlds_telephone_book() -> None:
    program = "import sys, rules.places; print('phonenumbers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
