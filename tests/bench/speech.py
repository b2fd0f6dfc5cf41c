"""`make bench-speech`: the untouched half of the test set as real RTP through real calls (QUICK=1: a little of it).

Measured: what is understood of it, how soon after the caller's last word, how fast the prompt gives way to a voice or
a key, and whether forty callers at once still hear every frame on time. `MODEL=folder` measures a Vosk model instead
of the embedded engine. Voices are synthetic: real people are harder, and the bars say nothing of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agi.fastagi import HungUp
from agi.speech.client import SpeechUnavailable
from agi.speech.prompt_audio import read_prompt
from agi.speech.question import Question
from tests.bench.report import Bar, at_least, at_most, finish, percentile, progress, told
from tests.bench.speech_intelligible import unintelligible_voices
from tests.bench.speech_line import Condition, Line
from tests.bench.speech_phrases import ANSWERS
from tests.bench.speech_prompts import CROWD_QUESTIONS, bench_prompts
from tests.bench.speech_scores import RESULT_MS_WORST, Asked, bars_of, tell_endings
from tests.bench.speech_set import Half, Item, load
from tests.bench.speech_station import Outcome, Station, TalkingCall, station
from tollbridge.settings import Settings

CALLS_AT_ONCE = 12
TALKING_AT_ONCE = 40
ITEMS_A_CALL = 40
MOST_BROKEN_OFF = 50
BEYOND_SHARE = 0.5  # of the utterances are said on a line worse than the bars speak of, too
NO_ANSWER_QUESTIONS = 2  # each sentence that answers nothing is said to so many
PROMPT_STOP_MS, KEY_STOP_MS = 150.0, 40.0
ON_TIME_PERCENT = 99.9
LATE_MS = 5


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is measured: one utterance in `every` of the untouched half, and so on."""

    every: int
    barge_ins: int
    talking_seconds: float


WHOLE = Plan(every=1, barge_ins=120, talking_seconds=45)
"""Of credit's 94 utterances every second one told 87 % right, three times alike, and all of them 94 %."""
QUICK = Plan(every=24, barge_ins=16, talking_seconds=12)


@dataclass(kw_only=True)
class Measured:
    asked: list[Asked] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    broken_off: int = 0


async def measure(folder: Path, plan: Plan, model: Path | None) -> list[Bar]:
    """Start the station, run everything, return the bars."""
    prompts = bench_prompts(Settings().cache_dir / "prompts", folder)
    async with station(folder, engine="vosk" if model else "moonshine", model=model) as there:
        # The telephones are other machines' work in life: they give way to what is measured.
        os.nice(5)
        state = (await there.speech_state())[0]
        engine = str(state["engine"])
        grammars = await _grammars(there, prompts)
        progress(f"engine {engine}, {there.speech_memory_mb():.0f} MB, grammars {', '.join(grammars)}")
        bars = await _barge_in(there, prompts, plan, grammars)
        bars += await _understanding(there, prompts, plan, grammars, engine)
        return bars + await _crowd(there, prompts, plan, grammars)


# --- what is understood ---


async def _understanding(
    there: Station, prompts: dict[str, Path], plan: Plan, grammars: Sequence[str], engine: str
) -> list[Bar]:
    work = _work(grammars, plan)
    for _, item in work:
        assert item.line  # made now: while calls are up it would hold up their packets
    progress(f"{len(work)} questions, {CALLS_AT_ONCE} calls at once")
    measured = Measured()
    began, cpu = time.monotonic(), there.speech_cpu_seconds()
    await _in_parallel(there, prompts["short"], work, CALLS_AT_ONCE, measured)
    audio_seconds = sum(len(one.item.line.frames) * 0.02 for one in measured.asked)
    took, used = time.monotonic() - began, there.speech_cpu_seconds() - cpu
    tell_endings(measured.asked)
    progress(f"{len(measured.asked)} answers in {took:.0f} s; refused or lost: {len(measured.problems)}")
    return [
        *bars_of(measured.asked, engine, unintelligible_voices()),
        told("CPU of speech per second of a caller's audio", used / max(audio_seconds, 1), "s"),
        at_most(
            "questions refused or lost", len(measured.problems), "", 0, yardstick=_first(measured.problems)
        ),
    ]


def _work(grammars: Sequence[str], plan: Plan) -> list[tuple[str, Item]]:
    """Every utterance clean, in one of the other conditions of the bars, and half of them in one beyond; by seed."""
    dice = random.Random(20)
    work: list[tuple[str, Item]] = []
    others = [Condition.NOISE_20_DB, Condition.LOSS_1, Condition.LOSS_3]
    beyond = [Condition.NOISE_10_DB, Condition.NOISE_5_DB, Condition.LEADING_SILENCE, Condition.OVER_TALK]
    last, wanted = "", set[Condition]()
    for item in load(Half.UNTOUCHED, grammars=grammars):
        if f"{item.voice}|{item.phrase}" != last:
            last = f"{item.voice}|{item.phrase}"
            wanted = {Condition.CLEAN, dice.choice(others)}
            if dice.random() < BEYOND_SHARE:
                wanted.add(dice.choice(beyond))
            if dice.randrange(plan.every):
                wanted = set()
        if item.condition not in wanted:
            continue
        asked = (
            [item.grammar]
            if item.grammar
            else dice.sample(list(grammars), min(NO_ANSWER_QUESTIONS, len(grammars)))
        )
        work += [(grammar, item) for grammar in asked]
    dice.shuffle(work)
    return work


