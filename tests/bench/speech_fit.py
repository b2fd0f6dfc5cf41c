"""Fit the embedded engine's decision rule on the development half of the speech test set, and write it.

    python -m tests.bench.speech_fit              hear what has changed, fit, write agi/speech/data/decision_rule.json
    python -m tests.bench.speech_fit --only-tell  write nothing: what would the fit do, and what does the rule of now

Nothing of the untouched half is loaded. The same set and seed give the same numbers. Run it again after any change of
phrases, end-pointing or levelling: hearing takes two processes some minutes, a fit without it seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agi.speech.decision_rule import RULE_FILE, DecisionRule, decision_rule_of, features, load_decision_rule
from agi.speech.recogniser import Verdict
from ivr_flows.grammars import GRAMMARS
from tests.bench.report import progress
from tests.bench.speech_cases import CONDITIONS, SEED, SHARE, SHARE_OF, Case, measured_cases

Floats = NDArray[np.float64]
NO_ANSWER_WEIGHT = 0.5
RIDGE = 1.0
ACCEPTED_NO_ANSWERS, ACCEPTED_WRONG = 0.01, 0.01
"""Shares of the development half that the thresholds may let through: to the nearest whole number of cases."""
LOWEST_ACCEPT = 1.0
"""Three to one for being right, whatever so few cases let through."""
UNSURE_NO_ANSWERS = 0.10
LOWEST_REJECT = -2.5
MINIMUM_GAP = 1.0
_NEWTON_STEPS = 30
_NOTHING = -9.0


def fit(cases: Sequence[Case]) -> dict[str, Any]:
    """Weights, biases and thresholds. Thresholds look at each voice through a rule that was fitted without it."""
    known = [case for case in cases if case.evidence is not None]
    names = list(_features(known[0]))
    table = np.array([_row(case, names) for case in known])
    right = np.array([case.right for case in known], np.float64)
    weight = np.array([1.0 if case.answers else NO_ANSWER_WEIGHT for case in known])
    voices = np.array([case.voice for case in known])
    logits = np.zeros(len(known))
    for voice in sorted(set(voices)):
        other = voices != voice
        logits[~other] = table[~other] @ logistic_regression(table[other], right[other], weight[other])
    solution = logistic_regression(table, right, weight)
    of_grammar: dict[str, list[tuple[Case, float]]] = defaultdict(list)
    for case, logit in zip(known, logits, strict=True):
        of_grammar[case.grammar].append((case, float(logit)))
    missing = {name: sum(c.evidence is None and c.grammar == name for c in cases) for name in GRAMMARS}
    return {
        "weights": {name: round(float(solution[at]), 4) for at, name in enumerate(names)},
        "grammars": {
            name: {
                "bias": round(float(solution[len(names) + at]), 4),
                **thresholds(of_grammar[name], missing[name]),
            }
            for at, name in enumerate(GRAMMARS)
        },
    }


def _features(case: Case) -> dict[str, float]:
    return features(case.evidence) if case.evidence else {}


def _row(case: Case, names: Sequence[str]) -> list[float]:
    found = _features(case)
    return [*(found[name] for name in names), *(float(case.grammar == name) for name in GRAMMARS)]


def logistic_regression(table: Floats, right: Floats, weight: Floats) -> Floats:
    """Weights of a ridge regression on the log-odds, by Newton's method, in the units of the table."""
    scale = np.where(table.std(0) > 0, table.std(0), 1.0)
    scaled = table / scale
    solution = np.zeros(table.shape[1])
    for _ in range(_NEWTON_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(scaled @ solution, -30, 30)))
        slope = scaled.T @ (weight * (right - chance)) - RIDGE * solution
        bend = (scaled * (weight * chance * (1 - chance))[:, None]).T @ scaled + RIDGE * np.eye(len(solution))
        step = np.linalg.solve(bend, slope)
        solution = solution + step
        if np.abs(step).max() < 1e-8:
            break
    return np.asarray(solution / scale, np.float64)


def thresholds(judged: Sequence[tuple[Case, float]], missing: int) -> dict[str, float]:
    """Accept above the logit that lets through no more than the shares above; reject below one that most speech that
    answers nothing stays under.
    """
    acceptable = [(case, logit) for case, logit in judged if case.acceptable]
    no_answers = sum(not case.answers for case, _ in judged) + missing
    answers = sum(case.answers for case, _ in judged)
    passed = sorted((logit for case, logit in acceptable if not case.answers), reverse=True)
    wrong = sorted((logit for case, logit in acceptable if case.answers and not case.right), reverse=True)
    accept = max(
        _at(passed, round(ACCEPTED_NO_ANSWERS * no_answers)),
        _at(wrong, round(ACCEPTED_WRONG * answers)),
        LOWEST_ACCEPT,
    )
    every = sorted((logit for case, logit in judged if not case.answers), reverse=True)
    reject = max(LOWEST_REJECT, min(accept - MINIMUM_GAP, _at(every, int(UNSURE_NO_ANSWERS * no_answers))))
    return {"accept_above": round(accept, 3), "reject_below": round(reject, 3)}


def _at(ranked: Sequence[float], place: int) -> float:
    return ranked[place] if place < len(ranked) else _NOTHING


def tell(title: str, cases: Sequence[Case], rule_for: Callable[[str], DecisionRule]) -> None:
    """What rules do with cases, each judged by the rule for its voice: right, accepted, accepted wrong, unrelated
    accepted.
    """
    progress(f"{title}:")
    for name in GRAMMARS:
        answers = [case for case in cases if case.grammar == name and case.answers]
        others = [case for case in cases if case.grammar == name and not case.answers]
        accepted = [case for case in answers if _passes(case, rule_for(case.voice))]
        wrong = sum(not case.right for case in accepted)
        false = sum(_passes(case, rule_for(case.voice)) for case in others)
        progress(
            f"  {name:12} {len(answers):4} answers: best right {_percent(sum(c.right for c in answers), answers)}, "
            f"accepted right {_percent(len(accepted) - wrong, answers)}, wrong {_percent(wrong, answers)}; "
            f"{len(others)} others: accepted {_percent(false, others)}"
        )


def _passes(case: Case, rule: DecisionRule) -> bool:
    if case.evidence is None:
        return False
    judged = rule.judge(case.grammar, case.evidence, value=case.value, share=case.share, read_back=False)
    return judged.verdict is Verdict.ACCEPTED


def _percent(count: int, of: Sequence[object]) -> str:
    return f"{100 * count / max(len(of), 1):.1f} %"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only-tell", action="store_true")
    parser.add_argument("--output", type=Path, default=RULE_FILE)
    options = parser.parse_args()
    cases = measured_cases()
    present, rule = load_decision_rule(), fit(cases)

    @cache
    def without(voice: str) -> DecisionRule:
        return decision_rule_of(fit([case for case in cases if case.voice != voice]))

    tell("the rule of now", cases, lambda _: present)
    tell("fitted on all", cases, lambda _: decision_rule_of(rule))
    tell("each voice judged by a rule fitted without it", cases, without)
    if not options.only_tell:
        _write(rule, len(cases), options.output)
    return 0


def _write(rule: dict[str, Any], cases: int, file: Path) -> None:
    made = {
        "command": "python -m tests.bench.speech_fit", "seed": SEED, "share": {"every grammar": SHARE, **SHARE_OF},
        "conditions": [str(condition) for condition in CONDITIONS], "cases": cases,
    }  # fmt: skip
    file.write_text(json.dumps({"made_by": made, **rule}, indent=1) + "\n", "utf8")
    progress(f"wrote {file}")


if __name__ == "__main__":
    sys.exit(main())
