"""Putting a question to the speech processes. Standard library only: this runs inside the agi process.

async with client.open(question) as asked:
    await channel.run_audiosocket(asked.audiosocket_arguments)
    heard = await asked.heard(timeout_seconds=2)
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from agi.speech.question import Heard, Question, heard_from_json

__all__ = ["Asked", "Heard", "Question", "SpeechClient", "SpeechLost", "SpeechUnavailable"]

OPEN_SECONDS = 0.28
"""All attempts to open together: callers are promised 300 ms."""
AVOID_SECONDS = 2.0
"""A process that failed is asked last for this long."""
_SILENT_SERVICE_SECONDS = 3.0
"""The service says each second that it lives."""
_LINE_BYTES = 64 * 1024


class SpeechUnavailable(Exception):
    """No speech process takes the question; str() is the reason. Ask by keys."""


class SpeechLost(Exception):
    """The process that had the question died, froze or broke off; str() is the reason."""


class _Refused(Exception):
    """The process answered no."""


class Asked:
    """A question that a speech process has taken."""

    def __init__(self, number: str, port: int, reader: asyncio.StreamReader) -> None:
        self.audiosocket_arguments = f"{number},127.0.0.1:{port}"
        """Arguments of Asterisk's application AudioSocket."""
        self._reader = reader
        self._heard: Heard | None = None

    async def heard(self, timeout_seconds: float) -> Heard:
        """Wait for the caller's answer. Raises SpeechLost when the service is gone or `timeout_seconds` are
        over.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                while self._heard is None:
                    async with asyncio.timeout(_SILENT_SERVICE_SECONDS):
                        self._take(await _read(self._reader))
        except TimeoutError as error:
            raise SpeechLost("the speech service does not answer") from error
        except (OSError, ValueError, RecursionError) as error:
            raise SpeechLost(f"the speech service broke off: {error}") from error
        return self._heard

    def _take(self, message: dict[str, Any]) -> None:
        if "lost" in message:
            raise SpeechLost(str(message["lost"]))
        if "heard" in message:
            self._heard = heard_from_json(message["heard"])


class SpeechClient:
    """Spreads questions over the processes at `ports`, pairs of control and AudioSocket port on 127.0.0.1."""

    def __init__(self, ports: Sequence[tuple[int, int]], token: str) -> None:
        self._ports = [control for control, _ in ports]
        self._token = token
        self._open = dict.fromkeys(self._ports, 0)
        self._failed_at: dict[int, float] = {}

    @asynccontextmanager
    async def open(self, question: Question) -> AsyncIterator[Asked]:
        """Put a question; leaving the block takes it back. Raises SpeechUnavailable within 300 ms."""
        port, number, audio_port, reader, writer = await self._first_that_takes(question)
        self._open[port] += 1
        try:
            yield Asked(number, audio_port, reader)
        finally:
            self._open[port] -= 1
            writer.close()

    async def _first_that_takes(
        self, question: Question
    ) -> tuple[int, str, int, asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + OPEN_SECONDS
        reason = "no speech process is configured"
        order = self._order(loop.time())
        for position, port in enumerate(order):
            # Every process still to be tried gets an equal share of the time left.
            share = (deadline - loop.time()) / (len(order) - position)
            try:
                async with asyncio.timeout(share):
                    return (port, *await self._ask(port, question))
            except _Refused as refusal:
                reason = str(refusal)
            except TimeoutError:
                reason = "the speech service does not answer"
                self._failed_at[port] = loop.time()
            except (OSError, ValueError, KeyError, RecursionError) as error:
                reason = f"the speech service cannot be reached: {error}"
                self._failed_at[port] = loop.time()
        raise SpeechUnavailable(reason)

    def _order(self, now: float) -> list[int]:
        def key(port: int) -> tuple[bool, int]:
            return now - self._failed_at.get(port, float("-inf")) < AVOID_SECONDS, self._open[port]

        return sorted(self._ports, key=key)

    async def _ask(
        self, port: int, question: Question
    ) -> tuple[str, int, asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_LINE_BYTES)
        try:
            writer.write(json.dumps({"token": self._token, "ask": question.to_json()}).encode() + b"\n")
            await writer.drain()
            answer = await _read(reader)
            if "refused" in answer:
                raise _Refused(str(answer["refused"]))
            return str(answer["ready"]), int(answer["audiosocket_port"]), reader, writer
        except BaseException:
            writer.close()
            raise


async def _read(reader: asyncio.StreamReader) -> dict[str, Any]:
    """One message. Raises OSError at the end of the connection, ValueError for anything but a JSON object."""
    line = await reader.readline()
    if not line.endswith(b"\n"):
        raise ConnectionResetError("the connection was closed")
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("not an object")
    return message


async def is_alive(control_port: int, timeout_seconds: float = 1.0) -> bool:
    """True when the speech process at this port answers a ping in time."""
    return await pinged(control_port, timeout_seconds) is not None


async def pinged(control_port: int, timeout_seconds: float = 1.0) -> dict[str, Any] | None:
    """What the speech process at this port says of itself (`engine`, `asks`, …); None when it does not answer."""
    try:
        async with asyncio.timeout(timeout_seconds):
            reader, writer = await asyncio.open_connection("127.0.0.1", control_port)
            try:
                writer.write(b'{"ping": 1}\n')
                answer = await _read(reader)
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return None
    return answer if answer.get("pong") == 1 else None
