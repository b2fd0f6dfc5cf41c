"""`make bench-adversaries SEED=n`: the parties of a market try to gain in 20,000 moves, and none may."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import click

from tests.adversaries.draw import Draw
from tests.adversaries.opening import open_house
from tests.adversaries.play import ALL_MOVES, play
from tests.bench.report import at_most, finish, progress, told
from tests.postgres import cloned_database, server_for_tests

MOVES_A_PLAY = 300


@dataclass(kw_only=True)
class Played:
    """What came of the plays so far."""

    moves: int = 0
    calls: int = 0
    gains: list[str] = field(default_factory=list)


@click.command()
@click.option("--moves", default=20_000, show_default=True, type=click.IntRange(1, 10_000_000))
@click.option("--seed", default=0, help="0: a new one.")
def main(moves: int, seed: int) -> None:
    """Play; exit status 1 when somebody gained; each gain is shown when it happens."""
    seed = seed or random.SystemRandom().randrange(1, 10**9)
    logging.disable(logging.ERROR)  # of what is refused the house warns, and the parties try it all the time
    progress(f"seed {seed}, {moves} moves, {MOVES_A_PLAY} a play")
    began, played = time.monotonic(), Played()
    with server_for_tests(in_memory=True) as server_url:
        while played.moves < moves:
            number = played.moves // MOVES_A_PLAY
            with cloned_database(server_url) as url, tempfile.TemporaryDirectory() as folder:
                most = min(MOVES_A_PLAY, moves - played.moves)
                asyncio.run(_play(url, Path(folder), f"{seed}/{number}", most, played))
            left = (time.monotonic() - began) / played.moves * (moves - played.moves)
            progress(
                f"{played.moves} moves, {played.calls} calls, {len(played.gains)} gains, {left:.0f} s left"
            )
    took = time.monotonic() - began
    sys.exit(
        finish(
            "adversaries",
            [
                at_most("gains", len(played.gains), "gains", 0, yardstick=f"seed {seed}"),
                told("moves", played.moves, "moves"),
                told("calls", played.calls, "calls"),
                told("took", took, "s"),
            ],
        )
    )


async def _play(url: str, folder: Path, seed: str, moves: int, played: Played) -> None:
    async with open_house(url, folder) as house:
        gains = await play(house, Draw(seed), moves, ALL_MOVES)
        for gain in gains:
            progress(f"play {seed}: {gain}")
        played.gains += gains
        played.moves += moves
        played.calls += len(house.happened.calls)


if __name__ == "__main__":
    main()
