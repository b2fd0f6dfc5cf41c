"""The speech process: a control port where questions are put, an AudioSocket port where Asterisk brings the
caller.

Control is JSON lines. The first line is `{"ping": 1}`, answered by `{"pong": 1}`, or `{"token": …, "ask":
{question}}`, answered by `{"ready": uuid, "audiosocket_port": n}` or `{"refused": reason}`. Then come
`{"alive": 1}` each second and, once, `{"heard": {…}}` or `{"lost": reason}`. Closing the control connection
ends the question.
"""

from __future__ import annotations

import asyncio
import gc
import hmac
import json
import logging
from collections import OrderedDict
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from agi.speech.audiosocket import Frame, FrameDecoder, FrameKind, MalformedFrame, identity
from agi.speech.call_audio import CallAudio
from agi.speech.decode_worker import BadGrammar, DecodeWorker, RecogniserLost
from agi.speech.pace import Beat, Pace
from agi.speech.priority import keep_time
from agi.speech.prompt_audio import PromptAudio, PromptCache
from agi.speech.question import Heard, Question, question_from_json

logger = logging.getLogger(__name__)

ALIVE_SECONDS = 1.0
_FIRST_LINE_SECONDS = 2.0
_IDENTITY_SECONDS = 2.0
_CALLER_SECONDS = 10.0
"""How long Asterisk may take to bring the caller of an accepted question."""
_MOST_STRANGERS = 128
"""Connections that have not said who they are; beyond, the oldest is dropped."""
_LINE_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class SpeechConfig:
    """One speech process. Ports are this process's own; 0 takes a free one (the log line "ready" tells
    which).
    """

    index: int
    control_port: int
    audiosocket_port: int
    token: str
    engine: str = "auto"
    vosk_model_dir: Path | None = None
    maximum_asks: int = 48
    host: str = "127.0.0.1"


@dataclass(kw_only=True)
class _Ask:
    question: Question
    prompt: PromptAudio
    heard: asyncio.Future[Heard]
    caller: CallAudio | None = None


class _Strangers:
    """Connections of unknown origin. They are bounded, and a flood of them pushes out its own oldest, never
    an ask.
    """

    def __init__(self) -> None:
        self._writers: OrderedDict[asyncio.StreamWriter, None] = OrderedDict()

    def admit(self, writer: asyncio.StreamWriter) -> None:
        self._writers[writer] = None
        if len(self._writers) > _MOST_STRANGERS:
            oldest, _ = self._writers.popitem(last=False)
            oldest.transport.abort()

    def forget(self, writer: asyncio.StreamWriter) -> None:
        self._writers.pop(writer, None)


