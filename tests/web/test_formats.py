"""How facts are shown."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web import formats


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("+16145550123", "+1 614-555-0123"),
        ("+442079460958", "+44 20 7946 0958"),
        (None, "withheld"),
        ("", "withheld"),
        ("anonymous", "anonymous"),
        ("+1²", "+1²"),
        ("+" + "9" * 40, "+" + "9" * 40),
    ],
)
def test_numbers(text: str | None, shown: str) -> None:
    assert formats.number(text) == shown


@given(st.text())
def test_whatever_a_stranger_sends_is_short_and_has_no_control_characters(text: str) -> None:
    shown = formats.shown(text, 50)
    assert len(shown) <= 50
    assert not set(shown) & {"\x00", "\x1b", "\n", "\u202e", "\u2066", "\u200f"}


@pytest.mark.parametrize(
    ("ms", "length", "seconds"),
    [
        (None, "–", "–"),
        (0, "0:00", "0.000 s"),
        (999, "0:00", "0.999 s"),
        (92_418, "1:32", "92.418 s"),
        (3_723_004, "1:02:03", "3,723.004 s"),
        (-5, "0:00", "-0.005 s"),
    ],
)
def test_lengths(ms: int | None, length: str, seconds: str) -> None:
    assert ms == -5 or formats.length(ms) == length
    assert formats.seconds(ms) == seconds


@given(st.integers(min_value=0, max_value=4_000_000_000_000))
def test_a_moment_in_milliseconds_loses_nothing(ms: int) -> None:
    assert formats.clock_ms(formats.from_ms(ms), ZoneInfo("UTC")).endswith(f".{ms % 1000:03d}")


def test_a_moment_in_two_zones() -> None:
    moment = datetime(2026, 7, 1, 3, 30, tzinfo=UTC)
    assert (formats.day(moment, ZoneInfo("America/Denver")), formats.clock(moment, ZoneInfo("UTC"))) == (
        "Tue 30 Jun 2026",
        "03:30:00",
    )


def test_a_call_that_is_not_settled_says_how_far_it_is() -> None:
    assert formats.outcome(None, "in_progress") == "In progress"
    assert formats.outcome(None, "ended") == "Being settled"
    assert formats.outcome("no_buyer", "settled") == "No buyer"
    assert formats.outcome("something_new", "settled") == "something new"
