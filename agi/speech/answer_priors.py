"""How likely the decoder writes an answer when it hears nothing: its own taste for some words over others.

Of two answers that fit the sound alike, the model writes the one it likes; part of that taste is taken off again. The
network rounds by what else is in its batch: a prior is good to about 0.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agi.speech.moonshine_model import STOP, Floats, MoonshineModel

_HISS_RMS, _HISS_SAMPLES = 300.0, 8_000
"""White noise that stands for a line without speech: one level instead of three moves a prior by 0.4, a share of which
is nothing, and costs a third.
"""
_SEED = 5
_MAXIMUM_KEPT = 20_000

Written = tuple[int, ...]


class AnswerPriors:
    """Log-probabilities of token rows without any speech. What was asked once is remembered. Not thread-safe."""

    def __init__(self, model: MoonshineModel, ends: Sequence[int]) -> None:
        dice = np.random.default_rng(_SEED)
        self._model, self._ends = model, list(ends)
        hiss = (dice.standard_normal(_HISS_SAMPLES) * _HISS_RMS).astype(np.float32)
        self._start = model.begin(model.listen(hiss))
        self._known: dict[Written, float] = {}

    def of(self, answers: Sequence[Written]) -> list[float]:
        """The prior of each answer, its end included."""
        if len(self._known) > _MAXIMUM_KEPT:
            self._known.clear()
        missing = [tokens for tokens in dict.fromkeys(answers) if tokens not in self._known]
        if missing:
            self._known.update(zip(missing, self._scores(missing), strict=True))
        return [self._known[tokens] for tokens in answers]

    def _scores(self, answers: Sequence[Written]) -> list[float]:
        """All answers side by side, a token a step; a row that has ended goes on without being counted."""
        totals, state, rows = [0.0] * len(answers), self._start, [0] * len(answers)
        longest = max(map(len, answers))
        for at in range(longest + 1):
            for number, tokens in enumerate(answers):
                totals[number] += self._step(state.log_probabilities[rows[number]], tokens, at)
            if at < longest:
                following = [tokens[at] if at < len(tokens) else STOP for tokens in answers]
                state = self._model.advance(state, rows, following)
                rows = list(range(len(answers)))
        return totals

    def _step(self, scores: Floats, tokens: Written, at: int) -> float:
        if at < len(tokens):
            return float(scores[tokens[at]])
        return float(np.logaddexp.reduce(scores[self._ends])) if at == len(tokens) else 0.0
