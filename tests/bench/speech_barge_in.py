"""How fast a prompt gives way to a voice or a key."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

from agi.speech.question import Outcome as Verdict
from tests.bench.report import NONE_MEASURED, Bar, at_most, percentile, progress, told
from tests.bench.speech_line import Condition, Line
from tests.bench.speech_set import Half, load
from tests.bench.speech_station import Outcome, Station
from tests.bench.speech_work import Plan, question_of, quiet_before
from tollbridge.phone.rtp import KEY_MS, PACKET_MS

PROMPT_STOP_MS, KEY_STOP_MS = 150.0, 40.0
MISSED_PERCENT = 2.0
VOICE_TOLERANCE_MS = float(PACKET_MS)
"""The prompt's last packet may have come so long before the moment it was stopped."""
KEY_TOLERANCE_MS = float(PACKET_MS + KEY_MS)
"""Keys are counted from when they are let go."""


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
                voice.append(stopped_after_ms(await call.ask(question, line), voice=True))
                quiet = Line(
                    frames=quiet_before(item, 0.5), speech_started_seconds=0.0, speech_ended_seconds=0.0
                )
                pressed = await call.ask(question, quiet, key_after_seconds=dice.uniform(0.8, 2.0))
                keys.append(stopped_after_ms(pressed, voice=False))

    calls = 8
    await asyncio.gather(*(one_call(plan.barge_ins // calls) for _ in range(calls)))
    return barge_in_bars(voice, keys)


def stopped_after_ms(outcome: Outcome, *, voice: bool) -> float | None:
    """How long the prompt went on; below 0 when it stopped before there was a reason. None: it was not stopped, or
    not by the caller.
    """
    heard = outcome.heard
    if heard is None or outcome.last_sound_ms is None:
        return None
    if (heard.speech_started_ms is None) if voice else (heard.outcome is not Verdict.KEYS):
        return None
    since = outcome.speech_started_ms if voice else outcome.key_sent_ms
    return float("-inf") if since is None else outcome.last_sound_ms - since


def barge_in_bars(voice: Sequence[float | None], keys: Sequence[float | None]) -> list[Bar]:
    """Bars on what `stopped_after_ms` says of voices and of keys. How fast counts only where there was a reason."""
    of_voice, by_voice = _by_their_reason(voice, VOICE_TOLERANCE_MS)
    of_keys, by_keys = _by_their_reason(keys, KEY_TOLERANCE_MS)
    voices = f"{len(by_voice)} voices of -17 to -30 dBFS; from the first sample to the prompt's last packet"
    pressed = f"{len(by_keys)} keys; Asterisk hands a key on when it is let go, counted from there"
    median, worse = percentile(by_voice or [NONE_MEASURED], 50), percentile(by_voice or [NONE_MEASURED], 95)
    after_key = percentile(by_keys or [NONE_MEASURED], 95)
    return [
        at_most("prompt stops after speech starts, median", median, "ms", PROMPT_STOP_MS, yardstick=voices),
        told("prompt stops after speech starts, p95", worse, "ms", yardstick=voices),
        _missed_bar("speech", voice),
        at_most(
            "prompts stopped before the caller spoke", of_voice, "", 0,
            yardstick=f"of {len(voice)}; a packet is {PACKET_MS} ms, and so much before is no fault",
        ),
        at_most("prompt stops after a key, p95", after_key, "ms", KEY_STOP_MS, yardstick=pressed),
        _missed_bar("a key", keys),
        at_most("prompts stopped before a key was pressed", of_keys, "", 0, yardstick=f"of {len(keys)}"),
    ]  # fmt: skip


def _by_their_reason(delays: Sequence[float | None], tolerance_ms: float) -> tuple[int, list[float]]:
    """How many prompts stopped for no reason, and how long the others took that stopped."""
    stopped = [delay for delay in delays if delay is not None]
    with_reason = [delay for delay in stopped if delay >= -tolerance_ms]
    return len(stopped) - len(with_reason), with_reason


def _missed_bar(what: str, delays: Sequence[float | None]) -> Bar:
    missed = sum(delay is None for delay in delays)
    percent = 100 * missed / len(delays) if delays else 100.0
    return at_most(
        f"prompt not stopped by {what}", percent, "%", MISSED_PERCENT, yardstick=f"{missed} of {len(delays)}"
    )
