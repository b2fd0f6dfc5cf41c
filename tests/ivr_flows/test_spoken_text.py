"""Texts with tags: what is said, what is rendered beforehand, and what is no such text."""

from __future__ import annotations

import pytest

from ivr_flows.answers import spoken
from ivr_flows.spoken_text import filled, fixed_pieces, prompts_of, tags_in, text_problem

TEXT = "A {loan_type} in {state}. [The price is {price}.] Right?"


def said(text: str, **tags: str) -> tuple[str, ...]:
    return prompts_of(
        text, tags, lambda tag, value: spoken({"state": "state", "price": "money"}.get(tag, ""), value)
    )


def test_values_are_read_back_as_their_grammar_does() -> None:
    assert said(TEXT, loan_type="home_equity", state="OH", price="250000") == (
        "A", "home equity", "in", "Ohio", "The price is", "two", "hundred", "fifty", "thousand", "dollars", "Right?",
    )  # fmt: skip


def test_a_part_in_brackets_is_said_only_where_its_tag_is_known() -> None:
    assert said(TEXT, state="OH") == ("A", "in", "Ohio", "Right?")


def test_digits_without_a_grammar_are_read_one_by_one() -> None:
    assert said("{account}", account="405") == ("four", "zero", "five")


def test_every_fixed_piece_is_known_beforehand() -> None:
    assert fixed_pieces(TEXT) == ("A", "in", "The price is", "Right?")
    assert tags_in(TEXT) == {"loan_type", "state", "price"}


def test_an_uploaded_sound_is_no_text() -> None:
    assert said("upload:welcome") == fixed_pieces("upload:welcome") == ("upload:welcome",)


@pytest.mark.parametrize("text", ["{Name}", "a { b", "a } b", "[a", "a]", "[[{a}]]", "{a{b}}"])
def test_braces_and_brackets_stand_in_pairs(text: str) -> None:
    assert text_problem(text)


def test_for_machines_a_missing_tag_is_empty() -> None:
    assert filled("{a}-{b}", {"a": "1"}) == "1-"
