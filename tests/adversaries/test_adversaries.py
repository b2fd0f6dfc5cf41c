"""Whatever the parties do in whatever order, nobody gains what the contracts do not give."""

from __future__ import annotations

from pathlib import Path

from tests.adversaries.draw import SeededDraw
from tests.adversaries.opening import open_house
from tests.adversaries.play import play


async def test_nobody_gains(database_url: str, tmp_path: Path) -> None:
    async with open_house(database_url, tmp_path) as house:
        assert await play(house, SeededDraw(1), 200) == []
