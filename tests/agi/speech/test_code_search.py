"""ZIP codes found by their phones alone."""

from __future__ import annotations

import numpy as np
import pytest

from agi.speech.code_search import CodeSearch
from agi.speech.phone_head import PhonesHeard
from agi.speech.pronunciation import Pronunciation
from agi.speech.readings import readings
from ivr_flows.grammars import GRAMMARS
from ivr_flows.zip_codes import may_become_zip
from tests.agi.speech.phones import PAUSE, heard_surely

PRONUNCIATION = Pronunciation()


@pytest.fixture(scope="module")
def search() -> CodeSearch:
    return CodeSearch(PRONUNCIATION, GRAMMARS["zip"].openings)


def _said(text: str) -> PhonesHeard:
    """Word by word, as it is usually said."""
    return heard_surely(*(phone for word in text.split() for phone in (*PRONUNCIATION.phones(word), PAUSE)))


@pytest.mark.parametrize(
    ("said", "code", "text"),
    [
        ("nine eight one zero nine", "98109", "98109"),
        ("nine nine two oh one", "99201", "99201"),
        ("my zip code is four eight two two six", "48226", "my zip code is 48226"),
        ("it's seven five two oh one", "75201", "it's 75201"),
    ],
)
def test_a_code_is_found_with_what_stands_before_it(
    search: CodeSearch, said: str, code: str, text: str
) -> None:
    codes = search.likeliest(_said(said), 3)
    assert next(iter(codes.items())) == (code, text)
    assert len(codes) == 3


def test_only_codes_that_exist_are_found(search: CodeSearch) -> None:
    codes = search.likeliest(_said("zero zero zero zero zero"), 5)
    assert len(codes) == 5 and all(may_become_zip(code) for code in codes)


@pytest.mark.parametrize("seed", range(8))
def test_no_code_of_the_neighbourhood_fits_better_than_the_one_found(search: CodeSearch, seed: int) -> None:
    """Against a thousand codes, each laid along the frames by itself, where the phones are blurred."""
    dice = np.random.default_rng(seed)
    start = f"{dice.integers(10, 99)}"
    neighbours = [code for rest in range(1000) if may_become_zip(code := f"{start}{rest:03d}")]
    clear = _said(readings(neighbours[dice.integers(len(neighbours))])[0]).log_probabilities
    blurred = np.exp(clear) + 0.3 * dice.random(clear.shape) ** 4
    heard = PhonesHeard(np.log(blurred / blurred.sum(1, keepdims=True)))

    def fit(code: str) -> float:
        return max(heard.fits([way for said in readings(code) for way in PRONUNCIATION.ways(said)]))

    best = max(neighbours, key=fit)
    assert fit(next(iter(search.likeliest(heard, 1)))) >= fit(best) - 0.5


def test_too_little_for_five_figures_fits_none_of_what_is_found(search: CodeSearch) -> None:
    heard = heard_surely("N", "AY", "N")
    for code in search.likeliest(heard, 3):
        assert max(heard.fits(PRONUNCIATION.ways(readings(code)[0]))) < -1000