async def _in_parallel(
    there: Station, prompt: Path, work: Sequence[tuple[str, Item]], calls: int, measured: Measured
) -> None:
    queue = list(reversed(work))
    total = len(queue)

    async def one_line() -> None:
        while queue:
            with contextlib.suppress(HungUp, TimeoutError):
                async with there.call() as call:
                    await _ask_many(call, prompt, queue, measured, total)

    await asyncio.gather(*(one_line() for _ in range(calls)))


async def _ask_many(
    call: TalkingCall, prompt: Path, queue: list[tuple[str, Item]], measured: Measured, total: int
) -> None:
    """Until the call has had its share. What a call breaks off with is asked again on another."""
    for _ in range(ITEMS_A_CALL):
        if not queue:
            return
        one = queue.pop()
        try:
            await _ask_one(call, prompt, *one, measured)
        except HungUp:
            measured.broken_off += 1
            if measured.broken_off < MOST_BROKEN_OFF:
                queue.append(one)
            raise
        _tell_progress(total - len(queue), total)


def _tell_progress(done: int, total: int) -> None:
    if done % 100 == 0:
        progress(f"  {done} of {total}")


async def _ask_one(call: TalkingCall, prompt: Path, grammar: str, item: Item, measured: Measured) -> None:
    outcome = await call.ask(_question(grammar, prompt), item.line)
    if outcome.heard is None:
        measured.problems.append(outcome.problem)
        return
    answer_ms = None if item.grammar is None else outcome.answer_ms
    measured.asked.append(Asked(grammar=grammar, item=item, heard=outcome.heard, answer_ms=answer_ms))


def _question(grammar: str, prompt: Path, **changes: Any) -> Question:
    values: dict[str, Any] = {
        "grammar": grammar, "prompts": (prompt,), "silence_seconds": 4.0, "maximum_seconds": 25.0, "keys_maximum": 1,
    }  # fmt: skip
    return Question(**{**values, **changes})


# --- how the prompt gives way ---


async def _barge_in(
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
                question = _question(str(item.grammar), prompts["long"])
                before = Line(
                    frames=_pause(item, dice.uniform(0.3, 2.5)) + item.line.frames,
                    speech_started_seconds=0.0, speech_ended_seconds=0.0,
                )  # fmt: skip
                shifted = len(before.frames) - len(item.line.frames)
                started = item.line.speech_started_seconds + shifted * 0.02
                line = Line(
                    frames=before.frames, speech_started_seconds=started, speech_ended_seconds=started
                )
                voice.append(_stopped_after(await call.ask(question, line), voice=True))
                quiet = Line(frames=_pause(item, 0.5), speech_started_seconds=0.0, speech_ended_seconds=0.0)
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


def _pause(item: Item, seconds: float) -> tuple[bytes | None, ...]:
    """A quiet line before the item's own: its first half second, again and again."""
    frames = item.line.frames[:25]
    return tuple(frames[number % 25] for number in range(int(seconds * 50)))


def _stopped_after(outcome: Outcome, *, voice: bool) -> float | None:
    """How long the prompt went on; None when it was not stopped at all."""
    since = outcome.speech_started_ms if voice else outcome.key_sent_ms
    if outcome.heard is None or outcome.last_sound_ms is None or since is None:
        return None
    if voice and outcome.heard.speech_started_ms is None:
        return None
    return max(0.0, outcome.last_sound_ms - since)


# --- forty at once ---


async def _crowd(there: Station, prompts: dict[str, Path], plan: Plan, grammars: Sequence[str]) -> list[Bar]:
    asked = [name for name in CROWD_QUESTIONS if name in grammars]
    work = [pair for pair in _work(asked, WHOLE) if pair[1].condition is Condition.CLEAN and pair[1].grammar]
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
        told("questions refused for load", refused, "%", yardstick=_first(measured.problems)),
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
    lead = _pause(item, len(read_prompt(prompt)) * 0.02)
    seconds = len(lead) * 0.02
    line = Line(
        frames=lead + item.line.frames,
        speech_started_seconds=item.line.speech_started_seconds + seconds,
        speech_ended_seconds=item.line.speech_ended_seconds + seconds,
    )
    outcome = await call.ask(_question(grammar, prompt), line)
    if outcome.heard is None:
        measured.problems.append(outcome.problem)
        return
    measured.asked.append(Asked(grammar=grammar, item=item, heard=outcome.heard, answer_ms=outcome.answer_ms))


def _pacing(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> tuple[int, int, float]:
    frames = sum(now["frames"] - then["frames"] for then, now in zip(before, after, strict=True))
    late = sum(now["late"] - then["late"] for then, now in zip(before, after, strict=True))
    return frames, late, max(float(now["worst_late_ms"]) for now in after)


# --- what all of them need ---


async def _grammars(there: Station, prompts: dict[str, Path]) -> list[str]:
    """The grammars the engine takes questions for."""
    taken = []
    for name in ANSWERS:
        try:
            async with there.client.open(_question(name, prompts["short"])):
                taken.append(name)
        except SpeechUnavailable as error:
            progress(f"{name} is not measured: {error}")
    return taken


def _first(problems: Sequence[str]) -> str:
    return problems[0] if problems else ""


def main() -> int:
    plan = QUICK if os.environ.get("QUICK") else WHOLE
    model = Path(os.environ["MODEL"]) if os.environ.get("MODEL") else None
    # PostgreSQL runs as a user of its own when we are root: the folder must be open to it.
    with tempfile.TemporaryDirectory(prefix="tbbench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        return finish("speech", asyncio.run(measure(folder, plan, model)))


if __name__ == "__main__":
    sys.exit(main())
