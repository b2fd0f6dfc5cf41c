"""The beat that all callers of a process share, and how punctually their frames leave: told to whoever asks, and a
reason to take no more callers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from agi.speech.recogniser import FRAME_SECONDS

logger = logging.getLogger(__name__)

LATE_SECONDS = 0.005
GAP_SECONDS = 0.04
"""A frame this late is one a caller may miss: telephones hold two or three of them in store."""
_MOST_GAPS_SHARE = 0.03
_FEWEST_FRAMES = 50
_WINDOW_SECONDS = 1.0
"""Gaps count for this second and the one before: when they are over, callers are taken again."""
_FURTHEST_BEHIND_SECONDS = 0.2
"""A process that was held up longer goes on from now instead of sending everything at once."""


class Pace:
    """Moments are seconds of one clock."""

    def __init__(self) -> None:
        self.frames = self.late = 0
        self.worst_seconds = 0.0
        self._since = 0.0
        self._now, self._before = (0, 0), (0, 0)

    def note(self, late_seconds: float, at: float) -> None:
        """One frame left so long after its time."""
        self.frames += 1
        self.late += late_seconds > LATE_SECONDS
        self.worst_seconds = max(self.worst_seconds, late_seconds)
        if at - self._since >= _WINDOW_SECONDS:
            self._before = self._now if at - self._since < 2 * _WINDOW_SECONDS else (0, 0)
            self._now, self._since = (0, 0), at
        frames, gaps = self._now
        self._now = (frames + 1, gaps + (late_seconds > GAP_SECONDS))

    def is_lost(self, at: float) -> bool:
        """True while callers hear gaps. One more would make it worse for all."""
        if at - self._since >= 2 * _WINDOW_SECONDS:
            return False
        frames, gaps = (sum(pair) for pair in zip(self._now, self._before, strict=True))
        return frames >= _FEWEST_FRAMES and gaps > _MOST_GAPS_SHARE * frames


class Player(Protocol):
    """A caller who is to get a frame on each beat."""

    def send_frame(self) -> None: ...

    def after_frame(self) -> None:
        """Whatever the passing of 20 ms means, now that no frame waits for it."""
        ...

    def stop(self) -> None: ...


class Beat:
    """One timer for all callers, while there are any: every 20 ms first all their frames leave, then the rest is done.
    A timer each would have a frame wait for whatever else the others do.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._players: dict[Player, None] = {}
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def join(self, player: Player) -> None:
        """Its first frame leaves on the next beat: at once when nobody else is there, else within 20 ms."""
        self._players[player] = None
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._due = loop.time()
            self._timer = loop.call_at(self._due, self._strike)

    def leave(self, player: Player) -> None:
        self._players.pop(player, None)
        if not self._players and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _strike(self) -> None:
        loop, players = asyncio.get_running_loop(), list(self._players)
        due = self._due
        self._due = max(due + FRAME_SECONDS, loop.time() - _FURTHEST_BEHIND_SECONDS)
        self._timer = loop.call_at(self._due, self._strike)
        for player in players:
            self._have(player, player.send_frame)
            now = loop.time()
            self._pace.note(now - due, now)
        for player in players:
            self._have(player, player.after_frame)

    def _have(self, player: Player, act: Callable[[], None]) -> None:
        """One caller's fault ends that caller's turn and nobody else's."""
        try:
            act()
        except Exception:
            logger.exception("a caller's turn failed")
            self.leave(player)
            player.stop()
