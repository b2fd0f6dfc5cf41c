"""The ZIP codes that fit the phones best, whatever the decoder would write.

The decoder writes words it likes: "the high-nate one" for a "nine eight one" that the phones say plainly. So the words
of the figures are laid along the frames one after the other. Only the likeliest way counts here, for this only finds
codes: Weighing tells how well they fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from agi.speech.phone_head import BLANK, IMPOSSIBLE, NUMBER_OF, PhonesHeard
from agi.speech.pronunciation import Phones, Pronunciation
from agi.speech.readings import NAUGHTS
from ivr_flows.number_words import DIGIT_WORDS
from ivr_flows.zip_codes import FIGURES, may_become_zip

BEGINNINGS = 10
"""So many beginnings of codes are followed."""

_Scores = NDArray[np.float32]
_NOTHING_SAID = -1


@dataclass(frozen=True, kw_only=True)
class _Word:
    """A figure, or what may stand before a code, in one way to say it."""

    text: str
    phones: tuple[int, ...]

    @property
    def is_figure(self) -> bool:
        return self.text.isdigit()


@dataclass(frozen=True, kw_only=True)
class _Beginning:
    """What was said so far, with the log-probabilities that it had ended before each frame: `by_phone` just so,
    `by_pause` with silence behind it.
    """

    opening: str
    code: str
    last_phone: int
    by_phone: _Scores
    by_pause: _Scores

    @property
    def ended(self) -> _Scores:
        return np.maximum(self.by_phone, self.by_pause)


class CodeSearch:
    """`openings`: what may stand before a code, as it is usually said. Figures are known in all their ways, one by one
    only: "ninety two" is left to the decoder.
    """

    def __init__(self, pronunciation: Pronunciation, openings: Sequence[str]) -> None:
        self._openings = [_word(said, pronunciation.ways(said)[0]) for said in openings]
        figures = [("0", NAUGHTS), *((str(figure), (DIGIT_WORDS[figure],)) for figure in range(1, 10))]
        self._figures = [
            _word(figure, way)
            for figure, words in figures
            for word in words
            for way in pronunciation.ways(word)
        ]

    def likeliest(self, heard: PhonesHeard, count: int) -> dict[str, str]:
        """At most `count` codes that exist, the best first, and how they are written with what was said before."""
        frames = heard.log_probabilities.astype(np.float32)
        still_to_come = np.append(np.cumsum(frames.max(1)[::-1])[::-1], 0).astype(np.float32)
        silence = np.append(0, np.cumsum(frames[:, BLANK])).astype(np.float32)
        never = np.full(len(silence), IMPOSSIBLE, np.float32)
        start = _Beginning(opening="", code="", last_phone=_NOTHING_SAID, by_phone=never, by_pause=silence)
        reached = [start, *_followed(frames, [start], self._openings)]
        for _ in range(FIGURES - 1):
            reached = _best(_followed(frames, reached, self._figures), still_to_come, BEGINNINGS)
        # What is left unsaid at the end of a whole code is no part of it: there is none.
        ends = np.full(len(silence), IMPOSSIBLE, np.float32)
        ends[-1] = 0
        whole = _best(_followed(frames, reached, self._figures), ends, count)
        return {found.code: f"{found.opening} {found.code}".strip() for found in whole}


def _word(text: str, phones: Phones) -> _Word:
    return _Word(text=text, phones=tuple(NUMBER_OF[phone] for phone in phones))


def _best(found: Sequence[_Beginning], still_to_come: _Scores, count: int) -> list[_Beginning]:
    """The likeliest beginnings of codes that exist, each in its likeliest way: others may end in another sound."""
    scores = np.stack([each.ended for each in found]) + still_to_come
    best: dict[str, _Beginning] = {}
    for at in np.argsort(-scores.max(1)):
        if found[at].code not in best and may_become_zip(found[at].code):
            best[found[at].code] = found[at]
        if len(best) == count:
            break
    return list(best.values())


def _followed(frames: _Scores, beginnings: Sequence[_Beginning], words: Sequence[_Word]) -> list[_Beginning]:
    """Each beginning with each of the words behind it."""
    labels, skipping = _laid_out(words)
    last = np.array([2 * len(word.phones) for word in words] * len(beginnings))
    begun = _begun(beginnings, words)
    each, size = np.arange(len(last)), len(beginnings)
    reached = np.full((len(last), labels.shape[1] + 2), IMPOSSIBLE, np.float32)
    by_phone = np.full((len(frames) + 1, len(last)), IMPOSSIBLE, np.float32)
    by_pause = by_phone.copy()
    skips = np.tile(skipping, (size, 1))
    for at, likely in enumerate(np.tile(frames[:, labels], (1, size, 1)), start=1):
        best = np.maximum(np.maximum(reached[:, 2:], reached[:, 1:-1]), reached[:, :-2] + skips)
        best[:, 0] = np.maximum(best[:, 0], begun[at - 1])
        reached[:, 2:] = best + likely
        by_phone[at], by_pause[at] = reached[each, last], reached[each, last + 1]
    pairs = product(beginnings, words)
    return [
        _Beginning(
            opening=before.opening if word.is_figure else word.text,
            code=before.code + (word.text if word.is_figure else ""),
            last_phone=word.phones[-1],
            by_phone=by_phone[:, number],
            by_pause=by_pause[:, number],
        )
        for number, (before, word) in enumerate(pairs)
    ]


def _laid_out(words: Sequence[_Word]) -> tuple[NDArray[np.int64], _Scores]:
    """For each word its phones, with a pause behind each, and which of them may follow the one before without."""
    labels = np.full((len(words), 2 * max(len(word.phones) for word in words)), BLANK)
    for row, word in zip(labels, words, strict=True):
        row[0 : 2 * len(word.phones) : 2] = word.phones
    skipping = np.full(labels.shape, IMPOSSIBLE, np.float32)
    skipping[:, 2:][(labels[:, 2:] != BLANK) & (labels[:, 2:] != labels[:, :-2])] = 0.0
    return labels, skipping


def _begun(beginnings: Sequence[_Beginning], words: Sequence[_Word]) -> _Scores:
    """By frame, for each beginning and word, the log-probability that the word may begin there: a phone is parted from
    the same one before by a pause.
    """
    return np.stack(
        [
            before.by_pause if word.phones[0] == before.last_phone else before.ended
            for before, word in product(beginnings, words)
        ],
        axis=1,
    )
