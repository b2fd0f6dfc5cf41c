"""How many long answers one person, and everybody together, may have open at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from web.plain_refusal import PlainRefusal

RETRY_AFTER_SECONDS = 10


class TooManyOpen(PlainRefusal):
    """This person, or everybody together, has as many open as there may be."""

    def __init__(self, sentence: str) -> None:
        super().__init__(503, "Too many at once", sentence, retry_after_seconds=RETRY_AFTER_SECONDS)


class AtOnce:
    """Counts what is open. `what` is its name in the plural, for the sentence."""

    def __init__(self, what: str, *, each: int, together: int) -> None:
        self._what, self._each, self._together = what, each, together
        self._open: Counter[int] = Counter()

    @contextmanager
    def one_more(self, user_id: int) -> Iterator[None]:
        """Count one while the block runs. Raises TooManyOpen."""
        if self._open[user_id] >= self._each:
            raise TooManyOpen(f"You have {self._each} {self._what} open: close one and try again.")
        if self._open.total() >= self._together:
            raise TooManyOpen(f"{self._together} {self._what} are open at this moment: try again shortly.")
        self._open[user_id] += 1
        try:
            yield
        finally:
            self._open[user_id] -= 1
            if not self._open[user_id]:
                del self._open[user_id]
