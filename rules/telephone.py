"""The one reader of telephone numbers: what a carrier, a publisher, a buyer, a file or a person wrote, as E.164.

Without a plus, ten digits and eleven that begin with 1 are North American; any other number needs a plus, 00 or 011
before its country code. Carriers write words for a caller who hides the number, or the keys of a telephone on which
the word is written: +266696687 is ANONYMOUS. Such a caller has no number at all, and is not one caller.

Reading what was read gives the same again. Numbers of other countries are read by phonenumbers, which takes 50 ms to
load: it is loaded when the first of them comes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Withheld(Enum):
    """The caller hides the number."""

    WITHHELD = "withheld"


WITHHELD = Withheld.WITHHELD

LONGEST_TEXT = 40
LONGEST_E164 = 16
"""The plus and fifteen digits."""
WITHHELD_WORDS = (
    "anonymous",
    "blocked",
    "notavailable",
    "outofarea",
    "private",
    "restricted",
    "unavailable",
    "unknown",
    "withheld",
)
"""Words carriers send for a number, in small letters and without spaces."""

_KEYS = str.maketrans("abcdefghijklmnopqrstuvwxyz", "22233344455566677778889999")
_WITHHELD_DIGITS = frozenset(word.translate(_KEYS) for word in WITHHELD_WORDS)
_DECORATION = str.maketrans("", "", " -().")
_NORTH_AMERICA = re.compile(r"[2-9][0-8][0-9][2-9][0-9]{6}")
_FILLER_DIGITS = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberProblem:
    """Why a text is no telephone number, for people."""

    reason: str


class NumberError(ValueError):
    """A text that is no telephone number; str() says why, for people."""


def read_number(text: str) -> str | Withheld | NumberProblem:
    """Return a number as E.164, WITHHELD for every way of saying so, or why it is neither. Never raises."""
    plain = text.translate(_DECORATION).strip()
    if len(plain) > LONGEST_TEXT or not plain.isascii():
        return NumberProblem(reason="not a telephone number")
    if not plain or plain.lower() in WITHHELD_WORDS:
        return WITHHELD
    digits, has_country = _without_prefix(plain)
    if not digits.isdigit():
        return NumberProblem(reason="not a telephone number")
    if _says_withheld(digits) or (digits[0] == "1" and _says_withheld(digits[1:])):
        return WITHHELD
    foreign = has_country and digits[0] != "1"
    return _read_foreign(digits) if foreign else _read_north_american(digits, has_country=has_country)


def known_number(text: str) -> str | None:
    """Return a number as E.164; None when it is withheld or none."""
    read = read_number(text)
    return read if isinstance(read, str) else None


def number_or_withheld(text: str) -> str:
    """Return a number as E.164, '' when it is withheld. Raises NumberError."""
    read = read_number(text)
    if isinstance(read, NumberProblem):
        raise NumberError(read.reason)
    return read if isinstance(read, str) else ""


def area_code_of(e164: str | None) -> str | None:
    """Return the area code of a North American number as it was read; None of any other."""
    return e164[2:5] if e164 is not None and len(e164) == 12 and e164.startswith("+1") else None


def _without_prefix(plain: str) -> tuple[str, bool]:
    """Return the digits after +, 011 or 00, and whether there was such a prefix: a country code comes first then."""
    for prefix in ("+", "011", "00"):
        if plain.startswith(prefix):
            return plain[len(prefix) :], True
    return plain, False


def _says_withheld(digits: str) -> bool:
    one_digit = digits == digits[:1] * len(digits)
    return digits in _WITHHELD_DIGITS or (one_digit and (digits[:1] == "0" or len(digits) >= _FILLER_DIGITS))


def _read_north_american(digits: str, *, has_country: bool) -> str | NumberProblem:
    national = digits[1:] if digits[0] == "1" and (has_country or len(digits) == 11) else digits
    if _NORTH_AMERICA.fullmatch(national):
        return f"+1{national}"
    if len(national) == 10:
        return NumberProblem(reason="no such North American number")
    if has_country:
        return NumberProblem(reason="a North American number has ten digits after +1")
    return NumberProblem(reason="not ten digits: other countries' numbers begin with + and a country code")


def _read_foreign(digits: str) -> str | NumberProblem:
    import phonenumbers  # noqa: PLC0415 (50 ms, and few calls need it)

    written, read = f"+{digits}", ""
    # A prefix of the country's own, as in +44 (0)20, is dropped; what would be read otherwise once more is refused.
    for _ in range(2):
        try:
            number = phonenumbers.parse(written)
        except phonenumbers.NumberParseException:
            return NumberProblem(reason="no country has such a number")
        if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
            return NumberProblem(reason="too short or too long for a number of its country")
        written, read = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), written
    settled = written == read and len(written) <= LONGEST_E164
    return written if settled else NumberProblem(reason="no country has such a number")
