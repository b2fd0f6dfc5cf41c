"""Frames that leave late are counted; gaps that callers hear are a reason to take no more of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from agi.speech.pace import Beat, Pace


def test_a_little_late_is_counted_and_no_reason_to_refuse() -> None:
    pace = Pace()
    for number in range(2000):
        pace.note(0.008 if number % 4 == 0 else 0.001, number * 0.02)
    assert (pace.frames, pace.late) == (2000, 500)
    assert not pace.is_lost(40.0)


def test_gaps_refuse_new_callers_until_they_are_over() -> None:
    pace = Pace()
    for number in range(100):
        pace.note(0.06, number * 0.02)
    assert pace.is_lost(2.0) and pace.worst_seconds == 0.06
    for number in range(100, 220):
        pace.note(0.0, number * 0.02)
    assert not pace.is_lost(4.4)


def test_a_process_without_callers_takes_the_next_one() -> None:
    pace = Pace()
    for number in range(100):
        pace.note(0.06, number * 0.02)
    assert not pace.is_lost(5.0)


@dataclass(eq=False)
class Noting:
    """A player that writes down what it is told to do."""

    name: str
    log: list[str]
    broken: bool = False
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def send_frame(self) -> None:
        self.log.append(f"{self.name} sends")
        if self.broken:
            raise RuntimeError("a fault of ours")

    def after_frame(self) -> None:
        self.log.append(f"{self.name} thinks")

    def stop(self) -> None:
        self.stopped.set()


async def beats(pace: Pace, frames: int) -> None:
    async with asyncio.timeout(10):
        while pace.frames < frames:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_all_frames_leave_before_anything_else_is_done() -> None:
    pace, log = Pace(), list[str]()
    beat, one, two = Beat(pace), Noting("one", log), Noting("two", log)
    beat.join(one)
    beat.join(two)
    await beats(pace, 4)
    assert log[:8] == ["one sends", "two sends", "one thinks", "two thinks"] * 2
    beat.leave(one)
    beat.leave(two)
    done = pace.frames
    await asyncio.sleep(0.06)
    assert pace.frames == done, "the beat rests while nobody listens"
    beat.join(one)
    await beats(pace, done + 2)
    beat.leave(one)


async def test_a_fault_in_one_turn_is_no_fault_of_the_others() -> None:
    pace, log = Pace(), list[str]()
    beat, good, bad = Beat(pace), Noting("good", log), Noting("bad", log, broken=True)
    beat.join(bad)
    beat.join(good)
    await beats(pace, 6)
    beat.leave(good)
    assert bad.stopped.is_set() and not good.stopped.is_set()
    assert log.count("bad sends") == 1 and log.count("good sends") >= 4
