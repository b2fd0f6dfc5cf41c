"""One caller on an AudioSocket connection: plays the prompt in real time, feeds the turn, returns what was
heard.
"""

from __future__ import annotations

import asyncio

import numpy as np

from agi.speech.audiosocket import HANGUP_BYTES, Frame, FrameDecoder, FrameKind, MalformedFrame, encode_audio
from agi.speech.decode_worker import DecodeWorker, RecogniserLost
from agi.speech.echo import EchoGate
from agi.speech.pace import Beat
from agi.speech.prompt_audio import PromptAudio
from agi.speech.question import Heard, Question
from agi.speech.recogniser import FRAME_BYTES
from agi.speech.turn import Decode, Turn

_SILENT_FRAME = encode_audio(bytes(FRAME_BYTES))
_READ_BYTES = 8192
_LEAVE_SECONDS = 1.0
_MOST_UNSENT_BYTES = 64 * 1024
"""A peer that does not read is gone."""
_TRIAL_WAIT_SECONDS = 0.25
"""With more work than this before the engine, early trials are left out: answers that are due come first."""


class CallAudio:
    """Owns the connection until `converse` returns; the caller closes it."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        decoder: FrameDecoder,
        worker: DecodeWorker,
        beat: Beat,
        *,
        question: Question,
        prompt: PromptAudio,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = decoder
        self._worker = worker
        self._beat = beat
        self._question = question
        self._prompt = prompt
        self._turn = Turn(question, worker.name)
        self._echo = EchoGate()
        self._audio = bytearray()
        self._next = 0
        self._started_at = 0.0
        self._over = asyncio.Event()
        self._lost: RecogniserLost | None = None
        self._decodes: set[asyncio.Task[None]] = set()

    async def converse(self, early: list[Frame]) -> Heard:
        """Put the question. `early`: frames that came together with the caller's identity.

        Raises RecogniserLost when there is nobody to understand the answer.
        """
        self._started_at = asyncio.get_running_loop().time()
        self._take(early)
        reading = asyncio.create_task(self._read())
        self._beat.join(self)
        try:
            await self._over.wait()
        finally:
            self._beat.leave(self)
            for task in (reading, *self._decodes):
                task.cancel()
            await asyncio.gather(reading, *self._decodes, return_exceptions=True)
        if self._turn.heard is None:
            assert self._lost is not None
            raise self._lost
        return self._turn.heard

    def stop(self) -> None:
        """End the turn from outside; `converse` returns."""
        self._turn.on_stop(self._now_ms())
        self._check_over()

    async def hang_up(self) -> None:
        """Tell Asterisk that the step is over, the call goes on in the dialplan, and wait until it left.

        Closing while its audio still comes in would reset the connection and lose the message.
        """
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                self._writer.write(HANGUP_BYTES)
                await self._writer.drain()
                while await self._reader.read(_READ_BYTES):
                    pass
        except (OSError, TimeoutError):
            pass  # the peer left first, or never will

    def _now_ms(self) -> int:
        return round((asyncio.get_running_loop().time() - self._started_at) * 1000)

    def send_frame(self) -> None:
        """Prompt or silence: silence keeps the caller's side from thinking the line dead."""
        if not self._over.is_set():
            self._writer.write(self._next_frame())

    def after_frame(self) -> None:
        self._start(self._turn.on_tick(self._now_ms()))
        transport = self._writer.transport
        if transport.is_closing() or transport.get_write_buffer_size() > _MOST_UNSENT_BYTES:
            self._turn.on_hangup(self._now_ms())
        self._check_over()

    def _next_frame(self) -> bytes:
        """The prompt's next frame; silence after it, and while somebody may be about to speak."""
        if self._next >= len(self._prompt):
            self._turn.prompt_ended(self._now_ms())
        if not self._turn.prompt_playing or self._turn.prompt_held:
            self._echo.sent(None)
            return _SILENT_FRAME
        audio, level_db = self._prompt.frame(self._next), float(self._prompt.levels_db[self._next])
        self._next += 1
        self._echo.sent(np.frombuffer(audio, "<i2"), level_db)
        return encode_audio(audio)

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(_READ_BYTES):
                self._take(self._decoder.feed(data))
        except (OSError, MalformedFrame):
            pass
        self._turn.on_hangup(self._now_ms())
        self._check_over()

    def _take(self, frames: list[Frame]) -> None:
        for frame in frames:
            match frame.kind:
                case FrameKind.AUDIO:
                    self._take_audio(frame.payload)
                case FrameKind.DTMF:
                    self._turn.on_key(chr(frame.payload[0]), self._now_ms())
                case FrameKind.HANGUP | FrameKind.ERROR | FrameKind.UUID:
                    self._turn.on_hangup(self._now_ms())
        self._check_over()

    def _take_audio(self, payload: bytes) -> None:
        self._audio += payload
        while len(self._audio) >= FRAME_BYTES:
            samples = np.frombuffer(bytes(self._audio[:FRAME_BYTES]), "<i2")
            del self._audio[:FRAME_BYTES]
            self._start(self._turn.on_audio(samples, self._now_ms(), self._echo.heard(samples)))

    def _start(self, decode: Decode | None) -> None:
        if decode is None or not (decode.final or self._worker.waiting_seconds < _TRIAL_WAIT_SECONDS):
            return
        task = asyncio.create_task(self._recognise(decode))
        self._decodes.add(task)
        task.add_done_callback(self._decodes.discard)

    async def _recognise(self, decode: Decode) -> None:
        question = self._question
        try:
            recognition = await self._worker.recognise(
                decode.utterance,
                question.grammar,
                question.synonyms,
                final=decode.final,
                wanted=lambda: self._turn.wants(decode),
            )
        except RecogniserLost as error:
            self._lost = error
            self._over.set()
            return
        if recognition is not None:
            idle = self._worker.waiting_seconds == 0
            self._start(self._turn.on_recognition(decode, recognition, self._now_ms(), idle=idle))
        self._check_over()

    def _check_over(self) -> None:
        if self._turn.heard is not None:
            self._over.set()
