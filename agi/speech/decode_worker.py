"""Owns the recogniser's process: hands it one utterance after the other, the urgent ones first, and replaces it when
it hangs or dies.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from agi.speech.decode_process import MODULE
from agi.speech.recogniser import Recognition, Synonyms, Utterance
from agi.speech.recognition_json import recognition_from_json

logger = logging.getLogger(__name__)

HUNG_SECONDS = 3.0
"""A decode takes far below a second: an engine that computes for longer, or does not compute at all, is stuck."""
STARVED_SECONDS = 10.0
"""How long one is waited for that wants to compute and gets no turn: starting it again would only cost more."""
LONGEST_WAIT_SECONDS = 1.0
"""With more work than this before the engine, a caller waits too long for the answer to their answer."""
_BEHIND_SECONDS = 1.0
_LOAD_SECONDS = 60.0
_FIRST_GUESS_SECONDS = 0.1
_LINE_BYTES = 256 * 1024
_PROGRAM_DIR = Path(__file__).resolve().parents[2]


class RecogniserLost(Exception):
    """The engine hung or died with this utterance; str() says which."""


class BadGrammar(ValueError):
    """The engine cannot listen for this; str() is the reason."""


@dataclass(order=True)
class _Job:
    urgency: int
    number: int
    request: dict[str, Any] = field(compare=False)
    audio: bytes = field(compare=False)
    answer: asyncio.Future[dict[str, Any]] = field(compare=False)
    wanted: Callable[[], bool] = field(compare=False)


class DecodeWorker:
    """`start`, then `recognise` from any task; `close` at the end."""

    def __init__(self, engine: str, vosk_model_dir: Path | None = None) -> None:
        self._arguments = (engine, str(vosk_model_dir or ""))
        self._jobs: list[_Job] = []
        self._count = 0
        self._wake = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._running: asyncio.Task[None] | None = None
        self._began_at: float | None = None
        self._usual_seconds = _FIRST_GUESS_SECONDS
        self._behind_since: float | None = None
        self.is_ready = False
        self.name = ""
        self.grammars: frozenset[str] = frozenset()

    async def start(self) -> None:
        """Load the engine. Raises FileNotFoundError when its model is missing, OSError when it does not start."""
        await self._load()
        self._running = asyncio.create_task(self._run(), name="decode")

    @property
    def waiting_seconds(self) -> float:
        """How long an utterance that came now would wait for the engine, as things usually go."""
        queued = sum(1 for job in self._jobs if not job.answer.done())
        return (queued + (self._began_at is not None)) * self._usual_seconds

    @property
    def is_behind(self) -> bool:
        """True when answers have had to wait too long for a second on end: a few callers who spoke at once are none."""
        if self.waiting_seconds <= LONGEST_WAIT_SECONDS:
            self._behind_since = None
        return self._behind_since is not None and time.monotonic() - self._behind_since > _BEHIND_SECONDS

    @property
    def process_id(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def prepare(self, grammar: str, synonyms: Synonyms) -> None:
        """Have the engine ready for a question, before its caller speaks. Raises BadGrammar, RecogniserLost."""
        answer = await self._put(0, _request(grammar, synonyms, prepare=True), b"", lambda: True)
        if "refused" in answer:
            raise BadGrammar(answer["refused"])

    async def recognise(
        self,
        utterance: Utterance,
        grammar: str,
        synonyms: Synonyms,
        *,
        final: bool,
        wanted: Callable[[], bool] = lambda: True,
    ) -> Recognition | None:
        """Decode when the engine is free; None when by then `wanted` is false. Raises RecogniserLost."""
        request = _request(
            grammar,
            synonyms,
            final=final,
            samples=len(utterance.samples),
            speech_seconds=utterance.speech_seconds,
            lead_seconds=utterance.lead_seconds,
        )
        audio = utterance.samples.astype("<i2").tobytes()
        answer = await self._put(1 if final else 2, request, audio, wanted)
        return recognition_from_json(answer) if answer else None

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        await self._end_process()

    async def _put(
        self, urgency: int, request: dict[str, Any], audio: bytes, wanted: Callable[[], bool]
    ) -> dict[str, Any]:
        if not self.is_ready:
            raise RecogniserLost("the recogniser is being restarted")
        self._count += 1
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._jobs, _Job(urgency, self._count, request, audio, future, wanted))
        if self.waiting_seconds > LONGEST_WAIT_SECONDS and self._behind_since is None:
            self._behind_since = time.monotonic()
        self._wake.set()
        return await future

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            while self._jobs:
                job = heapq.heappop(self._jobs)
                if job.answer.done():
                    continue
                if not job.wanted():
                    job.answer.set_result({})
                    continue
                await self._decode(job)
            await self._wake.wait()

    async def _decode(self, job: _Job) -> None:
        assert self._process is not None
        self._began_at = time.monotonic()
        try:
            answer = await self._exchange_while_it_works(job)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            hung = isinstance(error, TimeoutError)
            await self._replace("the recogniser hangs" if hung else "the recogniser ended", job)
            return
        finally:
            took, self._began_at = time.monotonic() - self._began_at, None
            if self.waiting_seconds <= LONGEST_WAIT_SECONDS:
                self._behind_since = None
        if job.urgency:
            self._usual_seconds += 0.1 * (took - self._usual_seconds)
        if not job.answer.done():
            job.answer.set_result(answer)

    async def _exchange_while_it_works(self, job: _Job) -> dict[str, Any]:
        """Raises TimeoutError when the process is stuck, else as _exchange does."""
        used = _cpu_seconds(self.process_id)
        exchange = asyncio.create_task(self._exchange(job.request, job.audio))
        try:
            async with asyncio.timeout(STARVED_SECONDS):
                while not (await asyncio.wait((exchange,), timeout=HUNG_SECONDS))[0]:
                    if not _is_starved(self.process_id, used):
                        raise TimeoutError
                return await exchange
        finally:
            exchange.cancel()

    async def _exchange(self, request: Mapping[str, Any], audio: bytes) -> dict[str, Any]:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n" + audio)
        await self._process.stdin.drain()
        return await self._read()

    async def _read(self) -> dict[str, Any]:
        """One answer. Raises EOFError when the process is gone, ValueError for anything but a JSON object."""
        assert self._process is not None and self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        body = json.loads(line)
        if not isinstance(body, dict):
            raise ValueError("not an object")
        return body

    async def _replace(self, reason: str, job: _Job) -> None:
        """Every question that waits is told, so that its caller is asked by keys; new ones are refused meanwhile."""
        logger.error("%s: it is started again", reason)
        self.is_ready = False
        for each in (job, *self._jobs):
            if not each.answer.done():
                each.answer.set_exception(RecogniserLost(reason))
        self._jobs.clear()
        while not self.is_ready:
            await self._end_process()
            try:
                await self._load()
            except OSError as error:
                logger.error("the recogniser does not start (%s); tried again", error)
                await asyncio.sleep(1)

    async def _load(self) -> None:
        paths = [str(_PROGRAM_DIR), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", MODULE, *self._arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_LINE_BYTES,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )  # fmt: skip
        try:
            async with asyncio.timeout(_LOAD_SECONDS):
                first = await self._read()
        except (EOFError, TimeoutError, ValueError) as error:
            await self._end_process()
            raise OSError(f"the recogniser did not load: {error!r}") from error
        if "broken" in first:
            await self._end_process()
            raise FileNotFoundError(first["broken"])
        self.name, self.grammars = str(first["ready"]), frozenset(first["grammars"])
        self.is_ready = True

    async def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _cpu_seconds(process_id: int | None) -> float:
    try:
        times = psutil.Process(process_id).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _is_starved(process_id: int | None, used_before_seconds: float) -> bool:
    """True when the process wants to compute and has hardly been let."""
    try:
        wants = psutil.Process(process_id).status() == psutil.STATUS_RUNNING
    except psutil.Error:
        return False
    return wants and _cpu_seconds(process_id) - used_before_seconds < HUNG_SECONDS / 2


def _request(
    grammar: str,
    synonyms: Synonyms,
    *,
    prepare: bool = False,
    final: bool = True,
    samples: int = 0,
    speech_seconds: float = 0.0,
    lead_seconds: float = 0.0,
) -> dict[str, Any]:
    return {
        "grammar": grammar,
        "synonyms": {value: list(phrases) for value, phrases in synonyms.items()},
        "prepare": prepare,
        "final": final,
        "samples": samples,
        "speech_seconds": speech_seconds,
        "lead_seconds": lead_seconds,
    }
