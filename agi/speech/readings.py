"""The ways people say what a model writes in figures: "$250,000" is two hundred fifty thousand, or two fifty. Pure."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice, product

from agi.speech.pronunciation import WORD, ordinals_in_words, spoken_figures
from ivr_flows.number_words import DIGIT_WORDS, LARGEST, below_hundred, in_words

MOST_READINGS = 12
_ONE_BY_ONE_FROM = 4
_MOST_FIGURES = len(str(LARGEST))
NAUGHTS = ("zero", "oh")
_MOST_NAUGHTS = 3
"""With more of them, all are said alike."""


@lru_cache(maxsize=4096)
def readings(text: str) -> tuple[str, ...]:
    """The same text in words, as many ways as there may be, the usual one first; at most `MOST_READINGS`."""
    text = ordinals_in_words(text.lower())
    parts = [_said(part) if part[0].isdigit() else (part,) for part in WORD.findall(text)]
    found = [" ".join(chosen) for chosen in islice(product(*parts), MOST_READINGS)] if parts else []
    if "$" in text:
        found = [f"{said}{unit}" for said in found[: MOST_READINGS // 2] for unit in ("", " dollars")]
    return tuple(dict.fromkeys(found))


def _said(figures: str) -> tuple[str, ...]:
    if len(figures.replace(",", "")) > _MOST_FIGURES:
        return (spoken_figures(figures.replace(",", "")),)
    if "," in figures:
        return _amount(int(figures.replace(",", "")))
    if len(figures) >= _ONE_BY_ONE_FROM or (figures[0] == "0" and len(figures) > 1):
        return tuple(dict.fromkeys((spoken_figures(figures), *_one_by_one(figures))))
    number = int(figures)
    hundreds, rest = divmod(number, 100)
    if not hundreds or not rest:
        return (in_words(number),)
    return (
        spoken_figures(figures),
        in_words(number),
        f"{below_hundred(hundreds)} hundred and {below_hundred(rest)}",
    )


def _one_by_one(figures: str) -> tuple[str, ...]:
    naughts = figures.count("0")
    if naughts > _MOST_NAUGHTS:
        choices = [(word,) * naughts for word in NAUGHTS]
    else:
        choices = list(product(NAUGHTS, repeat=naughts))
    found: list[str] = []
    for choice in choices:
        chosen = iter(choice)
        found.append(
            " ".join(next(chosen) if figure == "0" else DIGIT_WORDS[int(figure)] for figure in figures)
        )
    return tuple(found)


def _amount(number: int) -> tuple[str, ...]:
    found = [in_words(number)]
    millions, below_million = divmod(number, 1_000_000)
    if below_million == 500_000:
        found.append(
            f"{below_hundred(millions)} point five million" if 0 < millions < 100 else "half a million"
        )
    if number % 1000 == 0 and not millions:
        found += _thousands(number // 1000)
    return tuple(found)


def _thousands(thousands: int) -> list[str]:
    hundreds, rest = divmod(thousands, 100)
    found = [f"{in_words(thousands)} k"]
    if hundreds == 1:
        found.append(f"a hundred {f'{below_hundred(rest)} ' if rest else ''}thousand")
    if hundreds and rest:
        short = f"{below_hundred(hundreds)} {below_hundred(rest)}"
        found += [short, f"{short} k", f"{short} thousand"]
        found.append(f"{below_hundred(hundreds)} hundred and {below_hundred(rest)} thousand")
    return found
