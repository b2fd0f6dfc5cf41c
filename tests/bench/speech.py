"""`make bench-speech`: the untouched half of the test set as real RTP through real calls (QUICK=1: a little of it).

Measured: what is understood of it, how soon after the caller's last word, how fast the prompt gives way to a voice or
a key, and whether forty callers at once still hear every frame on time. `MODEL=folder` measures a Vosk model instead
of the embedded engine. Voices are synthetic: real people are harder, and the bars say nothing of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from agi.fastagi import HungUp
from agi.speech.client import SpeechUnavailable
from agi.speech.vosk_model import is_vosk_model
from tests.bench.report import Bar, at_most, finish, progress, told
from tests.bench.speech_barge_in import barge_in
from tests.bench.speech_crowd import crowd
from tests.bench.speech_intelligible import unintelligible_voices
from tests.bench.speech_phrases import ANSWERS
from tests.bench.speech_prompts import bench_prompts
from tests.bench.speech_scores import Asked, bars_of, tell_endings
from tests.bench.speech_set import Item
from tests.bench.speech_station import Station, TalkingCall, station
from tests.bench.speech_work import QUICK, WHOLE, Measured, Plan, drawn_work, first_of, question_of
from tollbridge.settings import Settings

CALLS_AT_ONCE = 12
ITEMS_A_CALL = 40
MOST_BROKEN_OFF = 50


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
        bars = await barge_in(there, prompts, plan, grammars)
        bars += await _understanding(there, prompts, plan, grammars, engine)
        return bars + await crowd(there, prompts, plan, grammars)


async def _understanding(
    there: Station, prompts: dict[str, Path], plan: Plan, grammars: Sequence[str], engine: str
) -> list[Bar]:
    work = drawn_work(grammars, plan)
    for _, item in work:
        assert item.line  # made now: while calls are up it would hold up their packets
    progress(f"{len(work)} questions, {CALLS_AT_ONCE} calls at once")
    measured = Measured()
    began, cpu = time.monotonic(), there.speech_cpu_seconds()
    await _in_parallel(there, prompts["short"], work, CALLS_AT_ONCE, measured)
    took, used = time.monotonic() - began, there.speech_cpu_seconds() - cpu
    tell_endings(measured.asked)
    progress(f"{len(measured.asked)} answers in {took:.0f} s; refused or lost: {len(measured.problems)}")
    return [
        *bars_of(measured.asked, engine, unintelligible_voices()),
        told(
            "CPU of speech per second of a caller's audio",
            used / max(measured.sent_seconds, 1),
            "s",
            yardstick=f"{used:.0f} s for {measured.sent_seconds:.0f} s that were sent before the results",
        ),
        at_most(
            "questions refused or lost", len(measured.problems), "", 0, yardstick=first_of(measured.problems)
        ),
    ]


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
            else:
                measured.problems.append("the call broke off")
            raise
        _tell_progress(total - len(queue), total)


def _tell_progress(done: int, total: int) -> None:
    if done % 100 == 0:
        progress(f"  {done} of {total}")


async def _ask_one(call: TalkingCall, prompt: Path, grammar: str, item: Item, measured: Measured) -> None:
    outcome = await call.ask(question_of(grammar, prompt), item.line)
    if outcome.heard is None:
        measured.problems.append(outcome.problem)
        return
    measured.sent_seconds += outcome.sent_seconds
    answer_ms = None if item.grammar is None else outcome.answer_ms
    measured.asked.append(Asked(grammar=grammar, item=item, heard=outcome.heard, answer_ms=answer_ms))


async def _grammars(there: Station, prompts: dict[str, Path]) -> list[str]:
    """The grammars the engine takes questions for."""
    taken = []
    for name in ANSWERS:
        try:
            async with there.client.open(question_of(name, prompts["short"])):
                taken.append(name)
        except SpeechUnavailable as error:
            progress(f"{name} is not measured: {error}")
    return taken


def main() -> int:
    plan = QUICK if os.environ.get("QUICK") else WHOLE
    model = Path(os.environ["MODEL"]) if os.environ.get("MODEL") else None
    if model is not None and not is_vosk_model(model):
        progress(
            f"{model} holds no Vosk model: give MODEL a folder with am/final.mdl and conf/model.conf in it"
        )
        return 2
    # PostgreSQL runs as a user of its own when we are root: the folder must be open to it.
    with tempfile.TemporaryDirectory(prefix="tbbench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        return finish("speech", asyncio.run(measure(folder, plan, model)))


if __name__ == "__main__":
    sys.exit(main())
