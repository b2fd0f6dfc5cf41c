"""What the answers of open grammars are worth: words or figures in, a value out. Pure.

Words that are no part of a number ("about", "dollars") are passed over: whether a text may be said at all is for
the grammar's graph to tell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from fractions import Fraction

from ivr_flows.number_words import NUMBER_OF_WORD, ORDINALS, number_of_words
from ivr_flows.zip_codes import FIGURES, may_become_zip

LOWEST_MONEY, HIGHEST_MONEY = 1_000, 99_000_000
OLDEST_AGE = 120
_GROWN_UP_AGE = 18
HIGHEST_NUMBER = 999_999
FIRST_YEAR, LAST_YEAR = 1900, 2099
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip

_HOMOPHONES = {"for": "four", "to": "two", "too": "two", "won": "one", "ate": "eight", "o": "oh"}
_NUMBER_WORDS = {*NUMBER_OF_WORD, "hundred", "thousand", "oh", "and", "a"}
_TENS = 20
"""Words from here on take a figure after them: "ninety two"."""
_REPEATS = {"double": 2, "triple": 3}
_ORDINAL_OF_WORDS = {words: day for day, words in enumerate(ORDINALS, 1)}
_DAY_WORDS = ("today", "tomorrow", "yesterday")
_NO_YEAR_LEAP = 2000
"""29 February is a day when the year is not said."""


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z']+|\d+", text.lower().replace(",", "") if "," in text else text.lower())


def read_number(text: str) -> str | None:
    """0 to 999,999."""
    words = [word for word in _words(text) if word in _NUMBER_WORDS or word.isdigit()]
    number = number_of_words([word for word in words if word != "a"] if "hundred" not in words else words)
    return str(number) if number is not None and number <= HIGHEST_NUMBER else None


def read_age(text: str) -> str | None:
    """1 to 120 whole years."""
    words = [word for word in _words(text) if word in NUMBER_OF_WORD or word == "hundred" or word.isdigit()]
    number = number_of_words(words)
    return str(number) if number is not None and 1 <= number <= OLDEST_AGE else None


def read_zip(text: str) -> str | None:
    """Five figures: single ones, pairs ("ninety two"), "double four", "oh"."""
    figures = _zip_figures(_zip_words(text))
    return figures if len(figures) == FIGURES else None


def may_become_answer(reader: str, text: str) -> bool:
    """Return whether an answer that exists may begin with `text`, the last word of which may be unfinished.

    Of a ZIP code only: what is no ZIP code cannot be what the caller said.
    """
    if reader != "zip":
        return True
    words = _zip_words(text)[:-1]
    figures = _zip_figures(words)
    if words and NUMBER_OF_WORD.get(words[-1], 0) >= _TENS:
        figures = figures[:-1]
    return may_become_zip(figures[:FIGURES])


def exists(reader: str, value: str) -> bool:
    """Return whether there is such an answer; False for ZIP codes that the post never gave out."""
    return reader != "zip" or may_become_zip(value)


def _zip_words(text: str) -> list[str]:
    return [_HOMOPHONES.get(word, word) for word in re.findall(r"[a-z]+|\d", text.lower())]


def _zip_figures(words: list[str]) -> str:
    figures, repeat = "", 1
    tens = 0
    for word in words:
        number = 0 if word == "oh" else int(word) if word.isdigit() else NUMBER_OF_WORD.get(word)
        if word in ("hundred", "thousand"):
            figures += {"hundred": "00", "thousand": "000"}[word]
        if number is None:
            repeat = _REPEATS.get(word, 1)
            continue
        if tens and 1 <= number <= 9 and not word.isdigit():
            figures = figures[:-1] + str(number)
        else:
            figures += str(number) * repeat
        tens, repeat = number if number >= _TENS else 0, 1
    return figures


def read_money(text: str) -> str | None:
    """Whole dollars. Without a scale a number below a thousand is thousands, as people say prices of homes."""
    text = re.sub(r"(\d)\s*(?:k|grand)\b", r"\1 thousand", text.lower())
    text = re.sub(r"\b(?:k|grand)\b", "thousand", text).replace("$", " ")
    text = re.sub(r"(\d),(?=\d{3})", r"\1", text)
    worth = _millions(text) if "million" in text else _thousands(text)
    if worth is None or worth.denominator != 1 or not LOWEST_MONEY <= worth <= HIGHEST_MONEY:
        return None
    return str(int(worth))


def _thousands(text: str) -> Fraction | None:
    number = number_of_words(_number_words(text))
    if number is None:
        return None
    said_in_full = "thousand" in text or "dollar" in text or number >= 1000
    return Fraction(number if said_in_full else number * 1000)


def _millions(text: str) -> Fraction | None:
    before, _, after = text.partition("million")
    million = Fraction(1_000_000)
    if "half" in after:
        return (Fraction(number_of_words(_number_words(before)) or 1) + Fraction(1, 2)) * million
    part = Fraction(1, 2) if "half" in before else Fraction(1, 4) if "quarter" in before else Fraction(0)
    whole = _decimal(before) if not part else Fraction(number_of_words(_number_words(before)) or 0)
    if whole is None:
        return None
    rest = number_of_words(_number_words(after)) if _number_words(after) else 0
    if rest is None or (rest and rest < 1000):
        return None
    return (whole + part) * million + rest


def _decimal(text: str) -> Fraction | None:
    """1, "one point two", "1.25"; "a" is one."""
    figures = re.search(r"\d+(?:\.\d+)?", text)
    if figures:
        return Fraction(figures[0])
    before, point, after = text.partition(" point ")
    whole = number_of_words(_number_words(before))
    if not point:
        return Fraction(whole) if whole is not None else Fraction(1)
    digits = [NUMBER_OF_WORD.get(_HOMOPHONES.get(word, word)) for word in after.split()]
    if whole is None or not digits or any(digit is None for digit in digits):
        return None
    return Fraction(f"{whole}." + "".join(map(str, digits)))


def _number_words(text: str) -> list[str]:
    kept = [word for word in _words(text) if word in _NUMBER_WORDS or word.isdigit()]
    hundred = "hundred" in kept
    kept = [word for word in kept if word != "a" or hundred]
    while kept and kept[-1] == "and":
        kept = kept[:-1]
    return kept


def read_date(text: str) -> str | None:
    """ISO 8601: 2026-03-14, or --03-14 when no year is said; "today", "tomorrow", "yesterday" as they are."""
    words: list[str] = re.findall(r"[a-z]+|\d+", text.lower())
    day_word = next((word for word in words if word in _DAY_WORDS), None)
    if day_word:
        return day_word
    month = next((MONTHS.index(word) + 1 for word in words if word in MONTHS), None)
    if month is None:
        figures = [int(word) for word in words if word.isdigit()]
        if len(figures) not in (2, 3) or len(figures) != len([w for w in words if w[0].isdigit()]):
            return None
        return _iso(figures[0], figures[1], figures[2] if len(figures) == 3 else None)
    return _month_and_day(month, [word for word in words if word not in MONTHS])


def is_date_value(value: str) -> bool:
    """Return whether `value` is what `read_date` returns: ISO 8601, or one of the day words."""
    if value in _DAY_WORDS:
        return True
    found = re.fullmatch(r"(?:(\d{4})-|--)(\d\d)-(\d\d)", value)
    return found is not None and value == _iso(
        int(found[2]), int(found[3]), int(found[1]) if found[1] else None
    )


def _month_and_day(month: int, words: list[str]) -> str | None:
    words = [word for word in words if word not in ("the", "of", "th", "st", "nd", "rd")]
    while words and words[0] not in _NUMBER_WORDS and not words[0].isdigit() and words[0] not in ORDINALS:
        words = words[1:]
    for size in (2, 1):
        day = _day(words[:size])
        if day is not None:
            years = [word for word in words[size:] if word in _NUMBER_WORDS or word.isdigit()]
            year = _year(years) if years else None
            if year is not None or not years:
                return _iso(month, day, year)
    return None


def _day(words: list[str]) -> int | None:
    ordinal = _ORDINAL_OF_WORDS.get(" ".join(words))
    if ordinal:
        return ordinal
    number = number_of_words(words)
    return number if number is not None and 1 <= number <= 31 else None


def _year(words: list[str]) -> int | None:
    whole = number_of_words(words)
    if whole is not None and FIRST_YEAR <= whole <= LAST_YEAR:
        return whole
    for at in range(1, len(words)):
        century, rest = number_of_words(words[:at]), number_of_words([w for w in words[at:] if w != "oh"])
        if century in (19, 20) and rest is not None and rest < 100:
            return century * 100 + rest
    return None


def _iso(month: int, day: int, year: int | None) -> str | None:
    if year is not None and not FIRST_YEAR <= year <= LAST_YEAR:
        return None
    try:
        moment = date(year if year is not None else _NO_YEAR_LEAP, month, day)
    except ValueError:
        return None
    return moment.isoformat() if year is not None else f"--{month:02d}-{day:02d}"


READERS: Mapping[str, Callable[[str], str | None]] = {
    "number": read_number,
    "age": read_age,
    "zip": read_zip,
    "money": read_money,
    "date": read_date,
}


def unusual(reader: str, value: str, text: str) -> float:
    """How unusual an answer is, 1 for each thing about it: of two that sound alike, the usual one is meant.

    A caller under 18, a date without its year, a ZIP in pairs ("eighteen one two three" is mostly "eight nine one two
    three" misheard), an amount that is not round.
    """
    match reader:
        case "age":
            return int(int(value) < _GROWN_UP_AGE)
        case "date":
            return int(value.startswith("--"))
        case "zip":
            return sum(NUMBER_OF_WORD.get(word, 0) >= 10 for word in _words(text))
        case "money":
            return _unevenness(value)
    return 0


def _unevenness(dollars: str) -> float:
    """0 for 300000 and 350000, a half for 260000 and 425000, 1 for 262000: people say round amounts."""
    figures = dollars.rstrip("0")
    if len(figures) == 1 or (len(figures) == 2 and figures.endswith("5")):
        return 0.0
    return 0.5 if len(figures) == 2 or (len(figures) == 3 and figures.endswith(("25", "75"))) else 1.0
