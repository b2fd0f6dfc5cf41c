"""What the decoder likes to write when it hears nothing."""

from __future__ import annotations

import pytest

from agi.speech.answer_priors import AnswerPriors
from agi.speech.constrained_search import ConstrainedSearch
from agi.speech.moonshine_model import MoonshineModel


@pytest.fixture(scope="module")
def model() -> MoonshineModel:
    return MoonshineModel()


@pytest.fixture(scope="module")
def priors(model: MoonshineModel) -> AnswerPriors:
    return AnswerPriors(model, ConstrainedSearch(model).ends)


def test_short_and_common_answers_are_what_it_writes_by_itself(
    model: MoonshineModel, priors: AnswerPriors
) -> None:
    yes, dakota = (tuple(model.tokens.encode(text)) for text in ("Yes", "North Dakota"))
    of_yes, of_dakota = priors.of([yes, dakota])
    assert 0 > of_yes > of_dakota + 3


def test_an_answer_has_one_prior_whatever_stands_beside_it(
    model: MoonshineModel, priors: AnswerPriors
) -> None:
    texts = ("Good", "Fair", "Three hundred thousand dollars")
    tokens = [tuple(model.tokens.encode(text)) for text in texts]
    together = AnswerPriors(model, ConstrainedSearch(model).ends).of(tokens)
    assert [priors.of([each])[0] for each in tokens] == pytest.approx(together, abs=0.5)
    assert priors.of(tokens) == [priors.of([each])[0] for each in tokens]
    assert priors.of([]) == []
