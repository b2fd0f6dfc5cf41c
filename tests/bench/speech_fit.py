"""Fit the embedded engine's decision rule on the development half of the speech test set, and write it.

    python -m tests.bench.speech_fit                 measure, fit, write agi/speech/data/decision_rule.json
    python -m tests.bench.speech_fit --keep FILE     keep what was measured; the next run with FILE only fits

Nothing of the untouched half is loaded. The same set and seed give the same numbers. Run it again after any change of
phrases, end-pointing or levelling.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agi.speech.decision_rule import RULE_FILE, features
from agi.speech.endpointer import Endpointer, EndpointEvent
from agi.speech.moonshine_engine import MoonshineEngine
from agi.speech.recogniser import FRAME_SAMPLES, Samples, Utterance
from ivr_flows.grammars import GRAMMARS, read_command
from tests.bench.report import progress
from tests.bench.speech_line import Condition
from tests.bench.speech_set import Half, Item, load

Floats = NDArray[np.float64]
SEED = 4
SHARE = 0.16
"""Of the development half: enough for the fit. Measuring it takes one core more than ten minutes."""
CONDITIONS = (Condition.CLEAN, Condition.NOISE_20_DB, Condition.NOISE_10_DB, Condition.LOSS_3)
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
_QUIET_FRAMES = 40


@dataclass(frozen=True, kw_only=True)
class Case:
    """One sound under one grammar: the features of the best value, None when there was none, and whether it is right.

    `answers` is False for speech and noise that answer nothing. `share` is the value's probability among all answers,
    `agreement` tells whether the free text says it too.
    """

    grammar: str
    voice: str
    condition: str
    phrase: str
    answers: bool
    right: bool
    features: dict[str, float] | None
    share: float
    agreement: int


def utterance_of(samples: Samples) -> Utterance | None:
    """What the end-pointer cuts out of a line's audio; None when it hears no speech."""
    endpointer = Endpointer()
    for at in range(0, len(samples) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        if endpointer.feed(samples[at : at + FRAME_SAMPLES]) is EndpointEvent.ENDED:
            return endpointer.utterance()
    # Somebody goes on talking behind the caller: the line falls silent when the caller has nothing more to say.
    for _ in range(_QUIET_FRAMES):
        if endpointer.feed(np.zeros(FRAME_SAMPLES, np.int16) + 1) is EndpointEvent.ENDED:
            return endpointer.utterance()
    return None


def chosen(item: Item) -> bool:
    """Draw items by digest, so that the draw is the same everywhere. Noise is rare: all of it counts."""
    digest = zlib.crc32(f"{SEED}|{item.voice}|{item.phrase}|{item.condition}".encode())
    return item.is_noise or digest % 10_000 < SHARE * 10_000


def measure() -> list[Case]:
    engine, cases = MoonshineEngine(), list[Case]()
    for number, item in enumerate(filter(chosen, load(Half.DEVELOPMENT, conditions=CONDITIONS)), 1):
        cases += cases_of(engine, item)
        if number % 100 == 0:
            progress(f"{number} utterances of the development half")
    return cases


def cases_of(engine: MoonshineEngine, item: Item) -> Iterable[Case]:
    utterance = utterance_of(item.line.heard())
    if utterance is None:
        return
    sound = engine.hear(utterance)
    for grammar in [item.grammar] if item.grammar else _some_grammars(item):
        finding = engine.find(sound, grammar)
        if read_command(GRAMMARS[grammar], sound.free.text) or engine.command_behind(
            sound, GRAMMARS[grammar], finding
        ):
            progress(f"taken for a command: {item.phrase!r} by {item.voice}, {sound.free.text!r}")
            continue
        yield Case(
            grammar=grammar, voice=item.voice, condition=str(item.condition), phrase=item.phrase,
            answers=item.grammar is not None,
            right=item.grammar is not None and finding is not None and finding.value == item.value,
            features=features(finding.evidence) if finding else None,
            share=finding.shares[finding.value] if finding else 0.0,
            agreement=finding.evidence.agreement if finding else 0,
        )  # fmt: skip


def _some_grammars(item: Item) -> list[str]:
    """Half of them, drawn: what answers nothing costs most."""
    asked = [name for name, grammar in GRAMMARS.items() if not grammar.commands_only]
    return [name for name in asked if zlib.crc32(f"{item.voice}|{item.phrase}|{name}".encode()) % 2]


def fit(cases: Sequence[Case]) -> dict[str, Any]:
    """Weights, biases and thresholds. Thresholds look at each voice through a rule that was fitted without it."""
    known = [case for case in cases if case.features is not None]
    names = list(known[0].features or {})
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
    missing = {name: sum(c.features is None and c.grammar == name for c in cases) for name in GRAMMARS}
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


def _row(case: Case, names: Sequence[str]) -> list[float]:
    found = case.features or {}
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
    acceptable = [(case, logit) for case, logit in judged if case.share >= 0.65 and case.agreement >= 0]
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


def tell(cases: Sequence[Case], rule: dict[str, Any]) -> None:
    """What the rule does with the cases it was fitted on: right, accepted, accepted wrong, unrelated accepted."""
    for name, numbers in rule["grammars"].items():
        judged = [(case, _logit(case, rule)) for case in cases if case.grammar == name]
        answers = [(case, logit) for case, logit in judged if case.answers]
        others = [(case, logit) for case, logit in judged if not case.answers]
        passes = [_passes(case, logit, numbers) for case, logit in answers]
        right = sum(case.right for case, _ in answers)
        wrong = sum(passed and not case.right for passed, (case, _) in zip(passes, answers, strict=True))
        false = sum(_passes(case, logit, numbers) for case, logit in others)
        progress(
            f"{name:12} {len(answers):4} answers: best right {_percent(right, answers)}, "
            f"accepted {_percent(sum(passes), answers)}, wrong {_percent(wrong, answers)}; "
            f"{len(others)} others: accepted {_percent(false, others)}"
        )


def _logit(case: Case, rule: dict[str, Any]) -> float:
    if case.features is None:
        return _NOTHING
    weights = rule["weights"]
    return float(
        rule["grammars"][case.grammar]["bias"] + sum(weights[k] * v for k, v in case.features.items())
    )


def _passes(case: Case, logit: float, numbers: dict[str, float]) -> bool:
    return logit > numbers["accept_above"] and case.share >= 0.65 and case.agreement >= 0


def _percent(count: int, of: Sequence[object]) -> str:
    return f"{100 * count / max(len(of), 1):.1f} %"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keep", type=Path, help="file of measured cases: written when missing, else read")
    parser.add_argument("--output", type=Path, default=RULE_FILE)
    options = parser.parse_args()
    if options.keep and options.keep.is_file():
        cases = [Case(**case) for case in json.loads(options.keep.read_text("utf8"))]
    else:
        cases = measure()
        if options.keep:
            options.keep.write_text(json.dumps([asdict(case) for case in cases]), "utf8")
    rule = fit(cases)
    tell(cases, rule)
    made = {
        "command": "python -m tests.bench.speech_fit", "seed": SEED, "share": SHARE,
        "conditions": [str(condition) for condition in CONDITIONS], "cases": len(cases),
    }  # fmt: skip
    options.output.write_text(json.dumps({"made_by": made, **rule}, indent=1) + "\n", "utf8")
    progress(f"wrote {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
