"""Whatever the parties do in whatever order, nobody gains what the contracts do not give.

Hypothesis chooses the moves, and for each a seed by which it chooses. No more: what there is to choose from hangs on
what the house did, bidders who answer late under load included, and Hypothesis allows no choice that differs when it
plays the same again. Of a gain it shows the shortest play that leads there, move by move.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.adversaries.draw import Draw
from tests.adversaries.house import House
from tests.adversaries.opening import open_house
from tests.adversaries.play import ALL_MOVES, MOVES, Move, close, play
from tests.postgres import cloned_database

PLAYS, MOVES_A_PLAY = 24, 80
SEEDS = st.integers(0, 2**16 - 1)
pytestmark = pytest.mark.timeout(600)


class Play(RuleBasedStateMachine):
    """One play, on a database of its own. Its rules are the moves of all parties."""

    postgres_url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        url = self._stack.enter_context(cloned_database(self.postgres_url))
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._runner = self._stack.enter_context(asyncio.Runner())
        self._opened = open_house(url, folder)
        self._house = self._runner.run(self._opened.__aenter__())

    def make(self, move: Move, seed: int) -> None:
        self._runner.run(_awaited(move, self._house, Draw(seed)))
        assert self._house.problems == []

    def teardown(self) -> None:
        """Judge the books. The owner's deed goes by how many calls there were: Hypothesis gives no seed any more."""
        try:
            if not self._house.problems:
                draw = Draw(len(self._house.happened.calls))
                assert self._runner.run(close(self._house, draw)) == []
        finally:
            self._runner.run(self._opened.__aexit__(None, None, None))
            self._stack.close()


async def _awaited(move: Move, house: House, draw: Draw) -> None:
    await move(house, draw)


def _rule_of(move: Move) -> Callable[..., None]:
    def make(self: Play, seed: int) -> None:
        self.make(move, seed)

    make.__name__ = move.__name__
    return rule(seed=SEEDS)(make)


for _move in MOVES:
    setattr(Play, _move.__name__, _rule_of(_move))


def test_nobody_gains_whatever_hypothesis_thinks_of(postgres_url: str) -> None:
    class Here(Play):
        pass

    Here.postgres_url = postgres_url
    chosen = settings(
        max_examples=PLAYS,
        stateful_step_count=MOVES_A_PLAY,
        print_blob=True,
        # The same plays in each build: what nobody thought of is looked for by `make bench-adversaries`.
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Here, settings=chosen)


async def test_nobody_gains_while_services_are_away_too(database_url: str, tmp_path: Path) -> None:
    """Moves that start processes are few: a seed chooses them among all others."""
    async with open_house(database_url, tmp_path) as house:
        assert await play(house, Draw(7), 80, ALL_MOVES) == []
