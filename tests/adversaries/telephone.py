"""Asterisk as the suite plays it: what it writes of a call that rings several buyers at once, of whom one may answer.

The wall clock may be set while they talk. Asterisk writes beside each row how far it is from a clock that nobody sets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.asterisk_files import cel_line
from tests.market import TRUNK

WATCH_MS = 1_700_000_000_000
RINGS_AFTER_MS, ANSWERS_AFTER_MS = 5_000, 8_000
LEAST_CARRIER_MS = 10
"""The caller's own leg is answered so long after it came in."""
ENDS_MS = 4
"""So long after the buyer's leg the caller's ends."""
HUNG_UP, ELSEWHERE, BUSY = 16, 26, 17


@dataclass(kw_only=True)
class Line:
    """One call on the switch. Times are epoch milliseconds of a clock that nobody sets."""

    serial: int
    node: str
    start_ms: int
    caller: str
    """As the carrier wrote it."""
    dialled: str
    targets: tuple[int, ...] = ()
    """Ids of the targets that ring together, in the order of their attempts."""
    answered: int | None = None
    """The place of the one who answered."""
    set_by_ms: int = 0
    """How much the wall clock was set forward since the call began."""
    answered_at: str = ""
    """By the wall clock, as the buyer's leg notes it."""

    @property
    def linkedid(self) -> str:
        return f"{self.node}-{self.start_ms // 1000}.{self.serial}"

    @property
    def _channel(self) -> str:
        return f"PJSIP/trunk-{TRUNK}-{self.serial:08x}"

    def begins(self) -> list[str]:
        """What is written before anybody is rung."""
        told = f"dialled={self.dialled} caller={self.caller} trunk={TRUNK}"
        return [
            self._own("CHAN_START", self.start_ms),
            self._own("CALL", self.start_ms + 1, told),
            self._own("ANSWER", self.start_ms + LEAST_CARRIER_MS),
        ]

    def rings(self) -> list[str]:
        """What is written when they ring."""
        at_ms = self.start_ms + RINGS_AFTER_MS
        step = self._own("STEP", at_ms, "step=inbound-call status=SUCCESS done=1")
        return [step, *(self._leg(place, "CHAN_START", at_ms + 1) for place in range(len(self.targets)))]

    def answers(self, place: int) -> list[str]:
        """What is written when one answers: the others stop ringing."""
        self.answered, at_ms = place, self.start_ms + ANSWERS_AFTER_MS
        self.answered_at = str(at_ms + self.set_by_ms)
        others = (other for other in range(len(self.targets)) if other != place)
        taken = self._leg(place, "ANSWER", at_ms)
        return [taken, *(line for other in others for line in self._gone(other, at_ms, ELSEWHERE))]

    def ends(self, connected_ms: int) -> list[str]:
        """What is written when the call ends, so long after it was answered, if it was."""
        at_ms, cause = self.start_ms + ANSWERS_AFTER_MS + connected_ms, HUNG_UP
        if self.answered is None:
            cause, gone = BUSY, range(len(self.targets))
        else:
            gone = range(self.answered, self.answered + 1)
        status = "ANSWER" if self.answered is not None else "BUSY"
        return [
            *(line for place in gone for line in self._gone(place, at_ms, cause)),
            *([self._own("DIALEND", at_ms + 3, f"attempt=1 status={status}")] if self.targets else []),
            self._own("HANGUP", at_ms + ENDS_MS, _caused(HUNG_UP)),
            self._own("CHAN_END", at_ms + ENDS_MS),
            self._own("LINKEDID_END", at_ms + ENDS_MS),
        ]

    def carrier_ms(self, connected_ms: int) -> int:
        """How long the caller's own leg was up."""
        return ANSWERS_AFTER_MS + connected_ms + ENDS_MS - LEAST_CARRIER_MS

    def _gone(self, place: int, at_ms: int, cause: int) -> Iterator[str]:
        answered = self.answered_at if self.answered == place else ""
        told = f"attempt={place + 1} target={self.targets[place]} answered={answered}"
        yield self._leg(place, "LEG", at_ms, f"{told} ended={at_ms + self.set_by_ms} cause={cause}")
        yield self._leg(place, "HANGUP", at_ms + 2, _caused(cause))
        yield self._leg(place, "CHAN_END", at_ms + 2)

    def _own(self, event: str, at_ms: int, extra: str = "") -> str:
        return self._line(event, at_ms, self.linkedid, self._channel, extra)

    def _leg(self, place: int, event: str, at_ms: int, extra: str = "") -> str:
        uniqueid = f"{self.node}-{self.start_ms // 1000}.{self.serial + 100_000 * (place + 1)}"
        channel = f"PJSIP/target-{self.targets[place]}-{self.serial:08x}"
        return self._line(event, at_ms, uniqueid, channel, extra)

    def _line(self, event: str, at_ms: int, uniqueid: str, channel: str, extra: str) -> str:
        line = cel_line(event, at_ms + self.set_by_ms, uniqueid, self.linkedid, channel, extra)
        return f'{line.rstrip()},"1 {WATCH_MS + self.set_by_ms}"\n'


def _caused(cause: int) -> str:
    return f'{{"hangupcause":{cause},"hangupsource":"","dialstatus":""}}'