class SpeechService:
    """Both servers of a process. `start`, then `close`."""

    def __init__(self, config: SpeechConfig, worker: DecodeWorker) -> None:
        self._config = config
        self._worker = worker
        self._pace = Pace()
        self._beat = Beat(self._pace)
        self._prompts = PromptCache()
        self._asks: dict[UUID, _Ask] = {}
        self._strangers = _Strangers()
        self._servers: list[asyncio.Server] = []
        self.control_port = self.audiosocket_port = 0

    async def start(self) -> None:
        """Listen. Raises OSError when a port is taken."""
        config = self._config
        audio = await asyncio.start_server(self._on_audio, config.host, config.audiosocket_port, backlog=1024)
        self._servers.append(audio)
        control = await asyncio.start_server(
            self._on_control, config.host, config.control_port, limit=_LINE_BYTES, backlog=1024
        )
        self._servers.append(control)
        self.audiosocket_port = audio.sockets[0].getsockname()[1]
        self.control_port = control.sockets[0].getsockname()[1]

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for ask in list(self._asks.values()):
            ask.heard.cancel()
        await self._worker.close()

    # --- control ---

    async def _on_control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._strangers.admit(writer)
        try:
            async with asyncio.timeout(_FIRST_LINE_SECONDS):
                request = _parsed(await reader.readline())
            if request.get("ping") == 1:
                self._pong(writer)
            elif _same(request.get("token"), self._config.token):
                self._strangers.forget(writer)
                await self._ask(request, reader, writer)
        except (OSError, TimeoutError, ValueError):
            pass  # a stranger, or a client that left: nothing to tell it
        finally:
            self._strangers.forget(writer)
            writer.close()

    def _pong(self, writer: asyncio.StreamWriter) -> None:
        """What `doctor` and the benchmark want to know, too."""
        pace, worker = self._pace, self._worker
        _say(writer, {
            "pong": 1, "asks": len(self._asks), "engine": worker.name, "recogniser": worker.process_id,
            "ready": worker.is_ready, "frames": pace.frames, "late": pace.late,
            "worst_late_ms": round(pace.worst_seconds * 1000, 1),
        })  # fmt: skip

    async def _ask(
        self, request: Mapping[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        accepted = self._accept(request)
        if isinstance(accepted, str):
            _say(writer, {"refused": accepted})
            return
        number = uuid4()
        self._asks[number] = accepted
        preparing = asyncio.create_task(self._prepare(accepted))
        try:
            _say(writer, {"ready": str(number), "audiosocket_port": self.audiosocket_port})
            await self._report(accepted, reader, writer)
        finally:
            preparing.cancel()
            del self._asks[number]
            accepted.heard.cancel()
            if accepted.caller is not None:
                accepted.caller.stop()

    def _accept(self, request: Mapping[str, Any]) -> _Ask | str:
        """The ask, or why it is refused."""
        if (reason := self._too_busy()) is not None:
            return reason
        try:
            question = question_from_json(request["ask"])
            prompt = self._prompts.load(question.prompts)
        except (KeyError, TypeError, ValueError) as error:
            return f"bad question: {error}"
        except OSError as error:
            return f"prompt cannot be read: {error}"
        if question.grammar not in self._worker.grammars:
            return f"the engine {self._worker.name} has no grammar {question.grammar!r}"
        future: asyncio.Future[Heard] = asyncio.get_running_loop().create_future()
        return _Ask(question=question, prompt=prompt, heard=future)

    def _too_busy(self) -> str | None:
        """Why no further caller can be heard well now; said before they wait, so that they are asked by keys."""
        if not self._worker.is_ready:
            return "the recogniser is being restarted"
        if len(self._asks) >= self._config.maximum_asks:
            return f"overloaded: {len(self._asks)} callers are being asked"
        if self._worker.is_behind:
            return "overloaded: the recogniser is behind"
        lost = self._pace.is_lost(asyncio.get_running_loop().time())
        return "overloaded: prompts begin to stutter" if lost else None

    async def _prepare(self, ask: _Ask) -> None:
        """Have the engine know the flow's own phrases before the caller speaks."""
        question = ask.question
        if not question.synonyms:
            return
        try:
            await self._worker.prepare(question.grammar, question.synonyms)
        except (BadGrammar, RecogniserLost) as error:
            logger.error("the question cannot be listened for: %s", error)
            if not ask.heard.done():
                ask.heard.set_exception(error)

    async def _report(self, ask: _Ask, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Tell the client that we live until there is something to tell, or until it leaves."""
        loop = asyncio.get_running_loop()
        caller_due = loop.time() + _CALLER_SECONDS
        client_left = asyncio.create_task(reader.read(1))
        try:
            while True:
                await asyncio.wait(
                    (ask.heard, client_left), timeout=ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if ask.heard.done():
                    _say(writer, _last_word(ask.heard))
                    await writer.drain()
                    return
                if client_left.done():
                    return
                if ask.caller is None and loop.time() > caller_due:
                    _say(writer, {"lost": "Asterisk did not bring the caller"})
                    return
                _say(writer, {"alive": 1})
        finally:
            client_left.cancel()

    # --- AudioSocket ---

    async def _on_audio(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._strangers.admit(writer)
        decoder = FrameDecoder()
        try:
            async with asyncio.timeout(_IDENTITY_SECONDS):
                first, *early = await _first_frames(reader, decoder)
            ask = self._asks.get(identity(first)) if first.kind is FrameKind.UUID else None
            if ask is not None and ask.caller is None:
                self._strangers.forget(writer)
                ask.caller = CallAudio(
                    reader,
                    writer,
                    decoder,
                    self._worker,
                    self._beat,
                    question=ask.question,
                    prompt=ask.prompt,
                )
                await _put(ask.heard, ask.caller.converse(early))
                await ask.caller.hang_up()
        except (OSError, TimeoutError, MalformedFrame):
            pass
        finally:
            self._strangers.forget(writer)
            writer.close()


async def _first_frames(reader: asyncio.StreamReader, decoder: FrameDecoder) -> list[Frame]:
    """At least one frame. Raises MalformedFrame when the peer leaves before."""
    while data := await reader.read(_LINE_BYTES):
        if frames := decoder.feed(data):
            return frames
    raise MalformedFrame("nothing came")


async def _put(future: asyncio.Future[Heard], conversation: Coroutine[Any, Any, Heard]) -> None:
    """What came of it, for the client that waits."""
    try:
        heard = await conversation
    except RecogniserLost as error:
        if not future.done():
            future.set_exception(error)
        return
    if not future.done():
        future.set_result(heard)


def _last_word(heard: asyncio.Future[Heard]) -> dict[str, Any]:
    if heard.cancelled():
        return {"lost": "stopped"}
    error = heard.exception()
    return {"heard": heard.result().to_json()} if error is None else {"lost": str(error)}


def _parsed(line: bytes) -> dict[str, Any]:
    """Raises ValueError for anything but a JSON object."""
    try:
        body = json.loads(line)
    except RecursionError as error:
        raise ValueError("too deep") from error
    if not isinstance(body, dict):
        raise ValueError("not an object")
    return body


def _same(given: object, token: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode("utf8", "replace"), token.encode())


def _say(writer: asyncio.StreamWriter, body: Mapping[str, Any]) -> None:
    writer.write(json.dumps(body).encode() + b"\n")


async def serve(config: SpeechConfig) -> None:
    """Load the engine, listen, and run until cancelled.

    Raises OSError when a port is taken or the recogniser's process does not start, FileNotFoundError when the
    engine's model is missing or its setting is unknown, ValueError for an empty token.
    """
    if not config.token:
        raise ValueError("the speech service needs a token")
    worker = DecodeWorker(config.engine, config.vosk_model_dir)
    service = SpeechService(config, worker)
    try:
        await worker.start()
        await service.start()
        # What was loaded stays: collecting garbage need not look at it again, in the middle of 20 ms.
        gc.freeze()
        logger.info(
            "speech %d ready: %s control=%d audiosocket=%d, frames keep %s",
            config.index, worker.name, service.control_port, service.audiosocket_port, keep_time(),
        )  # fmt: skip
        await asyncio.Event().wait()
    finally:
        await service.close()
