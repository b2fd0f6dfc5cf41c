"""What the decoder found, weighed by what was heard."""

from __future__ import annotations

import pytest

from agi.speech.answer_priors import AnswerPriors
from agi.speech.constrained_search import Answer, ConstrainedSearch
from agi.speech.moonshine_model import MoonshineModel
from agi.speech.pronunciation import Pronunciation
from agi.speech.weighing import (
    LEAST_FIT,
    LOST_COST,
    PHONE_WEIGHT,
    WEIGHED_ANSWERS,
    Hearing,
    Overheard,
    Sounding,
    Weighing,
)
from tests.agi.speech.phones import heard_surely


@pytest.fixture(scope="module")
def model() -> MoonshineModel:
    return MoonshineModel()


@pytest.fixture(scope="module")
def weighing(model: MoonshineModel) -> Weighing:
    priors = AnswerPriors(model, ConstrainedSearch(model).ends)
    return Weighing(model.tokens, Pronunciation(), priors)


def _answer(model: MoonshineModel, text: str, score: float) -> Answer:
    return Answer(log_probability=score, best_log_probability=score, tokens=tuple(model.tokens.encode(text)))


def test_poor_beats_fair_when_the_phones_say_so(model: MoonshineModel, weighing: Weighing) -> None:
    """The decoder likes the one a little better, and writes a third word that sounds like neither."""
    answers = {"fair": _answer(model, "Fair", -4.0), "poor": _answer(model, "Poor", -4.3)}
    heard = [Hearing(written="Third.", phones=heard_surely("P", "UH", "R"))]
    assert weighing.weighed(answers, heard).best == "poor"
    heard = [Hearing(written="Third.", phones=heard_surely("F", "EH", "R"))]
    assert weighing.weighed(answers, heard).best == "fair"


@pytest.mark.parametrize("vowel", ["UH", "AO", "UW"])
def test_poor_is_poor_however_it_is_said(model: MoonshineModel, weighing: Weighing, vowel: str) -> None:
    answers = {"fair": _answer(model, "Fair", -4.0), "poor": _answer(model, "Poor", -4.3)}
    weighed = weighing.weighed(answers, [Hearing(written="Third.", phones=heard_surely("P", vowel, "R"))])
    assert weighed.best == "poor" and weighed.fit_a_phone > -1


def test_what_is_clear_once_it_is_weighed_is_not_heard_again(
    model: MoonshineModel, weighing: Weighing
) -> None:
    answers = {"fair": _answer(model, "Fair", -3.5), "poor": _answer(model, "Poor", -6.0)}
    heard = [Hearing(written="Fair.", phones=heard_surely("F", "EH", "R"))]
    assert weighing.weighed(answers, heard).settled
    other = [Hearing(written="Fair.", phones=heard_surely("P", "UH", "R"))]
    assert not weighing.weighed(answers, other).settled
    nothing_alike = [Hearing(written="Six.", phones=heard_surely("S", "IH", "K", "S"))]
    assert not weighing.weighed(answers, nothing_alike).settled


def test_an_amount_in_figures_is_known_by_any_way_of_saying_it(weighing: Weighing) -> None:
    said = Pronunciation().phones("two fifty k")
    own, other = weighing.fits(["$250,000", "$260,000"], [heard_surely(*said)])
    assert own > other + 5


def test_what_has_no_phones_or_too_many_counts_as_unfit_and_no_worse(weighing: Weighing) -> None:
    assert weighing.fits(["", "one million dollars"], [heard_surely("P")]) == [LEAST_FIT, LEAST_FIT]
    assert weighing.fits([], [heard_surely("P")]) == []


def test_a_value_fits_as_well_as_the_best_way_to_say_it(weighing: Weighing) -> None:
    said = [Hearing(written="Yes.", phones=heard_surely("Y", "EH", "P"))]
    own, best = weighing.best_fit_a_phone(["yes"], said), weighing.best_fit_a_phone(["yes", "yep"], said)
    assert own < best - 1 and best > -1
    assert weighing.best_fit_a_phone([], said) == LEAST_FIT


