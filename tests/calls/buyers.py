"""The buyers of call tests: what each SIPp scenario does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tollbridge.phone import sipp_buyer

SCENARIOS = Path(__file__).parent / "sipp"


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """A scenario file and the values that go into it."""

    scenario: Path
    values: Mapping[str, str] = field(default_factory=dict)


def answers(*, ring_ms: int = 200) -> Behaviour:
    """Rings, answers, talks until the other side hangs up."""
    return Behaviour(scenario=sipp_buyer.SCENARIOS / "answer.xml", values={"RING_MS": str(ring_ms)})


def refuses(status: int, reason: str) -> Behaviour:
    """Refuses every call."""
    return Behaviour(
        scenario=sipp_buyer.SCENARIOS / "refuse.xml", values={"STATUS": str(status), "REASON": reason}
    )


def hangs_up_first(*, talk_ms: int = 2500, ring_ms: int = 200) -> Behaviour:
    """Answers, and hangs up after `talk_ms`."""
    return Behaviour(
        scenario=SCENARIOS / "hangs_up_first.xml", values={"RING_MS": str(ring_ms), "TALK_MS": str(talk_ms)}
    )


def presses(keys: str, *, after_ms: int, ring_ms: int = 200) -> Behaviour:
    """Answers, presses keys after `after_ms`, talks until the other side hangs up."""
    values = {"RING_MS": str(ring_ms), "PRESS_MS": str(after_ms), "KEYS": keys}
    return Behaviour(scenario=SCENARIOS / "presses.xml", values=values)


def never_answers() -> Behaviour:
    """Rings for ever."""
    return Behaviour(scenario=SCENARIOS / "no_answer.xml")


def answers_as_cancel_comes() -> Behaviour:
    """Its 200 crosses our CANCEL on the way."""
    return Behaviour(scenario=SCENARIOS / "answer_crosses_cancel.xml")
