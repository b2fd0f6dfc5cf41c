"""Telephone numbers as they are shown to who may not have them whole. Pure."""

from __future__ import annotations

HIDDEN = "•"
_NANP_DIGITS = 11
_LAST_SHOWN = 2


def masked_number(number: str | None) -> str | None:
    """Return a number with its area code and last two digits only: +1 614 ••• ••23.

    What is no North American number keeps its last two digits. None (withheld) stays None.
    """
    if number is None:
        return None
    digits = [character for character in number if character.isascii() and character.isdigit()]
    last = "".join(digits[-_LAST_SHOWN:]) if len(digits) > 2 * _LAST_SHOWN else HIDDEN * _LAST_SHOWN
    if len(digits) == _NANP_DIGITS and digits[0] == "1":
        return f"+1 {''.join(digits[1:4])} {HIDDEN * 3} {HIDDEN * 2}{last}"
    return f"{HIDDEN * 4}{last}"
