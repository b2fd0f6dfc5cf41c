"""Where a caller lives: stated before ZIP before area code, and how we know."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.caller_facts import state_code, told_of_caller, with_caller_state
from router.domain.licences import need_of

AREA_CODES = {"614": ("OH",), "816": ("KS", "MO")}
ZIP_CODES = {"481": "MI", "006": "PR"}
OHIO, KANSAS_CITY, TOLL_FREE = "+16145550123", "+18165550123", "+18005550123"


def located(caller: str | None = OHIO, **tags: str) -> dict[str, str]:
    return with_caller_state(tags, caller, AREA_CODES, ZIP_CODES)


def test_what_the_caller_stated_goes_before_the_area_code() -> None:
    assert located(state="MI", zip="48104") == {"state": "MI", "zip": "48104", "state_source": "stated"}
    assert located(state="new york") == {"state": "NY", "state_source": "stated"}


def test_a_state_and_a_zip_code_that_disagree_are_both_candidates_and_nobody_guesses() -> None:
    told = located(state="CA", zip="48104")
    assert told == {"zip": "48104", "state_candidates": "CA-MI", "state_source": "disagree"}
    assert need_of(told).states == ("CA", "MI")
    # Learning one of them again at a later step of the call settles nothing.
    assert located(**{**told, "state": "MI"}) == told


def test_the_zip_code_goes_before_the_area_code() -> None:
    assert located(zip="48104") == {"zip": "48104", "state": "MI", "state_source": "zip"}


def test_the_area_code_is_the_last_resort_and_may_leave_several() -> None:
    assert located() == {"state": "OH", "state_source": "area_code"}
    assert located(KANSAS_CITY) == {"state_candidates": "KS-MO", "state_source": "area_code"}
    assert located(zip="nonsense", state="Ontario") == {
        "zip": "nonsense", "state": "OH", "state_source": "area_code",
    }  # fmt: skip


def test_who_lives_in_a_territory_is_not_placed_by_the_area_code() -> None:
    assert located(zip="00601")["state"] == "PR"
    assert located(state="PR")["state"] == "PR"


def test_nothing_is_made_up() -> None:
    assert located(TOLL_FREE) == {}
    assert located(None) == {}


def test_a_guess_gives_way_to_what_is_learnt_later() -> None:
    guessed = located(KANSAS_CITY, loan_type="reverse")
    assert located(KANSAS_CITY, **{**guessed, "zip": "48104"}) == {
        "loan_type": "reverse", "zip": "48104", "state": "MI", "state_source": "zip",
    }  # fmt: skip


def test_what_the_publisher_told_stands_where_the_caller_said_nothing() -> None:
    publisher = {"state": "CA", "loan_type": "purchase", "zip": "90210"}
    guessed = {"state": "OH", "state_source": "area_code", "loan_type": "refinance"}
    assert told_of_caller(publisher, guessed) == {"state": "CA", "zip": "90210", "loan_type": "refinance"}
    assert told_of_caller(publisher, {"state": "OH"})["state"] == "OH"


@pytest.mark.parametrize(
    ("text", "code"), [("oh", "OH"), (" Ohio ", "OH"), ("pr", "PR"), ("XX", None), ("", None)]
)
def test_a_state_is_read_by_code_or_name(text: str, code: str | None) -> None:
    assert state_code(text) == code


tags = st.dictionaries(
    st.sampled_from(["state", "zip", "state_source", "state_candidates", "loan_type"]),
    st.sampled_from(
        ["OH", "ohio", "48104", "00601", "stated", "zip", "area_code", "disagree", "KS-MO", "x", ""]
    ),
)
callers = st.sampled_from([OHIO, KANSAS_CITY, TOLL_FREE, None, "garbage"])


@given(told=tags, caller=callers)
def test_repeating_it_changes_nothing_and_the_source_is_told_exactly_when_something_is_known(
    told: dict[str, str], caller: str | None
) -> None:
    once = located(caller, **told)
    assert located(caller, **once) == once
    known = "state" in once or "state_candidates" in once
    assert ("state_source" in once) is known
    assert not ("state" in once and "state_candidates" in once)
