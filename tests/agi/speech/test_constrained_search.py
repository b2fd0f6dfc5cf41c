"""The token automaton and the beam, on the real vocabulary, without sound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agi.speech.constrained_search import BEAM_PATHS, Answer, ConstrainedSearch, is_clear, joined_answers
from agi.speech.moonshine_model import STOP, DecoderState, MoonshineModel, Tokens, assets_folder
from agi.speech.token_automaton import RARE_COST, UNUSUAL_COST, TokenAutomaton
from ivr_flows.grammars import GRAMMARS
from ivr_flows.number_words import DIGIT_WORDS, in_words
from ivr_flows.zip_codes import may_become_zip

TOKENS = Tokens(assets_folder() / "tokenizer.bin")
AUTOMATA = {name: TokenAutomaton(grammar, TOKENS) for name, grammar in GRAMMARS.items()}


def walked(name: str, text: str) -> str | None:
    """The value where the tokens of `text` lead; None when they lead nowhere."""
    automaton, tokens, node = AUTOMATA[name], tuple(TOKENS.encode(text)), 0
    for token in tokens:
        following = automaton.edges(node)
        if token not in following:
            return None
        node = following[token]
    return automaton.value(node, tokens)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("state", "I live in West Virginia", "WV"), ("state", "Washington, D.C", "DC"), ("state", "Washington", "WA"),
        ("yes_no", "Um, yes", "yes"), ("loan_type", "HELOC", "home_equity"), ("money", "$300,000", "300000"),
        ("money", "About 1.2 million dollars", "1200000"), ("money", "350K", "350000"), ("zip", "9-0-2-1-0", "90210"),
        ("zip", "Nine, oh, two, one, oh", "90210"), ("date", "March 14th, 2026", "2026-03-14"),
        ("money", "The hundred thousand", "100000"), ("money", "Round two hundred thousand", "200000"),
        ("credit_band", "My credit is for", "poor"), ("credit_band", "For credit", "poor"),
        ("age", "I'm fifty-eight years old", "58"), ("state", "Toronto", None), ("zip", "9021", None),
        ("money", "Three hundred thousand thousand", None), ("yes_no", "Remove my number", None),
    ],
)  # fmt: skip
def test_what_the_model_writes_leads_to_the_value_and_nothing_else_does(
    name: str, text: str, value: str | None
) -> None:
    assert walked(name, text) == value


@settings(max_examples=40)
@given(st.integers(10, 999))
def test_every_amount_can_be_walked_in_words_and_figures(thousands: int) -> None:
    words = in_words(thousands)
    for text in (
        f"{words.capitalize()} thousand dollars",
        f"${thousands},000",
        f"{thousands},000",
        f"{thousands}K",
    ):
        assert walked("money", text) == str(thousands * 1000)


@settings(max_examples=40)
@given(st.text("0123456789", min_size=5, max_size=5) | st.sampled_from(["43215", "02139", "90210"]))
def test_every_zip_that_exists_can_be_walked(code: str) -> None:
    words = [DIGIT_WORDS[int(figure)] for figure in code]
    assert (
        walked("zip", ", ".join(words).capitalize())
        == walked("zip", code)
        == walked("zip", "-".join(code))
        == (code if may_become_zip(code) else None)
    )


def test_the_automata_of_open_grammars_stay_small() -> None:
    assert all(len(grammar.graph.arcs) < 2000 for grammar in GRAMMARS.values())


def test_an_unusual_answer_has_to_make_up_for_it() -> None:
    age, date = AUTOMATA["age"], AUTOMATA["date"]
    assert age.cost("12", ()) == date.cost("--03-14", ()) == UNUSUAL_COST
    assert age.cost("62", ()) == date.cost("1975-03-14", ()) == AUTOMATA["yes_no"].cost("yes", ()) == 0
    assert AUTOMATA["zip"].cost("18123", tuple(TOKENS.encode("Eighteen one two three"))) == UNUSUAL_COST


@pytest.mark.parametrize(
    ("said", "cost"),
    [
        ("California", 0),
        ("Cali", RARE_COST),
        ("I live in, Kali", RARE_COST),
        ("Massachusetts", 0),
        ("Mass", RARE_COST),
    ],
)
def test_a_name_that_few_people_use_has_to_make_up_for_it(said: str, cost: float) -> None:
    assert AUTOMATA["state"].cost("CA", tuple(TOKENS.encode(said))) == cost


def test_people_tell_round_amounts() -> None:
    def cost(dollars: str) -> float:
        return AUTOMATA["money"].cost(dollars, ())

    assert cost("300000") == cost("350000") == cost("75000") == cost("1500000") == 0
    assert cost("260000") == cost("425000") == UNUSUAL_COST / 2
    assert cost("262000") == cost("1450000") == UNUSUAL_COST


def answers(**scores: float) -> dict[str, Answer]:
    return {
        value: Answer(log_probability=score, best_log_probability=score, tokens=(5,))
        for value, score in scores.items()
    }


def test_a_second_hearing_settles_what_the_first_left_open() -> None:
    first, second = answers(yes=-4.0, no=-4.5), answers(no=-1.0)
    assert not is_clear(first) and not is_clear({}) and not is_clear(answers(yes=-9.0))
    assert is_clear(second) and is_clear(answers(yes=-0.5, no=-4.0))
    joined = joined_answers([first, second])
    assert joined["no"].log_probability == pytest.approx(math.log((math.exp(-4.5) + math.exp(-1.0)) / 2))
    assert joined["yes"].log_probability == pytest.approx(-4.0 - math.log(2))
    assert joined_answers([{}, second]) == second and joined_answers([first, {}]) == first


def test_a_hearing_that_went_wrong_does_not_outvote_the_one_that_went_well() -> None:
    joined = joined_answers([answers(IA=-3.0, WI=-7.0), answers(WI=-15.0, IA=-25.0)])
    assert joined["IA"].log_probability > joined["WI"].log_probability


class _Writer:
    """Stands for a model that has one text in mind and likes everything else equally little."""

    tokens = TOKENS

    def __init__(self, text: str) -> None:
        self._wanted = [*TOKENS.encode(text), STOP]
        self.rows: list[int] = []

    def begin(self) -> DecoderState:
        return self._state(1)

    def advance(self, state: DecoderState, rows: Sequence[int], tokens: Sequence[int]) -> DecoderState:
        self.rows.append(len(rows))
        return self._state(len(rows))

    def _state(self, count: int) -> DecoderState:
        scores = np.full((count, len(TOKENS.pieces)), -8.0, np.float32)
        scores[:, self._wanted[min(len(self.rows), len(self._wanted) - 1)]] = 0.0
        return DecoderState(log_probabilities=scores, own={}, audio={})


@pytest.mark.parametrize(("text", "most"), [("Yes", 2), ("Bananas", 1 + BEAM_PATHS)])
def test_few_paths_are_followed_while_the_model_writes_an_answer_by_itself(text: str, most: int) -> None:
    """One row is the free text's."""
    writer = _Writer(text)
    search = ConstrainedSearch(cast("MoonshineModel", writer))
    answers, free = search.answers_and_free_text(writer.begin(), AUTOMATA["yes_no"])
    assert free.text == text and max(writer.rows) == most
    assert (answers["yes"].log_probability > -1) == (text == "Yes")


def test_a_zip_that_does_not_exist_is_never_written() -> None:
    assert walked("zip", "Four, six, two, zero, eight") == "46208"
    assert walked("zip", "Four, six, two, three, eight") is None
    zip_code = AUTOMATA["zip"]
    assert zip_code.leads_on(tuple(TOKENS.encode("Four, six, two, three")))
    assert not zip_code.leads_on(tuple(TOKENS.encode("Three, four, five, one")))
