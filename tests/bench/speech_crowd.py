"""Forty callers at once: whether each is answered in time and hears every frame on time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agi.fastagi import HungUp
from agi.speech.prompt_audio import read_prompt
from tests.bench.report import Bar, at_least, at_most, percentile, progress, told
from tests.bench.speech_line import Condition, Line
from tests.bench.speech_prompts import CROWD_QUESTIONS
from tests.bench.speech_scores import RESULT_MS_WORST, Asked
from tests.bench.speech_set import Item
from tests.bench.speech_station import Station, TalkingCall
from tests.bench.speech_work import WHOLE, Measured, Plan, drawn_work, first_of, question_of, quiet_before

TALKING_AT_ONCE = 40
ON_TIME_PERCENT = 99.9


# --- forty at once ---


async def crowd(there: Station, prompts: dict[str, Path], plan: Plan, grammars: Sequence[str]) -> list[Bar]:
    asked = [name for name in CROWD_QUESTIONS if name in grammars]
    work = [
        pair for pair in drawn_work(asked, WHOLE) if pair[1].condition is Condition.CLEAN and pair[1].grammar
    ]
    measured, ends_at = Measured(), time.monotonic() + plan.talking_seconds
    before, cpu, began = await there.speech_state(), there.speech_cpu_seconds(), time.monotonic()
    dice = random.Random(22)

    async def one_caller() -> None:
        await asyncio.sleep(dice.uniform(0, 4))
        with contextlib.suppress(HungUp, TimeoutError):
            async with there.call() as call:
                while time.monotonic() < ends_at:
                    grammar, item = dice.choice(work)
                    await _ask_after_prompt(call, prompts[grammar], grammar, item, measured)

    progress(
        f"{TALKING_AT_ONCE} callers are asked ({', '.join(asked)}) and answer for {plan.talking_seconds:g} s"
    )
    await asyncio.gather(*(one_caller() for _ in range(TALKING_AT_ONCE)))
    took, used = time.monotonic() - began, there.speech_cpu_seconds() - cpu
    frames, late, worst = _pacing(before, await there.speech_state())
    answers = [one.answer_ms for one in measured.asked if one.answer_ms is not None]
    of_calls = f"{len(answers)} answers, {frames} frames, {TALKING_AT_ONCE} calls on {os.cpu_count()} cores"
    of_cpu = f"speech used {used:.1f} s of CPU in {took:.0f} s"
    refused = 100 * len(measured.problems) / max(len(answers) + len(measured.problems), 1)
    return [
        at_least(
            "prompt frames within 5 ms of their time",
            100 * (1 - late / max(frames, 1)),
            "%",
            ON_TIME_PERCENT,
            yardstick=f"{of_calls}; worst {worst:.1f} ms",
        ),
        at_most("slowest answer", max(answers, default=9e9), "ms", RESULT_MS_WORST, yardstick=of_calls),
        told("slow answers at 40 callers, p95", percentile(answers, 95), "ms"),
        told("questions refused for load", refused, "%", yardstick=first_of(measured.problems)),
        told("calls a core", TALKING_AT_ONCE * took / max(used, 0.01), "", yardstick=of_cpu),
        told(
            "memory of the speech processes",
            there.speech_memory_mb(),
            "MB",
            yardstick="PSS, recognisers included",
        ),
    ]


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
    measured.asked.append(Asked(grammar=grammar, item=item, heard=outcome.heard, answer_ms=outcome.answer_ms))


def _pacing(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> tuple[int, int, float]:
    frames = sum(now["frames"] - then["frames"] for then, now in zip(before, after, strict=True))
    late = sum(now["late"] - then["late"] for then, now in zip(before, after, strict=True))
    return frames, late, max(float(now["worst_late_ms"]) for now in after)
