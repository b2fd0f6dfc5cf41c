"""What callers may answer, by voice and by keys."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from importlib import resources
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr_flows.grammar_files import NAMES, GrammarFileError, grammar_from
from ivr_flows.grammars import (
    GRAMMARS,
    RESERVED,
    all_pieces,
    grammar_with,
    keypad_help,
    keys_maximum,
    keys_to_values,
    may_go_on,
    own_grammar,
    phrases_of,
    read_answer,
    read_command,
    spoken_name,
    spoken_pieces,
    spoken_texts,
    state_key_presses,
    values_in_text,
)
from ivr_flows.number_words import DIGIT_WORDS, ORDINALS, below_hundred, in_words
from rules.places import STATES

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
SOME_TEXT = (
    "one two five oh ten twenty hundred thousand million and a half point k double , . - $ 3 0 300 march third the of "
    "yes no washington d c new york i'm about months"
)
SOME_WORDS = SOME_TEXT.split()
CLOSED = [name for name, grammar in GRAMMARS.items() if grammar.phrases]
thousands = st.integers(10, 999).map(lambda number: number * 1000)
zips = st.text("0123456789", min_size=5, max_size=5)
dates = st.dates(date(1900, 1, 1), date(2099, 12, 31))


def read(grammar: str, text: str) -> str | None:
    return read_answer(GRAMMARS[grammar], text)


def test_the_grammars_bear_the_names_that_flows_use() -> None:
    names = "yes_no loan_type state zip number money credit_band date age timeline commands"
    assert tuple(GRAMMARS) == NAMES == tuple(names.split())
    read_back = {name for name, grammar in GRAMMARS.items() if grammar.read_back}
    assert read_back == {"money", "zip", "number", "date"}
    assert {grammar.language for grammar in GRAMMARS.values()} == {"en"}


def test_there_are_fifty_states_and_the_district() -> None:
    state = GRAMMARS["state"]
    assert set(state.values) == set(STATES) and len(STATES) == 51
    assert dict(state.spoken) == dict(STATES)
    for code, name in STATES.items():
        assert read("state", name) == read("state", f"I live in {name} please") == code


@pytest.mark.parametrize(
    ("text", "code"),
    [("Cali", "CA"), ("new york state", "NY"), ("D C", "DC"), ("Washington, D.C.", "DC"), ("mass", "MA"),
     ("Washington state", "WA"), ("the state of washington", "WA"), ("West Virginia.", "WV")],
)  # fmt: skip
def test_states_are_known_as_people_say_them(text: str, code: str) -> None:
    assert read("state", text) == code


def test_okay_alone_says_nothing_of_anybodys_credit() -> None:
    # People say it before they answer, and a recogniser writes it for what it did not understand.
    assert read("credit_band", "Okay.") is None and read("credit_band", "okay, good") != "fair"
    assert read("credit_band", "it's okay") == read("credit_band", "Just okay.") == "fair"


@pytest.mark.parametrize("name", CLOSED)
def test_every_phrase_of_a_value_reads_as_that_value_and_no_other(name: str) -> None:
    grammar = GRAMMARS[name]
    for value, texts in grammar.phrases.items():
        for rule in texts:
            one = spoken_texts(replace_phrases(name, {value: (rule,)}), 5000)
            assert one and all(read_answer(grammar, text) == value for text in one), rule


def replace_phrases(name: str, phrases: dict[str, tuple[str, ...]]) -> Any:
    return replace(GRAMMARS[name], phrases=phrases, commands={}, openings=(), closings=())


def test_the_ways_to_say_a_value_are_told_without_what_stands_around() -> None:
    ways = phrases_of(GRAMMARS["yes_no"], "yes", 100)
    assert {"yes", "yep", "yes please", "that's right"} <= set(ways) and "um yes" not in ways
    assert "eight forty" in phrases_of(GRAMMARS["credit_band"], "excellent", 100)
    assert len(phrases_of(GRAMMARS["credit_band"], "excellent", 5)) == 5
    assert phrases_of(GRAMMARS["money"], "250000", 100) == ()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("text", "command"),
    [("Operator.", "operator"), ("say that again", "repeat"), ("Stop calling me!", "stop_calling"),
     ("remove my number", "stop_calling"), ("Never call me again.", "stop_calling"),
     ("Take me off the call list.", "stop_calling"), ("Don't ever call me again.", "stop_calling"),
     ("I'd like an operator.", "operator"), ("Get me a person.", "operator"),
     ("don't record this call", "do_not_record"), ("Don't record this.", "do_not_record")],
)  # fmt: skip
def test_commands_work_at_every_question(name: str, text: str, command: str) -> None:
    assert read(name, text) == command and command in RESERVED
    assert command not in GRAMMARS[name].values


def test_a_command_is_found_in_a_longer_sentence_but_not_in_an_answer() -> None:
    state = GRAMMARS["state"]
    assert read_command(state, "Look, stop calling me, okay?") == "stop_calling"
    assert read_command(state, "Let me talk to a person right now.") == "operator"
    assert read_command(state, "I live in Ohio") is None
    assert read_command(state, "he is an operator of trains") is None
    assert read_command(state, "say that again and remove my number") is None
    korean = own_grammar("yes_no", {"yes": ("네",)}, {"stop_calling": ("전화 하지 마세요",)})
    assert read_command(korean, "네 전화 하지 마세요") == "stop_calling"


@settings(max_examples=25)
@given(thousands)
def test_an_amount_reads_back_from_each_way_to_say_it(dollars: int) -> None:
    count = dollars // 1000
    words = in_words(count)
    forms = [
        f"{words} thousand", f"about {words} thousand dollars", f"{words} k", f"{words} grand", f"{count}K",
        f"${count}k", f"${dollars:,}", f"{dollars:,} dollars", f"{count} thousand", str(dollars),
        words.replace("hundred ", "hundred and ") + " thousand",
    ]  # fmt: skip
    if count >= 100 and count % 100 >= 10:
        forms += [f"{in_words(count // 100)} {below_hundred(count % 100)}", f"{count}", f"${count}"]
        forms += [f"{in_words(count // 100)} {below_hundred(count % 100)} k"]
    for form in forms:
        assert read("money", form) == str(dollars), form
    assert read("money", spoken_name("money", str(dollars))) == str(dollars)


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(0, 99))
def test_millions_read_back_from_words_and_figures(whole: int, hundredths: int) -> None:
    dollars = str(whole * 1_000_000 + hundredths * 10_000)
    decimals = f"{hundredths:02d}".rstrip("0") or "0"
    spelt = " ".join(DIGIT_WORDS[int(figure)] for figure in decimals)
    for form in (f"{DIGIT_WORDS[whole]} point {spelt} million", f"${whole}.{decimals} million",
                 f"{whole}.{decimals} million dollars", f"${int(dollars):,}"):  # fmt: skip
        assert read("money", form) == dollars, form


@pytest.mark.parametrize(
    ("text", "dollars"),
    [("three hundred thousand", "300000"), ("two fifty k", "250000"), ("one point two million", "1200000"),
     ("half a million", "500000"), ("a quarter of a million", "250000"), ("one and a half million", "1500000"),
     ("a million and a half", "1500000"), ("a hundred thousand", "100000"), ("forty five hundred", "4500"),
     ("two million three hundred thousand", "2300000"), ("one million", "1000000"),
     ("two thousand five hundred dollars", "2500")],
)  # fmt: skip
def test_amounts_are_known_as_people_say_them(text: str, dollars: str) -> None:
    assert read("money", text) == dollars


@settings(max_examples=40)
@given(zips, st.integers(0, 3))
def test_a_zip_reads_back_from_each_way_to_say_it(code: str, at: int) -> None:
    words = [DIGIT_WORDS[int(figure)] for figure in code]
    forms = [
        " ".join(words), ", ".join(words).capitalize(), "-".join(words), code, "-".join(code), " ".join(code),
        " ".join("oh" if word == "zero" else word for word in words), f"my zip code is {' '.join(words)}",
    ]  # fmt: skip
    if code[at] == code[at + 1]:
        forms.append(" ".join([*words[:at], "double", *words[at + 1 :]]))
    if code[at] != "0":
        forms.append(" ".join([*words[:at], below_hundred(int(code[at : at + 2])), *words[at + 2 :]]))
    # A pair of tens swallows the figure after it: "twenty", "three" is 23.
    for form in forms[: -1 if code[at + 1] == "0" and code[at] in "23456789" else None]:
        assert read("zip", form) == code, form
    assert "".join(str(DIGIT_WORDS.index(piece)) for piece in spoken_pieces("zip", code)) == code


@settings(max_examples=25)
@given(dates)
def test_a_date_reads_back_from_each_way_to_say_it(day: date) -> None:
    month, ordinal = MONTHS[day.month - 1], ORDINALS[day.day - 1]
    forms = [
        f"{month} {ordinal} {day.year}", f"{month} {day.day}, {day.year}", f"the {ordinal} of {month} {day.year}",
        f"{day.month}/{day.day}/{day.year}", f"{month} {below_hundred(day.day)}, {day.year}",
        f"I was born on {month} {ordinal}, {day.year}",
    ]  # fmt: skip
    for form in forms:
        assert read("date", form) == day.isoformat(), form
    assert read("date", spoken_name("date", day.isoformat())) == day.isoformat()
    assert read("date", f"{month} {ordinal}") == f"--{day:%m-%d}"


@settings(max_examples=40)
@given(st.integers(1, 109))
def test_an_age_reads_back(age: int) -> None:
    words = in_words(age)
    for form in (words, f"I'm {words}", f"{words} years old"):
        assert read("age", form) == str(age)
    if age < 100:
        assert read("age", f"I am {age} years old") == str(age)


@settings(max_examples=40)
@given(st.integers(0, 999_999))
def test_a_number_reads_back(number: int) -> None:
    for form in (in_words(number), f"about {in_words(number)}", f"{number:,}"):
        assert read("number", form) == str(number), form


@pytest.mark.parametrize(
    ("grammar", "text"),
    [("zip", "nine oh two one"), ("zip", "nine oh two one oh five"), ("zip", "ninety hundred"), ("zip", "9021"),
     ("money", "three hundred thousand thousand"), ("money", "five"), ("money", "five hundred dollars and a dog"),
     ("money", "point five"), ("date", "February thirtieth"), ("date", "13/40/2026"), ("date", "the fifth"),
     ("age", "two hundred"), ("age", "zero"), ("number", "many"), ("state", "Toronto"), ("yes_no", "maybe"),
     ("yes_no", ""), ("loan_type", "a boat"), ("credit_band", "seven"), ("timeline", "last year")],
)  # fmt: skip
def test_what_is_no_answer_is_refused(grammar: str, text: str) -> None:
    assert read(grammar, text) is None


@settings(max_examples=100)
@given(st.sampled_from(NAMES), st.lists(st.sampled_from(SOME_WORDS), max_size=8).map(" ".join))
def test_whatever_is_read_is_a_value_of_the_grammar(name: str, text: str) -> None:
    value = read(name, text)
    if value is None:
        return
    assert GRAMMARS[name].holds(value)
    assert set(spoken_pieces(name, value)) <= all_pieces(name) or value in RESERVED


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20)
@given(value=st.text("0123456789-", max_size=9))
def test_no_text_that_is_no_value_passes_for_one(name: str, value: str) -> None:
    if GRAMMARS[name].holds(value):
        assert spoken_name(name, value)
    else:
        with pytest.raises(KeyError):
            spoken_name(name, value)


def test_every_state_can_be_keyed() -> None:
    for code in STATES:
        assert code in keys_to_values("state", state_key_presses(code))
    assert keys_to_values("state", "63") == ("MD", "ME", "ND", "NE")
    assert keys_to_values("state", "64") == ("MI", "NH", "OH")


@pytest.mark.parametrize(
    ("grammar", "digits", "values"),
    [("yes_no", "1", ("yes",)), ("yes_no", "2", ("no",)), ("yes_no", "3", ()), ("yes_no", "11", ()),
     ("loan_type", "1", ("refinance",)), ("loan_type", "4", ("reverse",)), ("loan_type", "5", ()), ("state", "", ()),
     ("state", "6", ()), ("state", "*#", ()), ("zip", "02134", ("02134",)), ("zip", "0213", ()),
     ("money", "300000", ("300000",)), ("money", "12", ()), ("age", "58", ("58",)), ("age", "580", ()),
     ("date", "03142026", ("2026-03-14",)), ("date", "0314", ("--03-14",)), ("date", "02302026", ()),
     ("number", "7", ("7",)), ("number", "*", ())],
)  # fmt: skip
def test_keys_mean_what_the_prompt_says(grammar: str, digits: str, values: tuple[str, ...]) -> None:
    assert keys_to_values(grammar, digits) == values
    assert len(digits) <= keys_maximum(grammar) or not values


@given(st.sampled_from(NAMES), st.text(alphabet="0123456789*#ABCD", max_size=9))
def test_any_keys_give_only_values_of_the_grammar(grammar: str, digits: str) -> None:
    assert all(GRAMMARS[grammar].holds(value) for value in keys_to_values(grammar, digits))


def test_every_value_can_be_read_back_and_every_question_can_tell_its_keys() -> None:
    for grammar in GRAMMARS.values():
        assert all(spoken_name(grammar.name, value) for value in (*grammar.values, *RESERVED))
        assert bool(keypad_help(grammar.name)) is not grammar.commands_only
        assert keys_maximum(grammar.name) >= 1 or grammar.commands_only
        assert len(all_pieces(grammar.name)) < 250 and (all_pieces(grammar.name) or grammar.commands_only)
    assert spoken_name("state", "MD") == "Maryland"
    assert spoken_name("money", "250000") == "two hundred fifty thousand dollars"
    assert spoken_name("date", "2005-03-14") == "March fourteenth two thousand five"
    with pytest.raises(KeyError):
        spoken_name("state", "XX")


def test_an_answer_that_may_go_on_is_known() -> None:
    for name, text in [("state", "Washington"), ("state", "i live in new"), ("money", "three hundred"),
                       ("zip", "nine oh two one"), ("money", "one million"), ("age", "sixty")]:  # fmt: skip
        assert may_go_on(GRAMMARS[name], text), text
    for name, text in [("state", "Ohio"), ("yes_no", "yes"), ("loan_type", "refinance"), ("zip", "nine oh two one oh"),
                       ("money", "three hundred thousand"), ("money", "$300,000"), ("yes_no", "hmm")]:  # fmt: skip
        assert not may_go_on(GRAMMARS[name], text), text


def test_every_answer_in_a_sentence_is_found() -> None:
    assert values_in_text(GRAMMARS["yes_no"], "yes no yes") == ("yes", "no")
    assert values_in_text(GRAMMARS["state"], "so we are in west virginia now") == ("WV",)
    assert values_in_text(GRAMMARS["state"], "hello") == values_in_text(GRAMMARS["state"], "") == ()


def test_a_flow_may_add_phrases_of_its_own() -> None:
    grammar = grammar_with("loan_type", {"refinance": ("rate and term",)})
    assert read_answer(grammar, "I want a rate and term please") == "refinance"
    assert read("loan_type", "rate and term") is None
    assert read_answer(grammar_with("money", {"300000": ("the usual",)}), "the usual") == "300000"
    assert grammar_with("state", {}) is GRAMMARS["state"]


@pytest.mark.parametrize(
    ("name", "synonyms", "reason"),
    [("loan_type", {"refinance": ("purchase",)}, "already means purchase"),
     ("loan_type", {"refinance": ("operator",)}, "already means operator"),
     ("loan_type", {"boat": ("boat",)}, "no value 'boat'; its values: refinance"),
     ("loan_type", {"operator": ("boss",)}, "no value 'operator'"),
     ("loan_type", {"refinance": ("a | b",)}, "use letters"),
     ("loan_type", {"refinance": ("_x",)}, "use letters"), ("loan_type", {"refinance": ("x" * 81,)}, "at most 80"),
     ("loan_type", {"refinance": ("zap",), "reverse": ("Zap",)}, "can mean one thing only"),
     ("loan_type", {"refinance": ("a",) * 201}, "more than 200"), ("zip", {"0213": ("home",)}, "no value '0213'"),
     ("colour", {"red": ("red",)}, "unknown grammar 'colour'; known: yes_no")],
)  # fmt: skip
def test_phrases_that_cannot_be_are_refused(
    name: str, synonyms: dict[str, tuple[str, ...]], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        grammar_with(name, synonyms)


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"phrases": {"yes": ["<what>"]}}, "no rule <what>"), ({"phrases": {"yes": ["(yes"]}}, "not closed"),
     ({"phrases": {"maybe": ["maybe"]}}, "nothing is said for the value 'maybe'"), ({"colour": 1}, "unknown setting"),
     ({"phrases": {"operator": ["o"]}}, "is a command"), ({"reader": "zip"}, "either phrases or a reader"),
     ({"phrases": {}, "reader": "tea", "said": ["tea"]}, "unknown reader"), ({"phrases": ["yes"]}, "yes_no"),
     ({"keys": {"1": ["maybe"]}}, "keys 1 mean a value that is none")],
)  # fmt: skip
def test_a_broken_grammar_file_is_refused_with_its_reason(change: dict[str, Any], reason: str) -> None:
    folder = resources.files("ivr_flows.grammar_files")
    data, common = (json.loads(folder.joinpath(f"{name}.json").read_text()) for name in ("yes_no", "common"))
    assert grammar_from(data, common).name == "yes_no"
    with pytest.raises(GrammarFileError, match=reason):
        grammar_from({**data, **change}, common)


def test_a_day_after_another_reads_as_itself() -> None:
    for days in range(0, 366, 7):
        day = date(2024, 1, 1) + timedelta(days=days)
        assert read("date", f"{day:%m/%d/%Y}".replace("/0", "/").lstrip("0")) == day.isoformat()
