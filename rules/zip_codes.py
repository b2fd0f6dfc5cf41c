"""What a ZIP code says about where somebody lives.

The table comes from the package zipcodes (MIT; offline). Three digits name one state nearly everywhere: the table
holds those, and every whole code of the few areas that lie in several states.
"""

from __future__ import annotations

from collections.abc import Mapping

TERRITORIES = frozenset({"AS", "FM", "GU", "MH", "MP", "PR", "PW", "VI"})
"""Places with ZIP codes where nobody of the fifty states and DC lives: known, and no buyer's state."""
_MILITARY = frozenset({"AA", "AE", "AP"})
"""Post offices abroad: they say nothing about somebody's state."""


def state_of_zip(text: str, zip_codes: Mapping[str, str]) -> str | None:
    """Return the state or territory of a ZIP or ZIP+4 code; None when it is none or its state cannot be told."""
    code = text.strip()
    digits, dash, extension = code.partition("-")
    if len(digits) != 5 or not (digits.isascii() and digits.isdigit()):
        return None
    if dash and not (len(extension) == 4 and extension.isascii() and extension.isdigit()):
        return None
    return zip_codes.get(digits[:3]) or zip_codes.get(digits)


def zip_code_table() -> dict[str, str]:
    """Return the first three digits -> state, or all five -> state where three do not say it. Takes half a second."""
    import zipcodes  # noqa: PLC0415 (42,000 rows: only where the table is made)

    areas: dict[str, dict[str, str]] = {}
    for row in zipcodes.list_all():  # type: ignore[no-untyped-call]
        areas.setdefault(row["zip_code"][:3], {})[row["zip_code"]] = row["state"]
    table: dict[str, str] = {}
    for area, codes in sorted(areas.items()):
        states = set(codes.values())
        whole = {area: states.pop()} if len(states) == 1 else codes
        table |= {code: state for code, state in whole.items() if state not in _MILITARY}
    return table
