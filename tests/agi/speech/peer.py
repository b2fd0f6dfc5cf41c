"""A small stand-in for Asterisk's AudioSocket application: speaks frames of 20 ms in real time."""

from __future__ import annotations

import asyncio
from collections import deque
from uuid import UUID

import numpy as np

from agi.speech.audiosocket import Frame, FrameDecoder, FrameKind, encode, encode_audio
from tests.agi.speech.telephone import Samples, frames, quiet_line

Action = Samples | str | float
"""Audio to speak, keys to press, or seconds of quiet line."""


class Caller:
    """Connects as AudioSocket does with its arguments, performs actions, and counts what it hears.

    With `echo_loss_db` the telephone lets through what it plays: so much weaker and `echo_frames` frames later.
    """

    def __init__(self, arguments: str, *, echo_loss_db: float | None = None, echo_frames: int = 7) -> None:
        number, _, address = arguments.partition(",")
        self._number = UUID(number)
        self._host, port = address.split(":")
        self._port = int(port)
        self.frames_heard = 0
        self.loud_frames_heard = 0
        self.arrivals: list[float] = []
        self.was_released = False
        self._echo_gain = 0.0 if echo_loss_db is None else 10 ** (-echo_loss_db / 20)
        self._echoes: deque[Samples] = deque([np.zeros(160, np.int16)] * echo_frames, maxlen=64)

    async def call(self, *actions: Action) -> None:
        """Perform the actions, then stay on a quiet line until the service lets go of the call."""
        reader, writer = await asyncio.open_connection(self._host, self._port)
        writer.write(encode(Frame(kind=FrameKind.UUID, payload=self._number.bytes)))
        listening = asyncio.create_task(self._listen(reader))
        speaking = asyncio.create_task(self._speak(writer, actions))
        await asyncio.wait((listening,))
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
        writer.close()

    async def hang_up_after(self, seconds: float) -> None:
        _, writer = await asyncio.open_connection(self._host, self._port)
        writer.write(encode(Frame(kind=FrameKind.UUID, payload=self._number.bytes)))
        await asyncio.sleep(seconds)
        writer.close()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        decoder = FrameDecoder()
        try:
            while data := await reader.read(4096):
                for frame in decoder.feed(data):
                    if frame.kind is FrameKind.HANGUP:
                        self.was_released = True
                        return
                    self._hear(frame)
        except ConnectionError:
            pass

    def _hear(self, frame: Frame) -> None:
        self.frames_heard += 1
        self.arrivals.append(asyncio.get_running_loop().time())
        self._echoes.append(np.frombuffer(frame.payload, "<i2").astype(np.int16))
        if np.abs(np.frombuffer(frame.payload, "<i2")).max() > 0:
            self.loud_frames_heard += 1

    async def _speak(self, writer: asyncio.StreamWriter, actions: tuple[Action, ...]) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        for action in (*actions, 60.0):
            if isinstance(action, str):
                for key in action:
                    writer.write(encode(Frame(kind=FrameKind.DTMF, payload=key.encode())))
                continue
            for frame in frames(quiet_line(action) if isinstance(action, float) else action):
                writer.write(encode_audio(self._with_echo(frame).astype("<i2").tobytes()))
                due += 0.02
                await asyncio.sleep(due - loop.time())

    def _with_echo(self, frame: Samples) -> Samples:
        if not self._echo_gain or not self._echoes:
            return frame
        mixed = frame.astype(np.float64) + self._echoes.popleft() * self._echo_gain
        return mixed.clip(-32767, 32767).astype(np.int16)
