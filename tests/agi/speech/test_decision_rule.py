"""Accept, ask back or reject."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.speech.decision_rule import (
    DecisionRule,
    Evidence,
    GrammarRule,
    Judgement,
    features,
    load_decision_rule,
    margin_of,
)
from agi.speech.recogniser import Verdict
from ivr_flows.grammars import GRAMMARS

CLEAR = Evidence(
    answer=-0.2, answer_tokens=2, answer_phones=4, free=-0.2, free_steps=2, margin=10.0, sound_distance=0.0,
    speech_seconds=0.55, agreement=1, phone_fit=0.0,
)  # fmt: skip
RULE = DecisionRule(
    weights={"margin": 1.0},
    grammars={"yes_no": GrammarRule(bias=0.0, accept_above=3.0, reject_below=-1.0)},
)


def verdict(margin: float, *, share: float = 1.0, agreement: int = 1, read_back: bool = False) -> Verdict:
    evidence = replace(CLEAR, margin=margin, agreement=agreement)
    return RULE.judge("yes_no", evidence, value="no", share=share, read_back=read_back).verdict


@pytest.mark.parametrize(
    ("margin", "expected"),
    [(3.1, Verdict.ACCEPTED), (3.0, Verdict.UNSURE), (-0.9, Verdict.UNSURE), (-1.0, Verdict.REJECTED)],
)
def test_the_thresholds_part_the_verdicts(margin: float, expected: Verdict) -> None:
    assert verdict(margin) is expected


def test_doubt_turns_acceptance_into_a_question_back() -> None:
    assert verdict(9.0, share=0.5) is Verdict.UNSURE
    assert verdict(9.0, agreement=-1) is Verdict.UNSURE
    assert verdict(9.0, read_back=True) is Verdict.UNSURE
    judged = RULE.judge("yes_no", replace(CLEAR, margin=9.0), value="no", share=1.0, read_back=True)
    assert judged.sure


@pytest.mark.parametrize(
    ("value", "answer", "phones", "expected"),
    [
        ("yes", -1.2, 2, Verdict.UNSURE), ("yes", -0.5, 2, Verdict.ACCEPTED), ("yes", -1.2, 8, Verdict.ACCEPTED),
        ("no", -1.2, 2, Verdict.ACCEPTED),
    ],
)  # fmt: skip
def test_a_short_yes_that_may_be_a_nah_is_asked_back(
    value: str, answer: float, phones: int, expected: Verdict
) -> None:
    evidence = replace(CLEAR, margin=9.0, answer=answer, answer_phones=phones)
    judged = RULE.judge("yes_no", evidence, value=value, share=1.0, read_back=False)
    assert judged.verdict is expected and judged.sure == (expected is Verdict.ACCEPTED)


def test_what_does_not_fit_the_phones_is_asked_back_however_likely_it_is_written() -> None:
    for fit, expected in ((-0.3, Verdict.ACCEPTED), (-4.9, Verdict.ACCEPTED), (-5.1, Verdict.UNSURE)):
        evidence = replace(CLEAR, margin=9.0, phone_fit=fit)
        judged = RULE.judge("yes_no", evidence, value="no", share=1.0, read_back=False)
        assert judged.verdict is expected and judged.sure == (expected is Verdict.ACCEPTED)


def judged_by_the_committed_rule(
    grammar: str, value: str, above: float, *, agreement: int, fit: float
) -> Judgement:
    """Judge what stands so far above acceptance."""
    rule = load_decision_rule()
    evidence = replace(CLEAR, agreement=agreement, phone_fit=fit)
    own, logit = rule.grammars[grammar], rule.logit(grammar, evidence)
    moved = replace(own, bias=own.bias + own.accept_above + above - logit)
    return replace(rule, grammars={grammar: moved}).judge(
        grammar, evidence, value=value, share=1.0, read_back=False
    )


@pytest.mark.parametrize(
    ("agreement", "fit", "expected"),
    [
        (0, -2.1, Verdict.UNSURE),  # "With Aculum Mirror.", taken for Oklahoma
        (0, -1.9, Verdict.ACCEPTED),
        (1, -2.1, Verdict.ACCEPTED),
    ],
)
def test_a_state_that_nothing_but_the_grammar_tells_is_asked_back(
    agreement: int, fit: float, expected: Verdict
) -> None:
    judged = judged_by_the_committed_rule("state", "OK", 3.0, agreement=agreement, fit=fit)
    assert (judged.verdict, judged.sure) == (expected, True), "hearing more of it would not help"
    elsewhere = judged_by_the_committed_rule("loan_type", "purchase", 3.0, agreement=agreement, fit=fit)
    assert elsewhere.verdict is Verdict.ACCEPTED


def test_credit_has_to_be_surer_than_other_answers() -> None:
    for above, expected in ((1.9, Verdict.UNSURE), (2.1, Verdict.ACCEPTED)):
        judged = judged_by_the_committed_rule("credit_band", "fair", above, agreement=1, fit=0.0)
        assert (judged.verdict, judged.sure) == (expected, True)


@given(st.floats(-20, 20), st.floats(0, 1), st.sampled_from([-1, 0, 1]), st.booleans())
def test_what_is_sure_would_have_been_accepted(
    margin: float, share: float, agreement: int, read_back: bool
) -> None:
    evidence = replace(CLEAR, margin=margin, agreement=agreement)
    judged = RULE.judge("yes_no", evidence, value="no", share=share, read_back=read_back)
    if judged.sure:
        assert (
            RULE.judge("yes_no", evidence, value="no", share=share, read_back=False).verdict
            is Verdict.ACCEPTED
        )


def test_the_committed_rule_knows_every_grammar_and_says_how_it_was_made() -> None:
    rule = load_decision_rule()
    assert set(rule.grammars) == set(GRAMMARS)
    assert set(rule.weights) == set(features(CLEAR))
    assert all(each.reject_below < each.accept_above for each in rule.grammars.values())
    for name in GRAMMARS:
        assert rule.judge(name, CLEAR, value="", share=1.0, read_back=False).verdict is Verdict.ACCEPTED
        poor = replace(CLEAR, answer=-25.0, margin=0.1, sound_distance=0.9, speech_seconds=4.0, agreement=0)
        assert rule.judge(name, poor, value="", share=1.0, read_back=False).verdict is Verdict.REJECTED


def test_a_single_answer_stands_as_far_above_the_rest_as_can_be() -> None:
    assert margin_of({"yes": -3.0}) == margin_of({"yes": -1.0, "no": -99.0}) == 12.0
    assert margin_of({"yes": -1.0, "no": -1.5}) == 0.5
