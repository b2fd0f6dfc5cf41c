"""What the decoder found, weighed by more than its own word: its taste taken off, and what was heard in phones.

The decoder writes words it knows, and of two that sound alike the one it likes. The phones that the encoder heard
(phone_head.py) and the sound of the text that was written without a grammar have no such taste.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean

from agi.speech.answer_priors import AnswerPriors
from agi.speech.constrained_search import Answer, is_clear
from agi.speech.decision_rule import margin_of
from agi.speech.moonshine_model import Tokens
from agi.speech.phone_head import PhonesHeard
from agi.speech.pronunciation import Phones, Pronunciation
from agi.speech.readings import readings

PRIOR_WEIGHT = 0.2
"""Share of the decoder's own taste for an answer (answer_priors.py) that is taken off. Of 1020 answers of the
development half 96.5 % are right without it, 97.5 % at 0.15 to 0.3.
"""
SOUND_WEIGHT = 0.3
"""Log-probability that an answer loses for each phone that is not in the free text."""
PHONE_WEIGHT = 0.1
"""Share of the phones' log-probability that is added. Of 957 answers of eleven voices of the development half on clean
lines, at 20 dB and with packets lost, each by a head that never heard the voice's speaker, 915 are right without the
phones and 923 with them (921 at 0.2; 904, 914 and 911 with one hearing); at 10 dB 218, 223 and 222 of 293.
"""
LAST_PHONE_WEIGHT = 0.2
"""The share when nothing more will be heard and it is still unclear. By twelve voices of espeak-ng that are not in the
test set 462 of 528 ZIP codes are right, not 457, and 1,350 of 1,416 states, not 1,333. Of the development half, by
heads that never heard the speaker, 149 of 154 ages are, not 145, 211 of 218 answers to yes or no, not 210, but 792 of
810 states, not 795, and 242 of 260 ZIP codes, not 243.
"""
NOTHING: Mapping[str, float] = {}
LEAST_FIT = -60.0
"""What phones that do not fit at all count for."""
_SETTLED_MARGIN, _SETTLED_FIT = 3.0, -1.5
"""An answer that stands out so far once it is weighed, and fits by so much a phone, is not heard again: 1.5 hearings an
answer, not 1.9, a fifth less processor, and 922 right of those 957.
"""
OVERHEARD = 3
"""So many values that sound like what was heard are weighed, too, when it stays unclear: the search drops a "Delaware"
whose beginning the model would rather write "That's". Of 1,416 states said by twelve voices of espeak-ng that are not
in the test set, 1,333 are right with them and 1,300 without; of 810 of the development half, each by a head that never
heard its speaker, 795 and 794.
"""
WEIGHED_ANSWERS = 4
"""Only the likeliest answers are weighed: three do as well as eight, and weighing costs time."""


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """What one hearing of a sound brought: what was written without a grammar, and the phones."""

    written: str
    phones: PhonesHeard


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """Scores of the likeliest answers, the best of them, how well it fits by phone, and whether another hearing would
    change nothing.
    """

    scores: Mapping[str, float]
    best: str
    fit_a_phone: float
    settled: bool


class Weighing:
    """Weighs the answers to any grammar."""

    def __init__(self, tokens: Tokens, pronunciation: Pronunciation, priors: AnswerPriors) -> None:
        self._tokens, self._pronunciation, self._priors = tokens, pronunciation, priors
        self._rows = lru_cache(maxsize=4096)(self._rows_of)

    def weighed(
        self,
        answers: Mapping[str, Answer],
        hearings: Sequence[Hearing],
        overheard: Mapping[str, float] = NOTHING,
        phone_weight: float = PHONE_WEIGHT,
    ) -> Weighed:
        """Weigh the likeliest answers, one at least, and those `overheard`. What stands out by itself is weighed by its
        phones only.
        """
        known = {value: answer.log_probability for value, answer in answers.items()}
        likely = heapq.nlargest(WEIGHED_ANSWERS, known, key=lambda value: known[value])
        likely += [value for value in overheard if value in known and value not in likely]
        scores = {value: known[value] for value in likely}
        texts = {value: self._tokens.text(answers[value].tokens) for value in likely}
        if not is_clear(answers):
            priors = self._priors.of([answers[value].tokens for value in likely])
            written = [hearing.written for hearing in hearings]
            for value, prior in zip(likely, priors, strict=True):
                unlike = self._pronunciation.unlikeness(texts[value], written)
                scores[value] -= PRIOR_WEIGHT * prior + SOUND_WEIGHT * unlike
        written_fits = self.fits([texts[value] for value in likely], [hearing.phones for hearing in hearings])
        fits = [
            max(fit, overheard.get(value, LEAST_FIT)) for value, fit in zip(likely, written_fits, strict=True)
        ]
        scores = {value: scores[value] + phone_weight * fit for value, fit in zip(likely, fits, strict=True)}
        best = max(likely, key=lambda value: scores[value])
        fit_a_phone = self._a_phone(fits[likely.index(best)], texts[best])
        settled = margin_of(scores) > _SETTLED_MARGIN and fit_a_phone > _SETTLED_FIT
        return Weighed(scores=scores, best=best, fit_a_phone=fit_a_phone, settled=settled)

    def best_fit_a_phone(self, texts: Sequence[str], hearings: Sequence[Hearing]) -> float:
        """How well the text that fits best does, by phone; `LEAST_FIT` when there is none. Of those that fit alike the
        shortest counts: a long one that does not fit at all would look well by phone.
        """
        fits = self.fits(texts, [hearing.phones for hearing in hearings])
        told = zip(fits, texts, strict=True)
        best = min(told, key=lambda one: (-one[0], len(one[1])), default=None)
        return LEAST_FIT if best is None else self._a_phone(*best)

    def overheard(
        self, ways: Mapping[str, Sequence[str]], hearings: Sequence[Hearing]
    ) -> Mapping[str, float]:
        """The `OVERHEARD` values that fit the phones best, with how well they do, each in the way that fits best."""
        said = [(value, text) for value, texts in ways.items() for text in texts]
        fits = self.fits([text for _, text in said], [hearing.phones for hearing in hearings])
        best: dict[str, float] = {}
        for (value, _), fit in zip(said, fits, strict=True):
            best[value] = max(fit, best.get(value, LEAST_FIT))
        return dict(heapq.nlargest(OVERHEARD, best.items(), key=lambda one: one[1]))

    def _a_phone(self, fit: float, text: str) -> float:
        return fit / max(len(self._pronunciation.phones(text)), 1)

    def fits(self, texts: Sequence[str], heard: Iterable[PhonesHeard]) -> list[float]:
        """How well each text fits the phones of all hearings, however it is said: about 0 is perfectly."""
        rows = [self._rows(text) for text in texts]
        by_hearing = [_best_of(rows, phones) for phones in heard]
        return [fmean(fits) for fits in zip(*by_hearing, strict=True)]

    def _rows_of(self, text: str) -> tuple[Phones, ...]:
        return tuple(dict.fromkeys(way for said in readings(text) for way in self._pronunciation.ways(said)))


def _best_of(rows: Sequence[tuple[Phones, ...]], heard: PhonesHeard) -> list[float]:
    """The fit of the best row of each text."""
    fits = iter(heard.fits([row for of_text in rows for row in of_text]))
    return [max((LEAST_FIT, *(next(fits) for _ in of_text))) for of_text in rows]
