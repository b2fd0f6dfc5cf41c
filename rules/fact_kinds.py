"""The kinds of fact a condition compares, and how each is written: by people in JSON, by flows in tags.

    text    "refinance"      compared without regard to case
    number  712              an integer or a decimal number
    money   "250000.00"      a text of dollars, kept as integer micros
    yes_no  true             in tags: yes, no, true, false, 1, 0
    day     "2026-11-24"     a calendar day
    time    "08:30"          a time of day, kept as minutes after midnight

Facts come from callers and publishers: what cannot be read as its kind is not known, never a fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from enum import StrEnum
from math import isfinite

from rules.money import MAXIMUM_MICROS, MoneyError, format_dollars, parse_dollars

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Value: TypeAlias = str | int | float | bool | date

MAXIMUM_TEXT_CHARACTERS = 200
MAXIMUM_NUMBER = 1e15
DAY_MINUTES = 24 * 60


class Kind(StrEnum):
    """What a fact is. Stored in conditions; never renamed."""

    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    YES_NO = "yes_no"
    DAY = "day"
    TIME = "time"


ORDERED = frozenset({Kind.NUMBER, Kind.MONEY, Kind.DAY, Kind.TIME})
"""Kinds of which one value can be less than another."""

_YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_EXAMPLES = {
    Kind.TEXT: f'a text of 1 to {MAXIMUM_TEXT_CHARACTERS} characters like "refinance"',
    Kind.NUMBER: "a number like 712",
    Kind.MONEY: 'a text of dollars like "250000.00"',
    Kind.YES_NO: "true or false",
    Kind.DAY: 'a day like "2026-11-24"',
    Kind.TIME: 'a time of day like "08:30"',
}


def read_value(kind: Kind, value: object) -> Value:
    """Read a value that an admin wrote into a condition. Raises ValueError with a reason that gives an example."""
    read = _from_json(kind, value)
    if read is None:
        raise ValueError(f"{_short(value)} is not {_EXAMPLES[kind]}")
    return read


def read_day(value: object) -> date:
    """Read a calendar day like "2026-11-24". Raises ValueError with a reason."""
    day = read_value(Kind.DAY, value)
    assert isinstance(day, date)
    return day


def read_fact(kind: Kind, text: str) -> Value | None:
    """Read a tag as `kind`; None when it is empty or no such thing. Text comes back in the form it is compared in."""
    plain = text.strip()
    if not plain or len(plain) > MAXIMUM_TEXT_CHARACTERS:
        return None
    if kind is Kind.TEXT:
        return plain.casefold()
    if kind is Kind.YES_NO:
        return _YES_NO.get(plain.lower())
    if kind is Kind.NUMBER:
        return _number_in(plain)
    return _from_json(kind, plain)


def comparable(kind: Kind, value: Value) -> Value:
    """Return the form in which a value read by `read_value` meets facts."""
    return str(value).casefold() if kind is Kind.TEXT else value


def to_json_value(kind: Kind, value: Value) -> object:
    """Return what `read_value` reads back."""
    if kind is Kind.MONEY:
        return format_dollars(int(value), sign="").replace(",", "")  # type: ignore[arg-type]
    if kind is Kind.TIME:
        return f"{int(value) // 60:02d}:{int(value) % 60:02d}"  # type: ignore[arg-type]
    return value.isoformat() if isinstance(value, date) else value


def spell(kind: Kind, value: Value) -> str:
    """Write a value for people."""
    if kind is Kind.MONEY:
        return format_dollars(int(value))  # type: ignore[arg-type]
    if kind is Kind.YES_NO:
        return "yes" if value else "no"
    return str(to_json_value(kind, value))


def minutes_of_day(text: str) -> int | None:
    """Read "HH:MM" into minutes after midnight, 24:00 included; None when it is none."""
    if not (text.isascii() and len(text) == 5 and text[2] == ":"):
        return None
    hours, minutes = text[:2], text[3:]
    if not (hours.isdigit() and minutes.isdigit()) or int(minutes) > 59:
        return None
    total = int(hours) * 60 + int(minutes)
    return total if total <= DAY_MINUTES else None


def _from_json(kind: Kind, value: object) -> Value | None:
    if kind is Kind.YES_NO:
        return value if isinstance(value, bool) else None
    if kind is Kind.NUMBER:
        return _checked_number(value)
    return _READERS[kind](value) if isinstance(value, str) else None


def _text(text: str) -> str | None:
    plain = text.strip()
    return plain if 0 < len(plain) <= MAXIMUM_TEXT_CHARACTERS and plain.isprintable() else None


def _checked_number(value: object) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isfinite(value) and abs(value) <= MAXIMUM_NUMBER else None


def _number_in(text: str) -> int | float | None:
    plain = text.replace(",", "")
    if not plain.isascii() or "_" in plain:
        return None
    try:
        return _checked_number(int(plain) if plain.lstrip("+-").isdigit() else float(plain))
    except (ValueError, OverflowError):
        return None


def _money(text: str) -> int | None:
    try:
        micros = parse_dollars(text)
    except MoneyError:
        return None
    return micros if abs(micros) <= MAXIMUM_MICROS else None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == 10 and text[7] == "-" else None
    except ValueError:
        return None


def _time(text: str) -> int | None:
    minutes = minutes_of_day(text)
    return minutes if minutes is not None and minutes < DAY_MINUTES else None


_READERS: Mapping[Kind, Callable[[str], Value | None]] = {
    Kind.TEXT: _text,
    Kind.MONEY: _money,
    Kind.DAY: _day,
    Kind.TIME: _time,
}


def _short(value: object) -> str:
    spelled = repr(value)
    return spelled if len(spelled) <= 60 else f"{spelled[:57]}…"
