"""How fast a prompt gives way to a voice or a key."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

from tests.bench.report import Bar, at_most, percentile, progress, told
from tests.bench.speech_line import Condition, Line
from tests.bench.speech_set import Half, load
from tests.bench.speech_station import Outcome, Station
from tests.bench.speech_work import Plan, question_of, quiet_before

PROMPT_STOP_MS, KEY_STOP_MS = 150.0, 40.0


# --- how the prompt gives way ---


async def barge_in(
    there: Station, prompts: dict[str, Path], plan: Plan, grammars: Sequence[str]
) -> list[Bar]:
    items = [
        item
        for item in load(
            Half.UNTOUCHED, grammars=grammars, conditions=(Condition.CLEAN,), with_no_answers=False
        )
        if len(item.speech) > 3200
    ]
    dice = random.Random(21)
    progress(f"{plan.barge_ins} callers talk into the prompt, as many press a key")
    voice: list[float | None] = []
    keys: list[float | None] = []

    async def one_call(count: int) -> None:
        async with there.call() as call:
            for _ in range(count):
                item = dice.choice(items)
                question = question_of(str(item.grammar), prompts["long"])
                before = Line(
                    frames=quiet_before(item, dice.uniform(0.3, 2.5)) + item.line.frames,
                    speech_started_seconds=0.0, speech_ended_seconds=0.0,
                )  # fmt: skip
                shifted = len(before.frames) - len(item.line.frames)
                started = item.line.speech_started_seconds + shifted * 0.02
                line = Line(
                    frames=before.frames, speech_started_seconds=started, speech_ended_seconds=started
                )
                voice.append(_stopped_after(await call.ask(question, line), voice=True))
                quiet = Line(
                    frames=quiet_before(item, 0.5), speech_started_seconds=0.0, speech_ended_seconds=0.0
                )
                pressed = await call.ask(question, quiet, key_after_seconds=dice.uniform(0.8, 2.0))
                keys.append(_stopped_after(pressed, voice=False))

    calls = 8
    await asyncio.gather(*(one_call(plan.barge_ins // calls) for _ in range(calls)))
    stopped = [delay for delay in voice if delay is not None]
    pressed = [delay for delay in keys if delay is not None]
    missed = 100 * (len(voice) - len(stopped)) / max(len(voice), 1)
    of_voices = f"{len(stopped)} voices of -17 to -30 dBFS; from the first sample to the prompt's last packet"
    return [
        at_most(
            "prompt stops after speech starts, median",
            percentile(stopped, 50),
            "ms",
            PROMPT_STOP_MS,
            yardstick=of_voices,
        ),
        told("prompt stops after speech starts, p95", percentile(stopped, 95), "ms", yardstick=of_voices),
        told("prompt not stopped by speech", missed, "%"),
        at_most(
            "prompt stops after a key, p95",
            percentile(pressed, 95),
            "ms",
            KEY_STOP_MS,
            yardstick=f"{len(pressed)} keys; Asterisk hands a key on when it is let go, counted from there",
        ),
    ]


def _stopped_after(outcome: Outcome, *, voice: bool) -> float | None:
    """How long the prompt went on; None when it was not stopped at all."""
    since = outcome.speech_started_ms if voice else outcome.key_sent_ms
    if outcome.heard is None or outcome.last_sound_ms is None or since is None:
        return None
    if voice and outcome.heard.speech_started_ms is None:
        return None
    return max(0.0, outcome.last_sound_ms - since)
