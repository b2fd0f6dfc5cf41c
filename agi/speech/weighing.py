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
test set 1,350 of 1,416 states are right, not 1,333. Of the development half, by heads that never heard the speaker, 149
of 154 ages are, not 145, 211 of 218 answers to yes or no, not 210, but 792 of 810 states, not 795.
"""
LOST_COST, LEAST_ANSWER = 2.0, -20.0
"""What was overheard and not found by the search counts for so much less than the least of what was, or than this where
nothing was found at all.
"""
OVERRULING = 2.0
"""What was overheard and fits by so much better than the best answer keeps it from being settled."""
LEAST_FIT = -60.0
"""What phones that do not fit at all count for."""
_SETTLED_MARGIN, SETTLED_FIT = 3.0, -1.5
"""An answer that stands out so far once it is weighed, and fits by so much a phone, is not heard again: 1.5 hearings an
answer, not 1.9, a fifth less processor, and 922 right of those 957.
"""
WEIGHED_ANSWERS = 4
"""Only the likeliest answers are weighed: three do as well as eight, and weighing costs time."""


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """What one hearing of a sound brought: what was written without a grammar, and the phones."""

    written: str
    phones: PhonesHeard


@dataclass(frozen=True, kw_only=True)
class Sounding:
    """How a value sounds: the text that fits the phones best, and how well it does (0 is perfectly)."""

    text: str
    fit: float


@dataclass(frozen=True, kw_only=True)
class Overheard:
    """What was found by phones, and the share of their log-probability that is added to every score."""

    found: Mapping[str, Sounding]
    phone_weight: float


NOTHING = Overheard(found={}, phone_weight=PHONE_WEIGHT)


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """Scores of the likeliest values, the best of them with its answer, how well it fits by phone, and whether another
    hearing would change nothing.
    """

    scores: Mapping[str, float]
    best: str
    answer: Answer
    fit_a_phone: float
    settled: bool


class Weighing:
    """Weighs the answers to any grammar."""

    def __init__(self, tokens: Tokens, pronunciation: Pronunciation, priors: AnswerPriors) -> None:
        self._tokens, self._pronunciation, self._priors = tokens, pronunciation, priors
        self._rows = lru_cache(maxsize=4096)(self._rows_of)

    def weighed(
        self, answers: Mapping[str, Answer], hearings: Sequence[Hearing], overheard: Overheard = NOTHING
    ) -> Weighed:
        """Weigh the likeliest answers and what was overheard, one of them at least.

        What stands out by itself is weighed by its phones only. What the search did not come by has no words to be
        weighed: it counts for `LOST_COST` less than the least of the others, before the phones.
        """
        clear, sounding = is_clear(answers), overheard.found
        likely = heapq.nlargest(WEIGHED_ANSWERS, answers, key=lambda value: answers[value].log_probability)
        likely += [value for value in sounding if value in answers and value not in likely]
        texts = {value: self._tokens.text(answers[value].tokens) for value in likely}
        scores = {value: answers[value].log_probability for value in likely}
        if not clear:
            priors = self._priors.of([answers[value].tokens for value in likely])
            written = [hearing.written for hearing in hearings]
            for value, prior in zip(likely, priors, strict=True):
                unlike = self._pronunciation.unlikeness(texts[value], written)
                scores[value] -= PRIOR_WEIGHT * prior + SOUND_WEIGHT * unlike
        fits = self.fits(list(texts.values()), [hearing.phones for hearing in hearings])
        sounds = {
            value: Sounding(text=texts[value], fit=fit) for value, fit in zip(likely, fits, strict=True)
        }
        least = min(scores.values(), default=LEAST_ANSWER) - LOST_COST
        for value, found in sounding.items():
            scores.setdefault(value, least)
            sounds[value] = max(found, sounds.get(value, found), key=lambda sound: sound.fit)
        scores = {
            value: score + overheard.phone_weight * sounds[value].fit for value, score in scores.items()
        }
        best = max(scores, key=lambda value: scores[value])
        fit_a_phone = self._a_phone(sounds[best])
        stands_out = margin_of(scores) > _SETTLED_MARGIN and fit_a_phone > SETTLED_FIT
        overruled = any(found.fit > sounds[best].fit + OVERRULING for found in sounding.values())
        return Weighed(
            scores=scores,
            best=best,
            answer=answers.get(best) or self._supposed(sounds[best].text, answers),
            fit_a_phone=fit_a_phone,
            settled=not overruled and (stands_out or (clear and best == likely[0])),
        )

    def _supposed(self, text: str, found: Mapping[str, Answer]) -> Answer:
        """An answer that the search did not come by, for the decision rule: less likely than all that it found."""
        known = (answer.log_probability for answer in found.values())
        least = min(known, default=LEAST_ANSWER) - LOST_COST
        return Answer(
            log_probability=least, best_log_probability=least, tokens=tuple(self._tokens.encode(text))
        )

    def best_fit_a_phone(self, texts: Sequence[str], hearings: Sequence[Hearing]) -> float:
        """How well the text that fits best does, by phone; `LEAST_FIT` when there is none. Of those that fit alike the
        shortest counts: a long one that does not fit at all would look well by phone.
        """
        fits = self.fits(texts, [hearing.phones for hearing in hearings])
        told = (Sounding(text=text, fit=fit) for text, fit in zip(texts, fits, strict=True))
        best = min(told, key=lambda sound: (-sound.fit, len(sound.text)), default=None)
        return LEAST_FIT if best is None else self._a_phone(best)

    def _a_phone(self, sound: Sounding) -> float:
        return sound.fit / max(len(self._pronunciation.phones(sound.text)), 1)

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