def test_a_long_text_that_does_not_fit_makes_no_value_look_better(weighing: Weighing) -> None:
    said = [Hearing(written="Yeah.", phones=heard_surely("N", "AA"))]
    short = weighing.best_fit_a_phone(["yeah"], said)
    assert weighing.best_fit_a_phone(["yeah", "yes that is what I would say"], said) == short


def test_only_the_likeliest_answers_are_weighed(model: MoonshineModel, weighing: Weighing) -> None:
    names = ("Ohio", "Iowa", "Idaho", "Utah", "Maine", "Texas")
    answers = {name: _answer(model, name, -3.0 - at) for at, name in enumerate(names)}
    heard = [Hearing(written="Ohio.", phones=heard_surely("OW"))]
    assert list(weighing.weighed(answers, heard).scores) == list(names[:WEIGHED_ANSWERS])


def test_what_sounds_like_it_is_weighed_though_the_search_likes_others_better(
    model: MoonshineModel, weighing: Weighing
) -> None:
    """Delaware: the decoder would begin to write "That's"."""
    names = {"PA": "Pennsylvania", "NV": "Nevada", "ME": "Maine", "CA": "California", "DE": "Delaware"}
    answers = {code: _answer(model, name, -8.0 - at) for at, (code, name) in enumerate(names.items())}
    heard = [Hearing(written="That's a winner.", phones=heard_surely(*Pronunciation().phones("delaware")))]
    assert "DE" not in weighing.weighed(answers, heard).scores
    assert weighing.weighed(answers, heard, _overheard(DE=("delaware", 0.0))).best == "DE"


def test_what_no_search_came_by_is_weighed_as_less_likely_than_all_it_did(
    model: MoonshineModel, weighing: Weighing
) -> None:
    answers = {"fair": _answer(model, "Fair", -4.0), "good": _answer(model, "Good", -6.0)}
    heard = [Hearing(written="Or,", phones=heard_surely("P", "UH", "R"))]
    weighed = weighing.weighed(answers, heard, _overheard(1.0, poor=("poor", 0.0)))
    assert weighed.best == "poor"
    assert weighed.answer.log_probability == -6.0 - LOST_COST
    assert model.tokens.text(weighed.answer.tokens) == "poor"
    assert weighing.weighed(answers, heard, _overheard(0.0, poor=("poor", 0.0))).best == "fair"


def test_a_value_in_another_way_to_say_it_fits_by_that_ways_own_length(
    model: MoonshineModel, weighing: Weighing
) -> None:
    answers = {"yes": _answer(model, "Yes, that is what I would say", -4.0)}
    heard = [Hearing(written="Yep.", phones=heard_surely("Y", "EH", "P"))]
    assert weighing.weighed(answers, heard, _overheard(yes=("yep", -3.0))).fit_a_phone == -1.0


def test_a_clear_answer_is_heard_again_when_something_else_fits_far_better(
    model: MoonshineModel, weighing: Weighing
) -> None:
    """The decoder writes a sure "five", for all it heard was "high"."""
    answers = {"33135": _answer(model, "3, 3, 1, 3, 5", -0.5), "33138": _answer(model, "3, 3, 1, 3, 8", -6.0)}
    said = Pronunciation().phones("three three one three nine")
    heard = [Hearing(written="Three, three, one, three, five.", phones=heard_surely(*said))]
    assert weighing.weighed(answers, heard).settled
    assert not weighing.weighed(answers, heard, _overheard(**{"33139": ("33139", 3.0)})).settled
    assert weighing.weighed(answers, heard, _overheard(**{"33139": ("33139", -40.0)})).settled


def _overheard(weight: float = PHONE_WEIGHT, /, **found: tuple[str, float]) -> Overheard:
    return Overheard(
        found={value: Sounding(text=text, fit=fit) for value, (text, fit) in found.items()},
        phone_weight=weight,
    )
