"""What the decoder found, weighed by what was heard."""

from __future__ import annotations

import numpy as np
import pytest

from agi.speech.answer_priors import AnswerPriors
from agi.speech.constrained_search import Answer, ConstrainedSearch
from agi.speech.moonshine_model import MoonshineModel
from agi.speech.phone_head import NUMBER_OF, PHONES, PhonesHeard
from agi.speech.pronunciation import Pronunciation
from agi.speech.weighing import LEAST_FIT, OVERHEARD, WEIGHED_ANSWERS, Hearing, Weighing


@pytest.fixture(scope="module")
def model() -> MoonshineModel:
    return MoonshineModel()


@pytest.fixture(scope="module")
def weighing(model: MoonshineModel) -> Weighing:
    priors = AnswerPriors(model, ConstrainedSearch(model).ends)
    return Weighing(model.tokens, Pronunciation(), priors)


def _heard(*phones: str) -> PhonesHeard:
    """Each phone for two frames, nine to one sure."""
    rows = np.full((2 * len(phones), 1 + len(PHONES)), 0.1 / len(PHONES))
    for at, phone in enumerate(phones):
        rows[2 * at : 2 * at + 2, NUMBER_OF[phone]] = 0.9
    return PhonesHeard(np.log(rows))


def _answer(model: MoonshineModel, text: str, score: float) -> Answer:
    return Answer(log_probability=score, best_log_probability=score, tokens=tuple(model.tokens.encode(text)))


def test_poor_beats_fair_when_the_phones_say_so(model: MoonshineModel, weighing: Weighing) -> None:
    """The decoder likes the one a little better, and writes a third word that sounds like neither."""
    answers = {"fair": _answer(model, "Fair", -4.0), "poor": _answer(model, "Poor", -4.3)}
    heard = [Hearing(written="Third.", phones=_heard("P", "UH", "R"))]
    assert weighing.weighed(answers, heard).best == "poor"
    heard = [Hearing(written="Third.", phones=_heard("F", "EH", "R"))]
    assert weighing.weighed(answers, heard).best == "fair"


@pytest.mark.parametrize("vowel", ["UH", "AO", "UW"])
def test_poor_is_poor_however_it_is_said(model: MoonshineModel, weighing: Weighing, vowel: str) -> None:
    answers = {"fair": _answer(model, "Fair", -4.0), "poor": _answer(model, "Poor", -4.3)}
    weighed = weighing.weighed(answers, [Hearing(written="Third.", phones=_heard("P", vowel, "R"))])
    assert weighed.best == "poor" and weighed.fit_a_phone > -1


def test_what_is_clear_once_it_is_weighed_is_not_heard_again(
    model: MoonshineModel, weighing: Weighing
) -> None:
    answers = {"fair": _answer(model, "Fair", -3.5), "poor": _answer(model, "Poor", -6.0)}
    heard = [Hearing(written="Fair.", phones=_heard("F", "EH", "R"))]
    assert weighing.weighed(answers, heard).settled
    other = [Hearing(written="Fair.", phones=_heard("P", "UH", "R"))]
    assert not weighing.weighed(answers, other).settled
    nothing_alike = [Hearing(written="Six.", phones=_heard("S", "IH", "K", "S"))]
    assert not weighing.weighed(answers, nothing_alike).settled


def test_an_amount_in_figures_is_known_by_any_way_of_saying_it(weighing: Weighing) -> None:
    said = Pronunciation().phones("two fifty k")
    own, other = weighing.fits(["$250,000", "$260,000"], [_heard(*said)])
    assert own > other + 5


def test_what_has_no_phones_or_too_many_counts_as_unfit_and_no_worse(weighing: Weighing) -> None:
    assert weighing.fits(["", "one million dollars"], [_heard("P")]) == [LEAST_FIT, LEAST_FIT]
    assert weighing.fits([], [_heard("P")]) == []


def test_a_value_fits_as_well_as_the_best_way_to_say_it(weighing: Weighing) -> None:
    said = [Hearing(written="Yes.", phones=_heard("Y", "EH", "P"))]
    own, best = weighing.best_fit_a_phone(["yes"], said), weighing.best_fit_a_phone(["yes", "yep"], said)
    assert own < best - 1 and best > -1
    assert weighing.best_fit_a_phone([], said) == LEAST_FIT


def test_a_long_text_that_does_not_fit_makes_no_value_look_better(weighing: Weighing) -> None:
    said = [Hearing(written="Yeah.", phones=_heard("N", "AA"))]
    short = weighing.best_fit_a_phone(["yeah"], said)
    assert weighing.best_fit_a_phone(["yeah", "yes that is what I would say"], said) == short


def test_only_the_likeliest_answers_are_weighed(model: MoonshineModel, weighing: Weighing) -> None:
    names = ("Ohio", "Iowa", "Idaho", "Utah", "Maine", "Texas")
    answers = {name: _answer(model, name, -3.0 - at) for at, name in enumerate(names)}
    heard = [Hearing(written="Ohio.", phones=_heard("OW"))]
    assert list(weighing.weighed(answers, heard).scores) == list(names[:WEIGHED_ANSWERS])


def test_what_sounds_like_it_is_weighed_though_the_search_likes_others_better(
    model: MoonshineModel, weighing: Weighing
) -> None:
    """Delaware: the decoder would begin to write "That's"."""
    names = {"PA": "Pennsylvania", "NV": "Nevada", "ME": "Maine", "CA": "California", "DE": "Delaware"}
    answers = {code: _answer(model, name, -8.0 - at) for at, (code, name) in enumerate(names.items())}
    heard = [Hearing(written="That's a winner.", phones=_heard(*Pronunciation().phones("delaware")))]
    assert "DE" not in weighing.weighed(answers, heard).scores
    overheard = weighing.overheard({code: (name.lower(),) for code, name in names.items()}, heard)
    assert len(overheard) == OVERHEARD and max(overheard, key=lambda code: overheard[code]) == "DE"
    assert weighing.weighed(answers, heard, overheard).best == "DE"
