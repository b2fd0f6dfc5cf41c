"""Accept, ask back or reject: a logistic rule over what the searches found. Pure; its numbers are data
files that `python -m tests.bench.speech_fit` measures and writes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agi.speech.recogniser import Verdict

RULE_FILE = Path(__file__).parent / "data" / "decision_rule.json"
_MAXIMUM_MARGIN = 12.0
_SECONDS_BESIDE_PHONES, _SECONDS_PER_PHONE = 0.25, 0.075
"""How long people take for an answer, to tell speech that is far too long or short for the text found."""
_ACCEPT_SHARE = 0.65
_SURE_SHARE = 0.95
"""Least probability of the best answer among all answers, to act on it and to stop listening early."""
_SURE_MARGIN = 1.0
"""How far above acceptance the logit must be to stop listening early."""
_AGREES = "yes"
_SHORT_PHONES, _LEAST_OF_SHORT_YES = 3, -1.0
"""A yes of so few sounds is asked back unless the model is this sure of it: it writes "Yeah." for a "nah", but less
surely (12 of 14 below -1.1; 16 of 20 a real "yeah" above -0.6, the others in noise). Of 177 answers of the development
half one no is accepted as a yes, not five, and 9 of 152 right ones are asked back. A no taken for a yes confirms what
was misheard.
"""
LEAST_PHONE_FIT = -5.0
"""Asked back what fits the phones worse: mostly speech that answers nothing, and a sure "Yeah." written for a "nah".
agi/speech/data/README.md tells what it stops and what it costs.
"""
_LEAST_UNWRITTEN_FIT: Mapping[str, float] = {"state": -2.0}
"""Asked back where the text written without a grammar does not say the value and the phones fit no better: a wrong
state sells the call to a buyer without a licence there. Of 810 states of the development half it stops 3 of 3 wrong
ones and asks 65 of 748 right ones back.
"""
_FURTHER_ABOVE: Mapping[str, float] = {"credit_band": 2.0}
"""What is not so far above acceptance is asked back: a "poor" that sounds like "where" is fair for the model, and
surely so. Of 202 answers of the development half none is accepted wrongly, not two, and 102, not 154, are accepted
rightly.
"""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was found for the best value. Log-probabilities are natural; `sound_distance` is 0 to 1. `agreement` is 1
    when the text written without a grammar says the same value, -1 when it says another, 0 when it says none.
    `phone_fit` is the log-probability a phone of the best way to say the value, 0 when it is all that was heard.
    """

    answer: float
    answer_tokens: int
    answer_phones: int
    free: float
    free_steps: int
    margin: float
    sound_distance: float
    speech_seconds: float
    agreement: int
    phone_fit: float


@dataclass(frozen=True, kw_only=True)
class GrammarRule:
    bias: float
    accept_above: float
    reject_below: float


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The verdict with the logit of the value being right. `sure`: clear enough to stop listening."""

    verdict: Verdict
    logit: float
    sure: bool


@dataclass(frozen=True, kw_only=True)
class DecisionRule:
    """One set of weights for all grammars, and for each grammar a bias and two thresholds."""

    weights: Mapping[str, float]
    grammars: Mapping[str, GrammarRule]

    def judge(
        self, grammar: str, evidence: Evidence, *, value: str, share: float, read_back: bool
    ) -> Judgement:
        """Judge the best value. `share`: its probability among all answers. `read_back`: at best unsure.

        A value that is asked back may be sure all the same: then hearing more would not change it.
        """
        rule = self.grammars[grammar]
        logit = self.logit(grammar, evidence)
        if logit <= rule.reject_below:
            return Judgement(verdict=Verdict.REJECTED, logit=logit, sure=False)
        clear = logit > rule.accept_above and is_acceptable(value, evidence, share)
        trusted = clear and not read_back and self._is_trusted(grammar, evidence, logit)
        verdict = Verdict.ACCEPTED if trusted else Verdict.UNSURE
        sure = clear and share >= _SURE_SHARE and logit > rule.accept_above + _SURE_MARGIN
        return Judgement(verdict=verdict, logit=logit, sure=sure)

    def _is_trusted(self, grammar: str, evidence: Evidence, logit: float) -> bool:
        """Say whether a clear value may be acted on where a wrong one costs most."""
        written = evidence.agreement > 0
        fits = evidence.phone_fit >= _LEAST_UNWRITTEN_FIT.get(grammar, LEAST_PHONE_FIT)
        above = self.grammars[grammar].accept_above + _FURTHER_ABOVE.get(grammar, 0.0)
        return logit > above and (written or fits)

    def logit(self, grammar: str, evidence: Evidence) -> float:
        """Log-odds of the best value being right."""
        found = features(evidence)
        return self.grammars[grammar].bias + sum(
            weight * found[name] for name, weight in self.weights.items()
        )


def is_acceptable(value: str, evidence: Evidence, share: float) -> bool:
    """Return whether nothing beside the logit speaks against acting on `value`."""
    short = evidence.answer_phones <= _SHORT_PHONES
    doubtful_yes = value == _AGREES and short and evidence.answer < _LEAST_OF_SHORT_YES
    sounds_so = evidence.phone_fit >= LEAST_PHONE_FIT and not doubtful_yes
    return share >= _ACCEPT_SHARE and evidence.agreement >= 0 and sounds_so


def margin_of(scores: Mapping[str, float]) -> float:
    """How far the best score stands above the second."""
    ranked = sorted(scores.values(), reverse=True)
    return min(ranked[0] - ranked[1], _MAXIMUM_MARGIN) if len(ranked) > 1 else _MAXIMUM_MARGIN


def probabilities(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores as probabilities among themselves."""
    best = max(scores.values())
    shares = {value: math.exp(score - best) for value, score in scores.items()}
    total = sum(shares.values())
    return {value: share / total for value, share in shares.items()}


def logistic(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, logit))))


def features(evidence: Evidence) -> dict[str, float]:
    """The numbers that the rule weighs."""
    expected_seconds = _SECONDS_BESIDE_PHONES + _SECONDS_PER_PHONE * evidence.answer_phones
    stretch = math.log(max(evidence.speech_seconds, 0.1) / expected_seconds)
    return {
        "margin": evidence.margin,
        "answer_per_token": max(evidence.answer / evidence.answer_tokens, -6.0),
        "free_per_token": max(evidence.free / evidence.free_steps, -4.0),
        "answer_over_free": max(min(evidence.answer - evidence.free, 4.0), -15.0),
        "sound_distance": evidence.sound_distance,
        "duration_off": abs(stretch),
        "duration_over": 2.0 * max(stretch, 0.0),
        "answer": min(evidence.answer, 0.0) / 5.0,
        "agrees": float(evidence.agreement > 0),
        "contradicted": float(evidence.agreement < 0),
    }


def load_decision_rule(file: Path = RULE_FILE) -> DecisionRule:
    """Raises OSError, ValueError or KeyError for a file that is none."""
    return decision_rule_of(json.loads(file.read_text("utf8")))


def decision_rule_of(rule: Mapping[str, Any]) -> DecisionRule:
    """The rule that a file's JSON holds. Raises KeyError or TypeError for another shape."""
    return DecisionRule(
        weights=rule["weights"],
        grammars={name: GrammarRule(**numbers) for name, numbers in rule["grammars"].items()},
    )
