"""Numbers as English says them, and back. Pure."""

from __future__ import annotations

_BELOW_TWENTY = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
DIGIT_WORDS = _BELOW_TWENTY[:10]

ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
    "twentieth", "twenty first", "twenty second", "twenty third", "twenty fourth", "twenty fifth",
    "twenty sixth", "twenty seventh", "twenty eighth", "twenty ninth", "thirtieth", "thirty first",
)  # fmt: skip
"""Day of the month, from 1."""

NUMBER_OF_WORD = {word: number for number, word in enumerate(_BELOW_TWENTY)} | {
    word: 10 * tens for tens, word in enumerate(_TENS) if word
}
_SCALES = ((1_000_000, "million"), (1_000, "thousand"))
LARGEST = 999_999_999


def below_hundred(number: int) -> str:
    """0 to 99 in words. Raises ValueError for another number."""
    if not 0 <= number < 100:
        raise ValueError(f"{number} is not 0 to 99")
    if number < 20:
        return _BELOW_TWENTY[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens] + (f" {_BELOW_TWENTY[ones]}" if ones else "")


def number_pieces(number: int) -> tuple[str, ...]:
    """0 to 999,999,999 in the pieces prompts are made of: (two, hundred, fifty, thousand). ValueError beyond."""
    if not 0 <= number <= LARGEST:
        raise ValueError(f"{number} is not 0 to {LARGEST}")
    pieces: tuple[str, ...] = ()
    for size, name in _SCALES:
        if number >= size:
            pieces += (*_below_thousand(number // size), name)
            number %= size
    return pieces + _below_thousand(number) if number or not pieces else pieces


def _below_thousand(number: int) -> tuple[str, ...]:
    hundreds, rest = divmod(number, 100)
    pieces = (_BELOW_TWENTY[hundreds], "hundred") if hundreds else ()
    return (*pieces, below_hundred(rest)) if rest or not hundreds else pieces


def in_words(number: int) -> str:
    """1250 -> "one thousand two hundred fifty"."""
    return " ".join(number_pieces(number))


def number_of_words(words: list[str]) -> int | None:
    """The number below a million that the words or figures say; None when they say none.

    Shorthand counts: "three fifty" is 350, "twelve hundred" 1200, "three oh five" 305.
    """
    thousands = [at for at, word in enumerate(words) if word == "thousand"]
    if len(thousands) > 1:
        return None
    if thousands:
        at = thousands[0]
        above = _group(words[:at])
        below = _group(words[at + 1 :]) if words[at + 1 :] else 0
        return above * 1000 + below if above is not None and below is not None and below < 1000 else None
    return _group(words)


def _group(words: list[str]) -> int | None:
    """Numbers of up to four figures, without the word thousand."""
    words = [word for word in words if word != "and"]
    if not words:
        return None
    if "hundred" in words:
        at = words.index("hundred")
        above = 1 if words[:at] in ([], ["a"]) else _tens(words[:at])
        below = _tens(words[at + 1 :]) if words[at + 1 :] else 0
        return above * 100 + below if above and below is not None else None
    whole = _tens(words)
    if whole is not None or len(words) < 2:
        return whole
    first, rest = _tens(words[:1]), words[1:]
    after = _tens(rest[1:]) if rest[0] in ("oh", "o", "zero") and len(rest) > 1 else _tens(rest)
    shorthand = first is not None and after is not None and 1 <= first <= 9 and after <= 99
    oh = rest[0] in ("oh", "o", "zero")
    if not shorthand or first is None or after is None or (oh != (after < 10)):
        return None
    return first * 100 + after


def _tens(words: list[str]) -> int | None:
    """0 to 99 in words, or one number in figures."""
    if len(words) == 1 and words[0].isascii() and words[0].isdigit() and len(words[0]) <= 9:
        return int(words[0])
    numbers = [NUMBER_OF_WORD.get(word) for word in words]
    match numbers:
        case [int(only)]:
            return only
        case [int(tens), int(ones)] if tens >= 20 and 1 <= ones <= 9:
            return tens + ones
    return None
