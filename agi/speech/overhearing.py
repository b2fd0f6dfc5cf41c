"""Values that sound like what was heard, whether or not the decoder's search came by them.

The search drops a "Delaware" whose beginning the model would rather write "That's", and a "nine" for "the high".
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from agi.speech.code_search import CodeSearch
from agi.speech.phone_head import PhonesHeard
from agi.speech.pronunciation import Pronunciation
from agi.speech.token_automaton import TokenAutomaton
from agi.speech.weighing import LAST_PHONE_WEIGHT, NOTHING, Hearing, Overheard, Sounding, Weighing
from ivr_flows.grammars import GRAMMARS

CODE = "zip"
"""The grammar of codes, whose figures are said one by one."""
CODE_WEIGHT, LAST_CODE_WEIGHT = 0.3, 0.5
"""Share of the phones of a code, at first and at last: they tell figures apart where the decoder writes what it likes.
Of 260 ZIP codes of the development half, each by a head that never heard the speaker, 247 are right with the codes that
the phones find and these shares, 246 with the shares of other answers, 241 without; of 528 by twelve voices of
espeak-ng that are not in the test set 498, 485 and 463.
"""
FEW_VALUES = 8
"""A search through so few values hardly loses any: of 25 answers about credit by voices outside the test set that were
taken for others it had found 21, of 116 states 27.
"""
OVERHEARD = 3
"""So many values that sound like what was heard are weighed, too. Of 1,416 states said by twelve voices of espeak-ng
that are not in the test set, 1,333 are right with them and 1,300 without; of 810 of the development half, each by a
head that never heard its speaker, 795 and 794.
"""
_KEPT_HEARINGS = 16
"""The codes in them are looked for once: they are weighed again with every further hearing."""


class Overhearing:
    """Not for several threads."""

    def __init__(self, pronunciation: Pronunciation, weighing: Weighing) -> None:
        self._weighing = weighing
        self._search = CodeSearch(pronunciation, GRAMMARS[CODE].openings)
        self._codes = lru_cache(maxsize=_KEPT_HEARINGS)(self._likeliest_codes)

    def of(self, automaton: TokenAutomaton, hearings: Sequence[Hearing], *, last: bool = False) -> Overheard:
        """What the phones find, and how much they count. `last`: nothing more will be heard. Codes are told apart from
        the first hearing on, other values only when all else has left them unclear.
        """
        if automaton.grammar.name == CODE:
            codes = {code: text for hearing in hearings for code, text in self._codes(hearing.phones).items()}
            found = self._best(codes.items(), hearings, len(codes))
            return Overheard(found=found, phone_weight=LAST_CODE_WEIGHT if last else CODE_WEIGHT)
        if not last:
            return NOTHING
        said = [(value, text) for value, texts in automaton.ways.items() for text in texts]
        found = self._best(said, hearings, OVERHEARD) if len(automaton.ways) > FEW_VALUES else {}
        return Overheard(found=found, phone_weight=LAST_PHONE_WEIGHT)

    def _likeliest_codes(self, phones: PhonesHeard) -> Mapping[str, str]:
        return self._search.likeliest(phones, OVERHEARD)

    def _best(
        self, said: Iterable[tuple[str, str]], hearings: Sequence[Hearing], count: int
    ) -> Mapping[str, Sounding]:
        """Of one value and text at least, the `count` values that fit best, each in the way that does."""
        values, texts = zip(*said, strict=True)
        fits = self._weighing.fits(texts, [hearing.phones for hearing in hearings])
        best: dict[str, Sounding] = {}
        for value, text, fit in zip(values, texts, fits, strict=True):
            if value not in best or fit > best[value].fit:
                best[value] = Sounding(text=text, fit=fit)
        return dict(heapq.nlargest(count, best.items(), key=lambda one: one[1].fit))
