"""The fifty states and DC, and what a telephone number says about where its owner lives.

An area code is a hint, not an answer: people keep their number when they move. Whoever uses it marks it as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rules.telephone import area_code_of

STATES: Mapping[str, str] = {
    "AL": "Alabama",
    "AK": "Alaska",
    "AZ": "Arizona",
    "AR": "Arkansas",
    "CA": "California",
    "CO": "Colorado",
    "CT": "Connecticut",
    "DE": "Delaware",
    "DC": "District of Columbia",
    "FL": "Florida",
    "GA": "Georgia",
    "HI": "Hawaii",
    "ID": "Idaho",
    "IL": "Illinois",
    "IN": "Indiana",
    "IA": "Iowa",
    "KS": "Kansas",
    "KY": "Kentucky",
    "LA": "Louisiana",
    "ME": "Maine",
    "MD": "Maryland",
    "MA": "Massachusetts",
    "MI": "Michigan",
    "MN": "Minnesota",
    "MS": "Mississippi",
    "MO": "Missouri",
    "MT": "Montana",
    "NE": "Nebraska",
    "NV": "Nevada",
    "NH": "New Hampshire",
    "NJ": "New Jersey",
    "NM": "New Mexico",
    "NY": "New York",
    "NC": "North Carolina",
    "ND": "North Dakota",
    "OH": "Ohio",
    "OK": "Oklahoma",
    "OR": "Oregon",
    "PA": "Pennsylvania",
    "RI": "Rhode Island",
    "SC": "South Carolina",
    "SD": "South Dakota",
    "TN": "Tennessee",
    "TX": "Texas",
    "UT": "Utah",
    "VT": "Vermont",
    "VA": "Virginia",
    "WA": "Washington",
    "WV": "West Virginia",
    "WI": "Wisconsin",
    "WY": "Wyoming",
}
"""Postal code to name, in the order of the names."""

STATE_CODES: tuple[str, ...] = tuple(STATES)

# The two places phonenumbers names otherwise than the postal service does.
_GEOCODER_NAMES = {name: code for code, name in STATES.items()} | {
    "Washington D.C.": "DC",
    "Washington State": "WA",
}


def states_of_area_code(
    e164: str, area_codes: Mapping[str, tuple[str, ...]] | None = None
) -> tuple[str, ...]:
    """Return the states a number's area code belongs to; empty for toll-free, foreign and withheld numbers.

    `area_codes` is the table of `area_code_table()`, which every snapshot carries. Without it the table is made
    here, once: that takes half a second and 100 MB, so a service that answers calls passes the snapshot's.
    """
    area_code = area_code_of(e164)
    if area_code is None:
        return ()
    table = area_code_table() if area_codes is None else area_codes
    return table.get(area_code, ())


@lru_cache(maxsize=1)
def area_code_table() -> dict[str, tuple[str, ...]]:
    """Return area code -> states, from the geocoder data of the package phonenumbers (offline).

    The entry of a whole area code decides. Where the package has none, every state named by one of its exchanges
    is a candidate.
    """
    from phonenumbers.geodata import GEOCODE_DATA  # noqa: PLC0415 (100 MB: only where it is needed)

    whole: dict[str, tuple[str, ...]] = {}
    parts: dict[str, set[str]] = {}
    for prefix, names in GEOCODE_DATA.items():
        state = _state_named(names.get("en", "")) if prefix.startswith("1") and len(prefix) >= 4 else None
        if state is None:
            continue
        if len(prefix) == 4:
            whole[prefix[1:]] = (state,)
        parts.setdefault(prefix[1:4], set()).add(state)
    return {code: whole.get(code) or tuple(sorted(states)) for code, states in sorted(parts.items())}


def _state_named(description: str) -> str | None:
    """Read "Ohio" and "Columbus, OH" alike; None for a place that is not one of the 51."""
    code = _GEOCODER_NAMES.get(description) or description.rpartition(", ")[2]
    return code if code in STATES else None
