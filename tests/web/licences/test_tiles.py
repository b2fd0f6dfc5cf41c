"""Each state has a tile of its own, and none is darker than its count says."""

from __future__ import annotations

from rules.places import STATES
from web.licences.tiles import PLACES, SHADES, shade_of, tiles_of


def test_every_state_has_a_tile_of_its_own() -> None:
    assert set(PLACES) == set(STATES)
    assert len(set(PLACES.values())) == len(STATES) == 51
    assert max(row for row, _ in PLACES.values()) <= 8
    assert max(column for _, column in PLACES.values()) <= 11


def test_a_shade_rises_with_the_count_and_a_gap_has_none() -> None:
    assert shade_of(0, 0) == shade_of(0, 9) == 0
    for most in (1, 2, 5, 2000):
        shades = [shade_of(count, most) for count in range(1, most + 1)]
        assert shades == sorted(shades)
        assert shades[0] == 1
        assert shades[-1] == (1 if most == 1 else SHADES)
    found = {tile.code: tile for tile in tiles_of({"OH": 3, "DC": 1})}
    assert (found["OH"].shade, found["DC"].shade, found["NY"].shade) == (SHADES, 1, 0)
