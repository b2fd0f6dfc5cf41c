"""The collector leaves calls in peace, and goes on working."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from router.collector import NEW_OBJECTS, leave_calls_in_peace


@pytest.fixture(autouse=True)
def collector_as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


class Knot:
    """Holds itself: only the collector frees it."""

    def __init__(self) -> None:
        self.self = self


def test_what_stands_is_not_looked_through_again() -> None:
    market = Knot()

    leave_calls_in_peace()

    assert gc.get_freeze_count() > 0
    assert not any(thing is market for thing in gc.get_objects())


def test_what_is_thrown_away_later_is_found_all_the_same() -> None:
    leave_calls_in_peace()
    knot = weakref.ref(Knot())

    kept = [[] for _ in range(3 * NEW_OBJECTS)]  # type: ignore[var-annotated]

    assert knot() is None, f"still there after {len(kept)} new objects"
