"""How a prompt reads a value back, in pieces of a finite set that can be rendered before any call. Pure."""

from __future__ import annotations

from ivr_flows.answer_readers import FIRST_YEAR, LAST_YEAR, MONTHS
from ivr_flows.grammar import Grammar
from ivr_flows.number_words import DIGIT_WORDS, ORDINALS, below_hundred, number_pieces

_BELOW_HUNDRED = frozenset(below_hundred(number) for number in range(100))
_NUMBERS = _BELOW_HUNDRED | {"hundred", "thousand"}
_DAYS = ("today", "tomorrow", "yesterday")
_YEARS = ("nineteen", "twenty", "oh", "hundred", "two thousand")

_COMMANDS = {
    "operator": "a person", "repeat": "repeat", "stop_calling": "stop calling", "do_not_record": "do not record",
}  # fmt: skip


def pieces_of(grammar: Grammar, value: str) -> tuple[str, ...]:
    """Raises KeyError for a value the grammar does not hold."""
    if value in grammar.spoken:
        return (grammar.spoken[value],)
    if value in grammar.commands:
        return (_COMMANDS[value],)
    if not grammar.is_open or not grammar.holds(value):
        raise KeyError(value)
    match grammar.reader:
        case "zip":
            return tuple(DIGIT_WORDS[int(figure)] for figure in value)
        case "money":
            return (*number_pieces(int(value)), "dollars")
        case "date":
            return _date_pieces(value)
    return number_pieces(int(value))


def all_pieces_of(grammar: Grammar) -> frozenset[str]:
    """Every piece that `pieces_of` can return for a value (commands are not read back)."""
    match grammar.reader:
        case None:
            return frozenset(grammar.spoken[value] for value in grammar.values)
        case "zip":
            return frozenset(DIGIT_WORDS)
        case "money":
            return _NUMBERS | {"million", "dollars"}
        case "date":
            months = (month.capitalize() for month in MONTHS)
            return _BELOW_HUNDRED | {*months, *ORDINALS, *_DAYS, *_YEARS}
    return _NUMBERS


def _date_pieces(value: str) -> tuple[str, ...]:
    if value in _DAYS:
        return (value,)
    year, month, day = value.rsplit("-", 2)
    said = (MONTHS[int(month) - 1].capitalize(), ORDINALS[int(day) - 1])
    return said if year == "-" else (*said, *_year_pieces(int(year)))


def _year_pieces(year: int) -> tuple[str, ...]:
    assert FIRST_YEAR <= year <= LAST_YEAR
    century, rest = divmod(year, 100)
    if century == 20 and rest < 10:
        return ("two thousand", below_hundred(rest)) if rest else ("two thousand",)
    if rest == 0:
        return (below_hundred(century), "hundred")
    return (below_hundred(century), below_hundred(rest)) if rest >= 10 else (
        below_hundred(century), "oh", below_hundred(rest),
    )  # fmt: skip
