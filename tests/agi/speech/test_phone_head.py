"""Which phones were heard, and how well a text's phones fit them."""

from __future__ import annotations

from itertools import groupby, product

import numpy as np
import pytest

from agi.speech.moonshine_engine import MoonshineEngine
from agi.speech.phone_head import BLANK, IMPOSSIBLE, NUMBER_OF, PHONES, PhonesHeard, Rows, forward_scores
from agi.speech.pronunciation import Pronunciation
from tests.agi.speech.conftest import Speak
from tests.agi.speech.telephone import on_the_line, utterance_in


def _frames(count: int, seed: int = 3) -> Rows:
    shares = np.random.default_rng(seed).random((count, 1 + len(PHONES)))
    return np.asarray(np.log(shares / shares.sum(1, keepdims=True)))


def _by_counting(heard: Rows, phones: list[str]) -> float:
    """Every way to lay the phones along the frames, one after the other."""
    wanted, total = [NUMBER_OF[phone] for phone in phones], -np.inf
    for way in product({BLANK, *wanted}, repeat=len(heard)):
        if [each for each, _ in groupby(way) if each != BLANK] == wanted:
            total = np.logaddexp(total, heard[range(len(heard)), list(way)].sum())
    return float(total)


@pytest.mark.parametrize("phones", [["P"], ["P", "UH", "R"], ["B", "B"], ["T", "EH", "T"]])
def test_a_row_of_phones_is_as_likely_as_all_its_ways_together(phones: list[str]) -> None:
    heard = _frames(5)
    rows = [phones, ["S", "IH", "K", "S"]]
    assert forward_scores(heard, rows)[0] == pytest.approx(_by_counting(heard, phones))


def test_phones_that_do_not_fit_in_the_frames_are_impossible() -> None:
    fits = PhonesHeard(_frames(2)).fits([("S", "IH", "K", "S"), (), ("B", "B")])
    assert all(fit < IMPOSSIBLE / 2 for fit in fits)
    assert PhonesHeard(_frames(2)).fits([]) == []


def test_what_is_asked_again_among_others_fits_as_well_as_before() -> None:
    heard = PhonesHeard(_frames(9))
    six, poor = heard.fits([("S", "IH", "K", "S"), ("P", "UH", "R")])
    again = heard.fits([("P", "UH", "R"), ("F", "EH", "R"), ("P", "UH", "R"), ("S", "IH", "K", "S")])
    assert again == pytest.approx([poor, PhonesHeard(_frames(9)).fits([("F", "EH", "R")])[0], poor, six])


@pytest.mark.parametrize(
    ("sentence", "others"),
    [
        ("refinance", ("purchase", "reverse mortgage", "home equity")),
        ("Texas", ("Kansas", "Nevada", "Tennessee")),
        ("sixty two", ("fifty two", "sixty", "seventy two")),
        ("excellent", ("good", "fair", "poor")),
    ],
)
def test_what_was_said_fits_best(
    moonshine: MoonshineEngine, say: Speak, sentence: str, others: tuple[str, ...]
) -> None:
    heard = moonshine.hear(utterance_in(on_the_line(say(sentence))), "yes_no").phones
    pronunciation = Pronunciation()
    own, *alike = heard.fits([pronunciation.ways(text)[0] for text in (sentence, *others)])
    assert own > max(alike) + 2
