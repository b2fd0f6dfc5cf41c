"""What a campaign does with a caller whom nobody takes, read strictly."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.no_buyer import NoBuyer, NoBuyerError, parse_no_buyer

HOLD = {"treatment": "hold_and_retry", "every_seconds": 10, "tries": 3, "text": "Please hold."}


def test_nothing_said_leaves_it_to_the_flow() -> None:
    assert parse_no_buyer({}) is None


def test_who_holds_is_held_so_many_times_and_then_gets_what_comes_then() -> None:
    treatment = parse_no_buyer({**HOLD, "then": {"treatment": "voicemail", "text": "Speak."}})
    assert treatment is not None
    assert [treatment.after(holds).treatment for holds in range(5)] == [
        *["hold_and_retry"] * 3,
        *["voicemail"] * 2,
    ]
    assert list(treatment.texts()) == ["Please hold.", "Speak."]


def test_holding_without_a_then_ends_with_the_message() -> None:
    treatment = parse_no_buyer(HOLD)
    assert treatment is not None and treatment.after(3) == NoBuyer(treatment="message")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "no_buyer: None is not an object"),
        ({"treatment": "shout"}, "no_buyer.treatment: 'shout' is not one of"),
        ({"treatment": []}, "no_buyer.treatment: [] is not one of"),
        ({"text": "x"}, "no_buyer.treatment: None is not one of"),
        ({"treatment": "message", "tries": 3}, "no_buyer.tries: message does not know it"),
        ({"treatment": "message", "text": "  "}, "no_buyer.text: a text of 1 to 1000"),
        ({"treatment": "message", "text": "x" * 1001}, "no_buyer.text: a text of 1 to 1000"),
        ({**HOLD, "every_seconds": 2}, "no_buyer.every_seconds: 2 is not a whole number from 3 to 300"),
        ({**HOLD, "tries": True}, "no_buyer.tries: True is not a whole number"),
        ({**HOLD, "tries": 2.5}, "no_buyer.tries: 2.5 is not a whole number"),
        ({**HOLD, "then": HOLD}, "no_buyer.then: holding is not followed by holding"),
        ({**HOLD, "then": {"treatment": "x"}}, "no_buyer.then.treatment: 'x' is not one of"),
    ],
)
def test_what_cannot_be_right_is_refused_with_its_place(value: Any, said: str) -> None:
    with pytest.raises(NoBuyerError) as refused:
        parse_no_buyer(value)
    assert str(refused.value).startswith(said)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: st.dictionaries(st.text(max_size=9), inner),
    )
)
def test_nothing_else_than_a_refusal_comes_of_garbage(value: Any) -> None:
    with contextlib.suppress(NoBuyerError):
        assert isinstance(parse_no_buyer(value), NoBuyer | None)
