"""Whatever the parties do in whatever order, nobody gains what the contracts do not give.

Hypothesis chooses the moves and all that they choose; of a gain it shows the shortest play that leads there, move by
move, and prints the line that plays it again.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.adversaries.draw import HypothesisDraw, SeededDraw
from tests.adversaries.opening import open_house
from tests.adversaries.play import ALL_MOVES, MOVES, Move, close, play
from tests.postgres import cloned_database

PLAYS, MOVES_A_PLAY = 24, 80
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

    def make(self, move: Move, data: st.DataObject) -> None:
        self._runner.run(_awaited(move, self._house, HypothesisDraw(data)))
        assert self._house.problems == []

    def teardown(self) -> None:
        """Judge the books. The owner's deed goes by how many calls there were: nothing can be drawn any more."""
        try:
            if not self._house.problems:
                draw = SeededDraw(len(self._house.happened.calls))
                assert self._runner.run(close(self._house, draw)) == []
        finally:
            self._runner.run(self._opened.__aexit__(None, None, None))
            self._stack.close()


async def _awaited(move: Move, house: Any, draw: HypothesisDraw) -> None:
    await move(house, draw)


def _rule_of(move: Move) -> Callable[..., None]:
    def make(self: Play, data: st.DataObject) -> None:
        self.make(move, data)

    make.__name__ = move.__name__
    return rule(data=st.data())(make)


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
        assert await play(house, SeededDraw(7), 80, ALL_MOVES) == []
