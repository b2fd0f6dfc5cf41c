"""How a move chooses: by Hypothesis, which can shrink what it finds, or by a seed, which is quick."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Draw(Protocol):
    """Chooses for a move."""

    def pick(self, choices: Sequence[T]) -> T: ...

    def number(self, least: int, most: int) -> int: ...


class SeededDraw:
    """Chooses by a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def pick(self, choices: Sequence[T]) -> T:
        return self._random.choice(choices)

    def number(self, least: int, most: int) -> int:
        return self._random.randint(least, most)


class HypothesisDraw:
    """Chooses by a test's data."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def pick(self, choices: Sequence[T]) -> T:
        return self._data.draw(st.sampled_from(list(choices)))

    def number(self, least: int, most: int) -> int:
        return self._data.draw(st.integers(least, most))
