"""How texts sound."""

from __future__ import annotations

import pytest

from agi.speech.pronunciation import MOST_WAYS, WORD, Pronunciation, sound_distance, spoken_figures
from ivr_flows.grammars import GRAMMARS, phrases_of


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ("250,000", "two hundred fifty thousand"), ("1,500,000", "one million five hundred thousand"),
        ("25", "twenty five"), ("0", "zero"), ("350", "three fifty"), ("300", "three hundred"),
        ("305", "three oh five"), ("1975", "nineteen seventy five"), ("2000", "two thousand"),
        ("1800", "eighteen hundred"), ("2005", "twenty oh five"), ("43215", "four three two one five"),
        ("02139", "zero two one three nine"), ("05", "zero five"),
    ],
)  # fmt: skip
def test_figures_are_said_as_people_say_them(figures: str, said: str) -> None:
    assert spoken_figures(figures) == said


def test_an_amount_in_figures_sounds_like_the_same_amount_in_words() -> None:
    pronunciation = Pronunciation()

    def distance(one: str, other: str) -> float:
        return sound_distance(pronunciation.phones(one), pronunciation.phones(other))

    assert distance("$75,000", "Seventy five thousand.") == 0
    assert distance("250k", "two fifty K") == 0
    assert distance("$25,000", "seventy five thousand") > distance("$75,000", "seventy five thousand")
    assert distance("9 8 1 0 9", "98109") == 0


def test_what_most_hearings_wrote_counts_more_than_what_the_first_did() -> None:
    pronunciation = Pronunciation()
    hearings = ["About three, sixty.", "About three, fifty.", "About 350."]
    fifty = pronunciation.unlikeness("About three fifty", hearings)
    assert fifty < pronunciation.unlikeness("About three sixty", hearings)
    assert fifty > pronunciation.unlikeness("About three sixty", hearings[:1]) == 0
    assert pronunciation.unlikeness("fifty", ["", "?"]) == pronunciation.unlikeness("fifty", []) == 0


def test_one_phone_of_a_long_amount_weighs_what_it_weighs_in_a_short_one() -> None:
    pronunciation = Pronunciation()
    short = pronunciation.unlikeness("fifty", ["Sixty."])
    assert short == pronunciation.unlikeness(
        "two hundred fifty thousand dollars", ["two hundred sixty thousand dollars"]
    )
    assert short > 0


@pytest.mark.parametrize("text", ["9" * 500, "1,000,000,000,000", "0,000", "²", "5,5", "$,", "1,000,0000"])
def test_figures_that_nobody_says_are_read_all_the_same(text: str) -> None:
    assert isinstance(Pronunciation().phones(text), list)


@pytest.mark.parametrize(
    ("figures", "said"),
    [("March 3rd", "march third"), ("the 21st", "the twenty first"), ("October 10TH", "October tenth")],
)
def test_an_ordinal_in_figures_sounds_like_the_same_in_words(figures: str, said: str) -> None:
    pronunciation = Pronunciation()
    assert pronunciation.phones(figures) == pronunciation.phones(said)


def test_a_word_that_people_say_differently_has_each_of_its_ways() -> None:
    """The dictionary has "poor" only as it rhymes with "sewer"."""
    pronunciation = Pronunciation()
    assert set(pronunciation.ways("Poor.")) == {("P", "UH", "R"), ("P", "AO", "R"), ("P", "UW", "R")}
    assert ("TH", "ER", "T", "IY") in pronunciation.ways("thirty")
    assert list(pronunciation.ways("thirty")[0]) == pronunciation.phones("thirty")
    assert pronunciation.ways("yes") == (("Y", "EH", "S"),)


def test_who_says_a_word_twice_says_it_alike() -> None:
    pronunciation = Pronunciation()
    assert pronunciation.ways("zero zero") == tuple(way * 2 for way in pronunciation.ways("zero"))
    assert len(pronunciation.ways("twenty thirty seventy ninety")) == MOST_WAYS
    assert pronunciation.ways("") == pronunciation.ways("?") == ((),)


def test_every_word_of_the_grammars_is_known_and_not_spelt() -> None:
    pronunciation = Pronunciation()
    phrases = (
        phrase
        for grammar in GRAMMARS.values()
        for value in grammar.phrases
        for phrase in phrases_of(grammar, value, 50)
    )
    words = {word for phrase in phrases for word in WORD.findall(phrase.lower()) if not word[0].isdigit()}
    assert [word for word in sorted(words) if not pronunciation.knows(word.strip("'"))] == []
