"""One finished call as its witnesses tell it: what settlement judges. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

ALARM_ABOVE_MS = 1000
"""Two witnesses of one leg that differ by more than this: the clock stepped, or rows are missing (FACTS 2)."""


class Witness(StrEnum):
    """What the length of a leg stands on, best first."""

    LEG = "leg"
    """The buyer leg's own hangup handler."""
    CHANNEL = "channel"
    """ANSWER and HANGUP of the buyer's channel: the handler did not run."""
    LAST_WITNESS = "last_witness"
    """Asterisk died in the call: the last moment anything of it was seen."""


STEP_ABOVE_MS = 50
"""The wall clock was set when it moved more than this against the clock that nobody sets; less is their reading."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """By how much the wall clock was set between two moments: forward, or back when it is negative."""

    moved_ms: int = 0
    # It was set while nobody watched: whether before, between or after the two moments is not known.
    unseen: bool = False

    def taken_from(self, by_wall_ms: int) -> int:
        """Return how long it truly was between two moments that are so far apart by the wall clock."""
        return by_wall_ms - self.moved_ms if abs(self.moved_ms) > STEP_ABOVE_MS else by_wall_ms

    @property
    def alarm(self) -> bool:
        return self.unseen or abs(self.moved_ms) > STEP_ABOVE_MS


NO_STEP = Step()


class Outcome(StrEnum):
    """How a call ended, for people."""

    SOLD = "sold"
    TRANSFERRED = "transferred"
    """To a fixed number of the flow: nobody bought it."""
    NOT_ANSWERED = "not_answered"
    NO_BUYER = "no_buyer"
    ABANDONED = "abandoned"
    UNKNOWN_NUMBER = "unknown_number"


@dataclass(frozen=True, kw_only=True)
class LegRecord:
    """One dialled buyer. Times are epoch milliseconds; `answered_ms` is None when nobody answered."""

    attempt: int
    target_id: int | None
    answered_ms: int | None
    ended_ms: int
    cause: int | None
    witness: Witness
    # The same length by the channel's ANSWER and HANGUP, where both are there.
    channel_connected_ms: int | None = None
    # The buyer hung up so soon that the call went on to the next one.
    dropped: bool = False
    # How the wall clock was set while they talked.
    step: Step = NO_STEP

    @property
    def connected_ms(self) -> int:
        """Milliseconds to bill by: how long it truly was, whatever the wall clock said. Never negative."""
        return max(0, self._talked_ms)

    @property
    def _talked_ms(self) -> int:
        return 0 if self.answered_ms is None else self.step.taken_from(self.ended_ms - self.answered_ms)

    @property
    def disagreement_ms(self) -> int | None:
        """How far the second witness is from the first; None when there is no second."""
        if self.witness is not Witness.LEG or self.channel_connected_ms is None:
            return None
        return abs(self._talked_ms - self.channel_connected_ms)

    @property
    def alarm(self) -> bool:
        """Whether a person should look at this leg before the buyer does."""
        return self._talked_ms < 0 or self.step.alarm or (self.disagreement_ms or 0) > ALARM_ABOVE_MS


@dataclass(frozen=True, kw_only=True)
class CallRecord:
    """A call whose last row is in. Times are epoch milliseconds. Text is as the dialplan filtered it."""

    linkedid: str
    started_ms: int
    ended_ms: int
    # When the caller's own leg was answered; None when it never was.
    answered_ms: int | None = None
    dialled: str = ""
    caller: str | None = None
    trunk_name: str | None = None
    legs: tuple[LegRecord, ...] = ()
    # DIALSTATUS by attempt; an attempt during which the caller hung up has none.
    dial_statuses: Mapping[int, str] = field(default_factory=dict)
    # Somebody talked to the caller at a fixed number of the flow.
    transferred: bool = False
    # False when Asterisk died and the call was closed from its last witness.
    complete: bool = True
    # How the wall clock was set since the caller's own leg was answered, and since the call began.
    step: Step = NO_STEP
    whole_step: Step = NO_STEP

    @property
    def total_ms(self) -> int:
        """How long the whole call took."""
        return max(0, self.whole_step.taken_from(self.ended_ms - self.started_ms))

    @property
    def carrier_ms(self) -> int | None:
        """What the carrier counts: the inbound leg from its answer on. None when it was never answered."""
        if self.answered_ms is None:
            return None
        return max(0, self.step.taken_from(self.ended_ms - self.answered_ms))

    @property
    def sold_leg(self) -> LegRecord | None:
        """The answered leg that bills first; None when nobody answered."""
        return next(iter(self.payable_legs), None)

    @cached_property
    def payable_legs(self) -> tuple[LegRecord, ...]:
        """The answered legs in the order in which their terms are looked at: the first that converts is billed.

        The longest goes first, the earliest of equals; those whose buyer dropped the call come after all others.
        """
        answered = (leg for leg in self.legs if leg.answered_ms is not None)
        return tuple(sorted(answered, key=lambda leg: (leg.dropped, -leg.connected_ms, leg.attempt)))


def outcome_of(record: CallRecord, *, number_known: bool, found_nobody: bool) -> Outcome:
    """Return how the call ended. `found_nobody`: the last decision about it chose no target."""
    if not number_known:
        return Outcome.UNKNOWN_NUMBER
    if record.sold_leg is not None:
        return Outcome.SOLD
    if record.transferred:
        return Outcome.TRANSFERRED
    rung = max((*(leg.attempt for leg in record.legs), *record.dial_statuses), default=None)
    if rung is not None:
        hung_up_while_ringing = rung not in record.dial_statuses and not found_nobody
        return Outcome.ABANDONED if hung_up_while_ringing else Outcome.NOT_ANSWERED
    return Outcome.NO_BUYER if found_nobody else Outcome.ABANDONED


def evidence_of(record: CallRecord, leg: LegRecord | None) -> dict[str, Any]:
    """Return what the length of the call's billed leg stands on, as JSON for its page."""
    evidence: dict[str, Any] = {
        "complete": record.complete,
        "witness": leg.witness.value if leg else None,
        "alarm": any(each.alarm for each in record.legs),
        # What the carrier counts: the inbound leg.
        "carrier_ms": record.carrier_ms,
    }
    dropped = [each.attempt for each in record.legs if each.dropped]
    if dropped:
        evidence["dropped_attempts"] = dropped
    for name, step in (("clock", record.whole_step), ("leg_clock", leg.step if leg else NO_STEP)):
        if step.moved_ms and step.alarm:
            evidence[f"{name}_stepped_ms"] = step.moved_ms
        if step.unseen:
            evidence[f"{name}_step_unseen"] = True
    if leg is not None:
        evidence |= {
            "attempt": leg.attempt,
            "answered_ms": leg.answered_ms,
            "ended_ms": leg.ended_ms,
            "channel_connected_ms": leg.channel_connected_ms,
            "disagreement_ms": leg.disagreement_ms,
        }
    return evidence
