"""Telephone numbers as they are shown to who may not have them whole. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "•"
_NANP_DIGITS = 11
_LAST_SHOWN = 2
_AREA_DIGITS = 4
"""A country code of one digit and an area code."""
# What people, and programs that copy for them, put between a number's digits.
_BETWEEN = r"[ .\-/·_\u00a0\u2007\u2009-\u2015\u202f\u2060]{0,3}"
# A North American number as people and machines write it, or any number with its country; each part is bounded.
_NUMBER = re.compile(
    rf"(?<![\w.+])(?:(?:\+?1{_BETWEEN})?\(?[2-9]\d{{2}}\)?{_BETWEEN}\d{{3}}{_BETWEEN}\d{{2}}{_BETWEEN}\d{{2}}"
    rf"|\+\d(?:{_BETWEEN}\d){{7,14}})(?!\w)",
    re.ASCII,
)


def is_telling(number: str) -> bool:
    """Say whether a number, or how numbers begin, names more of a caller than the mask shows: all but area codes."""
    return sum(character.isdigit() for character in number) > _AREA_DIGITS


def masked_number(number: str | None) -> str | None:
    """Return a number with its area code and last two digits only: +1 614 ••• ••23.

    What is no North American number keeps its last two digits. None (withheld) stays None,
    and what is masked already stays as it is.
    """
    if number is None or HIDDEN in number:
        return number
    digits = [character for character in number if character.isascii() and character.isdigit()]
    last = "".join(digits[-_LAST_SHOWN:]) if len(digits) > 2 * _LAST_SHOWN else HIDDEN * _LAST_SHOWN
    if len(digits) == _NANP_DIGITS and digits[0] == "1":
        return f"+1 {''.join(digits[1:4])} {HIDDEN * 3} {HIDDEN * 2}{last}"
    return f"{HIDDEN * 4}{last}"


def without_numbers(value: Any) -> Any:
    """Return JSON, or a text, in which every telephone number is masked. Names of fields stay as they are."""
    if isinstance(value, str):
        return _NUMBER.sub(lambda found: _masked_text(found[0]), value)
    if isinstance(value, Mapping):
        return {name: without_numbers(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(without_numbers(inner) for inner in value)
    return value


def _masked_text(number: str) -> str:
    digits = "".join(character for character in number if character.isdigit())
    national = not number.startswith("+") and len(digits) == _NANP_DIGITS - 1
    return masked_number(f"1{digits}" if national else digits) or ""
