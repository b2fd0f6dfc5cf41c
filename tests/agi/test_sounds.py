"""A prompt nobody has heard yet is rendered while a caller waits, for a moment at most."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agi.sounds import RENDERING_MAXIMUM, Sounds


async def test_a_new_text_is_rendered_once_and_left_out_meanwhile(tmp_path: Path) -> None:
    sounds = Sounds(tmp_path)
    wanted = ("Titanium",)
    assert sounds.missing(wanted) == ["Titanium"]
    await asyncio.gather(*(sounds.render(wanted, seconds=0.01) for _ in range(5)))
    assert sounds.there(wanted) == ()
    await sounds.render(wanted, seconds=60)
    assert sounds.there(wanted) == (sounds.path("Titanium"),) and sounds.missing(wanted) == []


async def test_a_busy_node_leaves_texts_out_and_an_upload_is_never_rendered(tmp_path: Path) -> None:
    sounds = Sounds(tmp_path)
    await sounds.render(["upload:music"], seconds=60)
    assert not any(tmp_path.iterdir())
    many = [f"Word {number}" for number in range(RENDERING_MAXIMUM + 3)]
    await sounds.render(many, seconds=60)
    assert 1 <= len(sounds.there(many)) <= RENDERING_MAXIMUM
