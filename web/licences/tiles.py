"""Where each state lies in a grid of tiles, and how dark its tile is. Our own lay-out, no map's. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rules.places import STATES

# One line a row from the north, one place a column from the west.
_ROWS = """
AK .. .. .. .. .. .. .. .. .. ME
.. .. .. .. .. .. .. .. .. VT NH
WA ID MT ND MN IL WI MI NY RI MA
OR NV WY SD IA IN OH PA NJ CT ..
CA UT CO NE MO KY WV VA MD DE ..
.. AZ NM KS AR TN NC SC DC .. ..
.. .. .. OK LA MS AL GA .. .. ..
HI .. .. TX .. .. .. .. FL .. ..
"""

PLACES: Mapping[str, tuple[int, int]] = {
    code: (row, column)
    for row, line in enumerate(_ROWS.strip().splitlines(), 1)
    for column, code in enumerate(line.split(), 1)
    if code != ".."
}
"""Row and column of each state, from 1."""
assert set(PLACES) == set(STATES), "every state has one tile"

SHADES = 4
"""Beyond the gap, which has none."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A state: how many buyers may take its calls, and the shade that shows it (0: none may, a gap)."""

    code: str
    name: str
    buyers: int
    shade: int
    row: int
    column: int


def tiles_of(buyers: Mapping[str, int]) -> list[Tile]:
    """Return the tiles of all states, in the order of their names."""
    most = max(buyers.values(), default=0)
    return [
        Tile(
            code=code,
            name=name,
            buyers=buyers.get(code, 0),
            shade=shade_of(buyers.get(code, 0), most),
            row=PLACES[code][0],
            column=PLACES[code][1],
        )
        for code, name in STATES.items()
    ]


def shade_of(count: int, most: int) -> int:
    """Return 0 for none, else 1 to SHADES by the part of the most."""
    return 0 if count == 0 else 1 + (SHADES - 1) * (count - 1) // max(most - 1, 1) if most > 1 else 1
