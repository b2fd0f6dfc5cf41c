"""Forty callers at once: whether each is answered in time and hears every frame on time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agi.fastagi import HungUp
from agi.speech.prompt_audio import read_prompt
from agi.speech.question import Outcome as Verdict
from tests.bench.report import NONE_MEASURED, Bar, at_least, at_most, percentile, progress, told
from tests.bench.speech_line import Condition, Line
from tests.bench.speech_prompts import CROWD_QUESTIONS
from tests.bench.speech_scores import RESULT_MS_WORST, Asked
from tests.bench.speech_set import Item
from tests.bench.speech_station import Station, TalkingCall
from tests.bench.speech_work import WHOLE, Measured, Plan, drawn_work, first_of, question_of, quiet_before

TALKING_AT_ONCE = 40
ON_TIME_PERCENT = 99.9


@dataclass(frozen=True, kw_only=True)
class CallUp:
    """From when to when one caller's call was up, in seconds of one clock."""

    from_seconds: float
    to_seconds: float


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """What came of the callers. `waited_ms`: from the end of speech to each result that did not come before it.
    `problems`: why questions were refused or lost. `calls`: those that got through. `ended_seconds`: when the callers
    had talked long enough.
    """

    answered: int
    waited_ms: Sequence[float]
    problems: Sequence[str]
    calls: Sequence[CallUp]
    ended_seconds: float
    frames: int
    late_frames: int
    worst_late_ms: float


async def crowd(there: Station, prompts: dict[str, Path], plan: Plan, grammars: Sequence[str]) -> list[Bar]:
    before, cpu, began = await there.speech_state(), there.speech_cpu_seconds(), time.monotonic()
    measured, calls, ends_at = Measured(), list[CallUp](), began + plan.talking_seconds
    await _talk(there, prompts, grammars, measured, calls, ends_at)
    took, used = time.monotonic() - began, there.speech_cpu_seconds() - cpu
    frames, late, worst = _pacing(before, await there.speech_state())
    seen = Crowd(
        answered=len(measured.asked),
        waited_ms=[one.waited_ms for one in measured.asked if one.waited_ms is not None],
        problems=measured.problems, calls=calls, ended_seconds=ends_at,
        frames=frames, late_frames=late, worst_late_ms=worst,
    )  # fmt: skip
    of_cpu = f"speech used {used:.1f} s of CPU in {took:.0f} s"
    memory_mb = there.speech_memory_mb()
    return [
        *crowd_bars(seen),
        told("calls a core", TALKING_AT_ONCE * took / max(used, 0.01), "", yardstick=of_cpu),
        told("memory of the speech processes", memory_mb, "MB", yardstick="PSS, recognisers included"),
    ]


def crowd_bars(seen: Crowd) -> list[Bar]:
    """Whether forty were there at once, and none of them was turned away, kept waiting or heard gaps."""
    of_calls = (
        f"{seen.answered} answers, {seen.frames} frames, {TALKING_AT_ONCE} calls on {os.cpu_count()} cores"
    )
    on_time = 100 * (1 - seen.late_frames / max(seen.frames, 1))
    refused = 100 * len(seen.problems) / max(seen.answered + len(seen.problems), 1)
    return [
        _calls_bar(seen),
        at_least(
            "prompt frames within 5 ms of their time", on_time, "%", ON_TIME_PERCENT,
            yardstick=f"{of_calls}; worst {seen.worst_late_ms:.1f} ms",
        ),
        at_most(
            "slowest answer", max(seen.waited_ms, default=NONE_MEASURED), "ms", RESULT_MS_WORST, yardstick=of_calls
        ),
        told("slow answers at 40 callers, p95", percentile(seen.waited_ms or [NONE_MEASURED], 95), "ms"),
        at_most("questions of 40 callers refused or lost", refused, "%", 0, yardstick=first_of(seen.problems)),
    ]  # fmt: skip


def _calls_bar(seen: Crowd) -> Bar:
    """Calls that were still up when the callers had talked long enough: all of them at once, and none cut off."""
    lasted = [call for call in seen.calls if call.from_seconds <= seen.ended_seconds <= call.to_seconds]
    cut_off = sum(call.to_seconds < seen.ended_seconds for call in seen.calls)
    together = seen.ended_seconds - max((call.from_seconds for call in lasted), default=seen.ended_seconds)
    return at_least(
        "calls up at once to the end", len(lasted), "", TALKING_AT_ONCE,
        yardstick=f"together for {together:.1f} s; {cut_off} cut off, "
        f"{TALKING_AT_ONCE - len(seen.calls)} never got through",
    )  # fmt: skip


async def _talk(
    there: Station,
    prompts: dict[str, Path],
    grammars: Sequence[str],
    measured: Measured,
    calls: list[CallUp],
    ends_at: float,
) -> None:
    asked = [name for name in CROWD_QUESTIONS if name in grammars]
    work = [
        pair for pair in drawn_work(asked, WHOLE) if pair[1].condition is Condition.CLEAN and pair[1].grammar
    ]
    dice = random.Random(22)

    async def one_caller() -> None:
        await asyncio.sleep(dice.uniform(0, 4))
        with contextlib.suppress(HungUp, TimeoutError):
            async with there.call() as call:
                up_at = time.monotonic()
                try:
                    while time.monotonic() < ends_at:
                        grammar, item = dice.choice(work)
                        await _ask_after_prompt(call, prompts[grammar], grammar, item, measured)
                finally:
                    calls.append(CallUp(from_seconds=up_at, to_seconds=time.monotonic()))

    progress(f"{TALKING_AT_ONCE} callers are asked ({', '.join(asked)}) and answer")
    await asyncio.gather(*(one_caller() for _ in range(TALKING_AT_ONCE)))


async def _ask_after_prompt(
    call: TalkingCall, prompt: Path, grammar: str, item: Item, measured: Measured
) -> None:
    """The caller waits for the prompt's end, as most do."""
    lead = quiet_before(item, len(read_prompt(prompt)) * 0.02)
    seconds = len(lead) * 0.02
    line = Line(
        frames=lead + item.line.frames,
        speech_started_seconds=item.line.speech_started_seconds + seconds,
        speech_ended_seconds=item.line.speech_ended_seconds + seconds,
    )
    outcome = await call.ask(question_of(grammar, prompt), line)
    if outcome.heard is None:
        measured.problems.append(outcome.problem)
        return
    if outcome.heard.outcome is Verdict.HANGUP:
        raise HungUp
    measured.asked.append(Asked(grammar=grammar, item=item, heard=outcome.heard, answer_ms=outcome.answer_ms))


def _pacing(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> tuple[int, int, float]:
    frames = sum(now["frames"] - then["frames"] for then, now in zip(before, after, strict=True))
    late = sum(now["late"] - then["late"] for then, now in zip(before, after, strict=True))
    return frames, late, max(float(now["worst_late_ms"]) for now in after)
