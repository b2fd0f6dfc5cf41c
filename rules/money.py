"""Amounts of money: integers of millionths of a dollar, never floats. Rounded once, where a posting is made."""

from __future__ import annotations

MICROS_PER_DOLLAR = 1_000_000
MICROS_PER_CENT = 10_000

MAXIMUM_MICROS = 10**15
"""A thousand million dollars: no price, payout or balance that is typed in may be larger."""


class MoneyError(ValueError):
    """An amount that cannot be read, with the reason."""


def format_dollars(micros: int, *, sign: str = "$") -> str:
    """Write an amount for people: $45.00, -$0.125, $1,200.50. More digits than cents only where they are not zero."""
    whole, rest = divmod(abs(micros), MICROS_PER_DOLLAR)
    digits = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}{sign}{whole:,}.{digits}"


def parse_dollars(text: str) -> int:
    """Read an amount as people write it (45, 45.5, $1,200.50, -0.125) into micros.

    Raises MoneyError when it is no amount, is finer than a millionth of a dollar, or is absurdly large.
    """
    plain = text.strip()
    negative = plain.startswith("-")
    plain = plain.removeprefix("-").removeprefix("$").replace(",", "")
    whole, point, fraction = plain.partition(".")
    digits = whole + fraction
    if not digits.isascii() or not digits.isdigit() or (point and not fraction):
        raise MoneyError(f"{text!r} is not an amount like 45.00")
    if len(fraction.rstrip("0")) > 6:
        raise MoneyError(f"{text!r} is finer than a millionth of a dollar")
    if len(whole) > 12:
        raise MoneyError(f"{text!r} is too large")
    micros = int(whole or "0") * MICROS_PER_DOLLAR + int(fraction[:6].ljust(6, "0"))
    if micros > MAXIMUM_MICROS:
        raise MoneyError(f"{text!r} is too large")
    return -micros if negative else micros


def divide_half_up(numerator: int, denominator: int) -> int:
    """Divide and round to the nearest integer, halves away from zero. `denominator` is positive."""
    if denominator <= 0:
        raise ValueError("denominator must be positive")
    quotient = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -quotient if numerator < 0 else quotient


def divide_up(numerator: int, denominator: int) -> int:
    """Divide and round up: how many whole increments of `denominator` cover `numerator`. Both are not negative."""
    if denominator <= 0 or numerator < 0:
        raise ValueError("divide_up takes a numerator that is not negative and a positive denominator")
    return -(-numerator // denominator)
